//! A Unix listener that shares its connections with the other processes on the same socket, as [`Listener`](crate::Listener)
//! does with TCP.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net;
use std::path::Path;
use std::sync::Weak;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixStream;
use tokio::net::unix::SocketAddr;

use super::accept_queue::{AcceptQueue, Leave};

/// A Unix listener with the interface of tokio's, which shares connections among the workers of an app as
/// [`Listener`](crate::Listener) does.
///
/// It comes from [`MessageBus::unix_listener`](crate::MessageBus::unix_listener). Dropping it closes this process's hold on the socket; connections that wait in
/// its queue stay there for the other workers.
///
/// With the feature `axum` it goes straight into `axum::serve`.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("drover-doc-{}.sock", std::process::id()));
/// use drover_worker::UnixListener;
///
/// let listener = UnixListener::from_std(std::os::unix::net::UnixListener::bind(&path)?)?;
/// let _client = tokio::net::UnixStream::connect(&path).await?;
/// let (_stream, _peer) = listener.accept().await?;
/// # std::fs::remove_file(&path)
/// # }
/// ```
#[derive(Debug)]
pub struct UnixListener(AcceptQueue<net::UnixListener>);

impl UnixListener {
    /// Wraps a listening socket, and makes it non-blocking for every process that shares it.
    ///
    /// # Errors
    ///
    /// What the system says to `epoll_create1`, `eventfd`, `epoll_ctl` or to making a thread; mostly that no file descriptor
    /// is left.
    pub fn from_std(socket: net::UnixListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        AcceptQueue::join(socket).map(Self)
    }

    /// The same place among the workers, for the bus.
    pub(crate) fn leaver(&self) -> Weak<dyn Leave> {
        self.0.leaver()
    }

    /// Takes the next connection. It is non-blocking and close-on-exec.
    ///
    /// A listener from the bus takes none any more once the worker is asked to stop, as
    /// [`Listener::accept`](crate::Listener::accept) says.
    ///
    /// # Errors
    ///
    /// As `accept(2)`. If a limit is reached (`EMFILE`, `ENFILE`, `ENOMEM`) the listener stays usable, and one waits a moment
    /// before the next call.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped future has taken no connection.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = self.0.take(net::UnixListener::accept).await?;
        stream.set_nonblocking(true)?;
        Ok((UnixStream::from_std(stream)?, peer.into()))
    }

    /// The address on which it listens.
    ///
    /// # Errors
    ///
    /// As `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.with_socket(net::UnixListener::local_addr).map(SocketAddr::from)
    }

    /// Gives up fairness and returns the plain socket. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// None today; tokio's listener has the same signature.
    pub fn into_std(self) -> io::Result<net::UnixListener> {
        Ok(self.0.into_socket())
    }
}

/// Listens at a path, at which there may be what a dead program left.
pub(crate) fn bind(path: &Path) -> io::Result<OwnedFd> {
    match net::UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left(path) => {
            std::fs::remove_file(path)?;
            net::UnixListener::bind(path)
        }
        bound => bound,
    }
    .map(OwnedFd::from)
}

/// Whether it is a socket at which nobody listens.
fn is_left(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    // Non-blocking: a server that is stopped and has a full queue would let a connect wait for ever.
    let connected = Socket::new(Domain::UNIX, Type::STREAM, None).and_then(|socket| {
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    });
    is_socket && connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);

    /// A path of its own for each test, removed at its end.
    struct TempPath(PathBuf);

    impl TempPath {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("drover-worker-{}-{name}.sock", std::process::id())))
        }
    }

    impl Drop for TempPath {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[tokio::test]
    async fn several_listeners_on_one_socket_take_every_connection_between_them() {
        const CONNECTIONS: usize = 200;
        let place = TempPath::new("several");
        let socket = net::UnixListener::bind(&place.0).unwrap();
        let (accepted, mut accepts) = tokio::sync::mpsc::channel(1);
        let mut tasks = JoinSet::new();
        for number in 0..4 {
            let listener = UnixListener::from_std(socket.try_clone().unwrap()).unwrap();
            let accepted = accepted.clone();
            tasks.spawn(async move {
                while listener.accept().await.is_ok() && accepted.send(number).await.is_ok() {}
            });
        }
        let mut shares = [0; 4];
        for _ in 0..CONNECTIONS {
            let _client = UnixStream::connect(&place.0).await.unwrap();
            shares[timeout(DEADLINE, accepts.recv()).await.unwrap().unwrap()] += 1;
        }
        // A fair share is 50 of 200.
        assert!(shares.iter().all(|share| *share >= 15), "{shares:?}");
    }

    #[tokio::test]
    async fn what_a_dead_program_left_is_replaced_and_a_live_server_is_not() {
        let place = TempPath::new("left");
        let listener = UnixListener::from_std(net::UnixListener::bind(&place.0).unwrap()).unwrap();
        assert_eq!(bind(&place.0).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        let bound = UnixListener::from_std(bind(&place.0).unwrap().into()).unwrap();
        assert_eq!(bound.local_addr().unwrap().as_pathname(), Some(&*place.0));
        std::fs::remove_file(&place.0).unwrap();
        std::fs::write(&place.0, "dear diary").unwrap();
        assert_eq!(bind(&place.0).unwrap_err().kind(), io::ErrorKind::AddrInUse, "no socket");
    }
}
