//! A listener that shares its connections with the other processes on the same socket.
//!
//! Waiting on one socket from many processes is unfair by nature: the kernel asks the process that began to wait last,
//! so one of them takes most of the connections. Here each process takes one connection, then leaves the queue of those
//! who wait and joins it again at its end:
//!
//! ```text
//!  tokio's epoll ──► our epoll ──► listening socket, shared by all workers
//!                    EPOLLEXCLUSIVE; removed and added again after each accept
//! ```
//!
//! The epoll of our own is needed because tokio registers a socket once, edge-triggered, and cannot be told otherwise.
//! Behind it the kernel asks in the order of the queue, but does not stop at the first: the others wake a little later
//! and mostly find nothing. So connections that come apart are shared evenly, while a burst goes to those that are
//! awake; and no connection ever waits for one worker that is busy or about to leave while another is idle.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::request::Requests;
use crate::sys::{self, AcceptQueue};

/// A TCP listener with the interface of tokio's, which shares connections among the workers of an app: evenly if they
/// come one by one, by who is idle if they come in a burst.
///
/// It comes from [`MessageBus::listener`](crate::MessageBus::listener). Dropping it closes this process's hold on the
/// socket; connections that wait in its queue stay there for the other workers.
///
/// With the feature `axum` it goes straight into `axum::serve`.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use drover_worker::Listener;
///
/// let listener = Listener::from_std(std::net::TcpListener::bind("127.0.0.1:0")?)?;
/// let client = tokio::net::TcpStream::connect(listener.local_addr()?).await?;
/// let (_stream, peer) = listener.accept().await?;
/// assert_eq!(peer, client.local_addr()?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Listener {
    /// Declared before the socket: dropped, and so closed, before it.
    queue: AcceptQueue,
    socket: std::net::TcpListener,
    /// Whether the socket is in the queue. Held over one accept, so that two tasks do not remove it twice.
    waiting: Mutex<bool>,
    /// What the worker was asked to do; none for a listener that came from elsewhere.
    requests: Option<watch::Receiver<Requests>>,
}

impl Listener {
    /// Wraps a listening socket.
    ///
    /// The socket is made non-blocking. That holds for every process that shares it: one that accepts by blocking
    /// calls can't share a socket with this listener, nor with tokio's.
    ///
    /// # Errors
    ///
    /// What the system says to `epoll_create1` or `epoll_ctl`; mostly that no file descriptor is left.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub fn from_std(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let queue = AcceptQueue::new()?;
        queue.join(&socket)?;
        Ok(Self { queue, socket, waiting: Mutex::new(true), requests: None })
    }

    /// The same listener, which takes nothing any more once the worker is asked to stop.
    pub(crate) fn until_stopped(self, requests: watch::Receiver<Requests>) -> Self {
        Self { requests: Some(requests), ..self }
    }

    /// Takes the next connection. It is non-blocking and close-on-exec.
    ///
    /// A listener from the bus takes none any more once the worker is asked to stop; the call does not resolve then, and
    /// connections that queue are for the other workers.
    ///
    /// # Errors
    ///
    /// As `accept(2)`. The peer may have left again (`ConnectionAborted`), or a limit is reached (`EMFILE`,
    /// `ENFILE`, `ENOMEM`): the listener stays usable, and one waits a moment before the next call.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped future has taken no connection.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        tokio::select! {
            biased;
            () = self.stop_requested() => {
                self.leave();
                std::future::pending().await
            }
            accepted = self.take() => accepted,
        }
    }

    async fn stop_requested(&self) {
        let Some(mut requests) = self.requests.clone() else { return std::future::pending().await };
        let is_asked = |requests: &Requests| requests.stop.is_some() || requests.quit.is_some();
        // The sender lives as long as the bus; a listener that outlives it goes on.
        if requests.wait_for(is_asked).await.is_err() {
            std::future::pending().await
        }
    }

    /// Has the kernel ask the other workers only.
    fn leave(&self) {
        let mut waiting = self.waiting.lock().expect("never poisoned");
        // A failure costs this process a wakeup for each connection, and nobody a connection.
        if *waiting && self.queue.leave(&self.socket).is_ok() {
            *waiting = false;
        }
    }

    async fn take(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            self.rejoin()?;
            let mut readiness = self.queue.readable().await?;
            let mut waiting = self.waiting.lock().expect("never poisoned");
            match sys::accept(&self.socket) {
                Ok((stream, peer)) => {
                    // Readiness is cleared before the queue is joined again: joining tells of further connections.
                    readiness.clear();
                    // The connection must not be lost for an error here; the next call tries again and tells.
                    let rejoined =
                        self.queue.leave(&self.socket).and_then(|()| self.queue.join(&self.socket));
                    *waiting = rejoined.is_ok();
                    return Ok((TcpStream::from_std(stream)?, peer));
                }
                // Another worker was faster.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => readiness.clear(),
                // Readiness stays: the connection still waits, and nothing would tell of it again.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The address on which it listens.
    ///
    /// # Errors
    ///
    /// As `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Gives up fairness and returns the plain socket. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// None today; tokio's method of this name has the same signature.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        Ok(self.socket)
    }

    /// Joins the queue if the last attempt failed.
    fn rejoin(&self) -> io::Result<()> {
        let mut waiting = self.waiting.lock().expect("never poisoned");
        if !*waiting {
            self.queue.join(&self.socket)?;
            *waiting = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::mpsc;
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);

    fn listener() -> Listener {
        Listener::from_std(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap()
    }

    #[tokio::test]
    async fn several_listeners_on_one_socket_share_its_connections() {
        const LISTENERS: usize = 4;
        const CONNECTIONS: usize = 400;
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (accepted, mut accepts) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        for number in 0..LISTENERS {
            let listener = Listener::from_std(socket.try_clone().unwrap()).unwrap();
            let accepted = accepted.clone();
            tasks.spawn(async move {
                while listener.accept().await.is_ok() && accepted.send(number).await.is_ok() {}
            });
        }
        let mut shares = [0; LISTENERS];
        for _ in 0..CONNECTIONS {
            let _client = TcpStream::connect(address).await.unwrap();
            shares[timeout(DEADLINE, accepts.recv()).await.unwrap().unwrap()] += 1;
        }
        // A fair share is 100 of 400.
        assert!(shares.iter().all(|share| *share >= 30), "{shares:?}");
    }

    #[tokio::test]
    async fn connections_that_queued_before_the_first_accept_are_all_taken() {
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let mut clients = HashSet::new();
        let mut open = Vec::new();
        for _ in 0..50 {
            let client = TcpStream::connect(address).await.unwrap();
            clients.insert(client.local_addr().unwrap());
            open.push(client);
        }
        for _ in 0..50 {
            let (_, peer) = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
            assert!(clients.remove(&peer));
        }
    }

    #[tokio::test]
    async fn many_tasks_may_accept_on_one_listener() {
        let listener = Arc::new(listener());
        let address = listener.local_addr().unwrap();
        let (accepted, mut accepts) = mpsc::channel(64);
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let (listener, accepted) = (Arc::clone(&listener), accepted.clone());
            tasks.spawn(async move {
                while let Ok((_, peer)) = listener.accept().await {
                    accepted.send(peer).await.unwrap();
                }
            });
        }
        let mut clients = HashSet::new();
        let mut open = Vec::new();
        for _ in 0..64 {
            let client = TcpStream::connect(address).await.unwrap();
            clients.insert(client.local_addr().unwrap());
            open.push(client);
        }
        for _ in 0..64 {
            assert!(clients.remove(&timeout(DEADLINE, accepts.recv()).await.unwrap().unwrap()));
        }
    }

    #[tokio::test]
    async fn an_accept_that_is_dropped_takes_no_connection() {
        let listener = listener();
        let address = listener.local_addr().unwrap();
        for _ in 0..20 {
            tokio::select! {
                biased;
                accepted = listener.accept() => panic!("nobody has connected: {accepted:?}"),
                () = tokio::task::yield_now() => {}
            }
            let client = TcpStream::connect(address).await.unwrap();
            let (_, peer) = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        }
    }

    #[tokio::test]
    async fn a_listener_that_dropped_out_of_the_queue_joins_it_again() {
        let listener = listener();
        listener.queue.leave(&listener.socket).unwrap();
        *listener.waiting.lock().unwrap() = false;
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_plain_socket_still_accepts_after_fairness_is_given_up() {
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let plain = tokio::net::TcpListener::from_std(listener.into_std().unwrap()).unwrap();
        assert_eq!(plain.local_addr().unwrap(), address);
        let client = TcpStream::connect(address).await.unwrap();
        let (_, peer) = timeout(DEADLINE, plain.accept()).await.unwrap().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    }
}
