//! Turns that are not used.

use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

use super::*;

fn listener() -> TcpListener {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

async fn taken(queue: &AcceptQueue<TcpListener>) -> TcpStream {
    let taken = tokio::time::timeout(Duration::from_secs(60), queue.take(|socket| socket.accept()));
    taken.await.expect("it is this worker's turn").unwrap().0
}

/// Two workers, of which the first is told of a connection that it does not take.
async fn told_in_vain() -> (AcceptQueue<TcpListener>, AcceptQueue<TcpListener>, TcpStream) {
    loop {
        let socket = listener();
        let address = socket.local_addr().unwrap();
        let [one, other] = [socket.try_clone().unwrap(), socket].map(|it| AcceptQueue::join(it).unwrap());
        let client = TcpStream::connect(address).unwrap();
        while !one.0.has_turn() && !other.0.has_turn() {
            tokio::task::yield_now().await;
        }
        let both = async {
            while !(one.0.has_turn() && other.0.has_turn()) {
                tokio::task::yield_now().await;
            }
        };
        // A thread that does not sleep yet when a connection comes is told of it as well.
        if tokio::time::timeout(Duration::from_millis(u64::from(UNUSED_MS) / 3), both).await.is_err() {
            return if other.0.has_turn() { (other, one, client) } else { (one, other, client) };
        }
    }
}

#[tokio::test]
async fn a_listener_that_is_dropped_passes_its_turn_on() {
    let (told, other, client) = told_in_vain().await;
    drop(told);
    assert_eq!(taken(&other).await.peer_addr().unwrap(), client.local_addr().unwrap());
}

#[tokio::test]
async fn a_connection_that_an_app_does_not_take_is_anothers_after_a_moment() {
    let (told, other, client) = told_in_vain().await;
    assert_eq!(taken(&other).await.peer_addr().unwrap(), client.local_addr().unwrap());
    drop(told);
}

#[tokio::test]
async fn waking_all_changes_nothing_for_a_listener() {
    let name = format!("drover-wakes-{}", std::process::id());
    let path = SocketAddr::from_abstract_name(name).unwrap();
    let unix = UnixListener::bind_addr(&path).unwrap();
    let tcp = listener();
    for _ in 0..2 {
        let _client = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
        tcp.accept().unwrap();
        let _client = UnixStream::connect_addr(&path).unwrap();
        unix.accept().unwrap();
        wake_all(&tcp);
        wake_all(&unix);
    }
}

/// The lock stands for a thread that was woken and has not got on: it can't before the place is left.
#[tokio::test]
async fn who_leaves_just_when_it_was_woken_still_takes_the_connection() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    let queue = AcceptQueue::join(socket).unwrap();
    let client = {
        let mut place = queue.0.place();
        let client = TcpStream::connect(address).unwrap();
        queue.0.leave_from(&mut place);
        client
    };
    assert!(queue.0.has_turn(), "nobody else was told");
    let taken = tokio::time::timeout(Duration::from_secs(20), queue.take(|socket| socket.accept()));
    assert_eq!(taken.await.unwrap().unwrap().1, client.local_addr().unwrap());
    assert!(!queue.0.has_turn(), "it has left");
}

#[test]
fn a_turn_is_one_connection_until_connections_keep_waiting() {
    let lengths: Vec<_> = (0..10).map(length_of_turn).collect();
    assert_eq!(lengths, [1, 1, 1, 1, 2, 4, 8, 16, 16, 16]);
}
