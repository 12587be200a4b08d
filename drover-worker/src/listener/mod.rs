//! A listener that shares its connections with the other processes on the same socket.
//!
//! Waiting on one socket from many processes is unfair by nature: the kernel asks the process that began to wait last,
//! so one of them takes most of the connections. Here each process takes one connection and then waits behind all others:
//! [`accept_queue`](crate::listener::accept_queue) tells how.

pub(crate) mod accept_queue;
mod incoming;
pub(crate) mod listen_fds;
pub(crate) mod named;
pub(crate) mod unix;

use std::io;
use std::net::SocketAddr;
use std::sync::Weak;

use tokio::net::TcpStream;

use self::accept_queue::{AcceptQueue, Leave};
pub use self::incoming::Incoming;
#[cfg(feature = "axum")]
pub(crate) use self::incoming::pause_after;
pub use self::unix::UnixListener;
use crate::sys;

/// A TCP listener with the interface of tokio's, which shares connections evenly among the workers of an app: they take turns.
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
pub struct Listener(AcceptQueue<std::net::TcpListener>);

impl Listener {
    /// Wraps a listening socket.
    ///
    /// The socket is made non-blocking. That holds for every process that shares it: one that accepts by blocking
    /// calls can't share a socket with this listener, nor with tokio's.
    ///
    /// # Errors
    ///
    /// What the system says to `epoll_create1`, `eventfd`, `epoll_ctl` or to making a thread; mostly that no file
    /// descriptor is left.
    pub fn from_std(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        AcceptQueue::join(socket).map(Self)
    }

    /// The same place among the workers, for the bus.
    pub(crate) fn leaver(&self) -> Weak<dyn Leave> {
        self.0.leaver()
    }

    /// Takes the next connection. It is non-blocking and close-on-exec.
    ///
    /// A listener from the bus takes none any more once the worker is asked to stop, but one that came just before and that
    /// no other worker was told of; the call does not resolve then, until the worker is resumed. Connections that queue are
    /// for the other workers.
    ///
    /// # Errors
    ///
    /// As `accept(2)`. The peer may have left again (`ConnectionAborted`), or a limit is reached (`EMFILE`,
    /// `ENFILE`, `ENOMEM`): the listener stays usable, and one waits a moment before the next call.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped future has taken no connection.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.0.take(sys::accept).await?;
        Ok((TcpStream::from_std(stream)?, peer))
    }

    /// The address on which it listens.
    ///
    /// # Errors
    ///
    /// As `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.with_socket(std::net::TcpListener::local_addr)
    }

    /// Gives up fairness and returns the plain socket. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// None today; tokio's method of this name has the same signature.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        Ok(self.0.into_socket())
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
        // A fair share is 100 of 400. A thread that is not back in the queue yet lets a turn pass, which a loaded machine does.
        assert!(shares.iter().all(|share| *share >= 50), "{shares:?}");
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
    async fn a_listener_that_leaves_uses_the_turn_it_has_and_takes_nothing_more_until_it_comes_back() {
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let place = listener.leaver().upgrade().unwrap();
        let first = TcpStream::connect(address).await.unwrap();
        while !place.has_turn() {
            tokio::task::yield_now().await;
        }
        let second = TcpStream::connect(address).await.unwrap();
        let over = place.over().notified();
        place.leave();
        assert_eq!(listener.accept().await.unwrap().1, first.local_addr().unwrap());
        timeout(DEADLINE, over).await.unwrap();
        let early = timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(early.is_err(), "it has left: {early:?}");
        place.come_back();
        assert_eq!(listener.accept().await.unwrap().1, second.local_addr().unwrap());
    }

    #[tokio::test]
    async fn a_dropped_listener_has_closed_its_socket_and_ended_its_thread() {
        let listener = listener();
        let (address, place) = (listener.local_addr().unwrap(), listener.leaver());
        drop(listener);
        TcpStream::connect(address).await.unwrap_err();
        let ended = async {
            // The thread is the last that holds it.
            while place.strong_count() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(DEADLINE, ended).await.unwrap();
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
