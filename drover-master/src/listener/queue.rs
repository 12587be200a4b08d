//! The queue of a slot that new connections are led away from, until it is empty.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::sys;

/// How long handshakes that began before connections were led away have to be completed. They belong to the socket that their
/// first packet chose, and no call tells how many there are; each takes one round trip, which is below this between almost
/// any two places on earth. Too low: the last connections of distant clients reach the queue when nobody looks there any
/// more. Too high: every stop of a worker takes that long, though it serves meanwhile. One that loses a packet takes a
/// second and more: it waits in the queue for the slot's next worker, and is refused if there will be none.
const SETTLE: Duration = Duration::from_millis(250);

/// How often a queue is looked at that is not empty; the kernel tells when one fills, not when it empties. One system call
/// each time, while one worker is stopped.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until no connection waits in these queues and none is on its way there. For how long is the caller's matter.
pub(crate) async fn until_empty(sockets: Vec<Arc<OwnedFd>>) {
    tokio::time::sleep(SETTLE).await;
    // One that can't be asked has ended, and with it its queue.
    let is_empty = |socket: &Arc<OwnedFd>| sys::queued(socket.as_fd()).unwrap_or(0) == 0;
    while !sockets.iter().all(is_empty) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_queue_is_empty_when_the_last_connection_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = Arc::new(OwnedFd::from(listener.try_clone().unwrap()));
        let address = listener.local_addr().unwrap();
        let _waiting = [TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap()];
        assert_eq!(sys::queued(socket.as_fd()).unwrap(), 2);
        let mut empty = std::pin::pin!(until_empty(vec![socket]));
        for _ in 0..2 {
            let more = tokio::time::timeout(SETTLE * 2, &mut empty).await;
            more.expect_err("a connection waits");
            listener.accept().unwrap();
        }
        tokio::time::timeout(Duration::from_secs(20), empty).await.expect("nobody waits any more");
    }
}
