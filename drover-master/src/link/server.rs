//! Accepts workers on the app's socket.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::connection::{ConnectionId, LinkNews, serve};
use super::directory::{Directory, DirectoryError};
use crate::listener::UnixPath;

/// The queue to one worker: frames that are encoded already. A master says little; a worker that lets this many messages
/// lie does not read, and is treated as broken.
const OUTGOING: usize = 64;

/// How many connections may be in their handshake at once. More wait in the kernel's queue; a stranger who opens
/// connections and says nothing holds each for 5 s.
const HANDSHAKES: usize = 256;

/// The kernel's queue: room for every worker of a large app to connect at once.
const BACKLOG: u32 = 4096;

/// How long to wait when no descriptor is left for a new connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// The next connection's number, over all servers: news of a connection outlives its server, and may meet the connections of
/// the app's next run.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// The sending end of a worker's queue.
pub(crate) type Outgoing = mpsc::Sender<Bytes>;

/// A new queue to a worker.
pub(crate) fn outgoing() -> (Outgoing, mpsc::Receiver<Bytes>) {
    mpsc::channel(OUTGOING)
}

/// The socket and who accepts on it. Dropped, the socket is gone; connections that stand go on.
#[derive(Debug)]
pub(crate) struct LinkServer {
    path: PathBuf,
    acceptor: JoinHandle<()>,
    // In this order: the socket file goes before its directory.
    _socket: UnixPath,
    _directory: Directory,
}

impl LinkServer {
    /// Opens the socket in a private directory of its own.
    pub(crate) fn open(news: mpsc::Sender<LinkNews>) -> Result<Self, DirectoryError> {
        let directory = Directory::create()?;
        let path = directory.socket();
        let failed = |source: io::Error| DirectoryError::Io { path: path.clone(), source };
        let socket = UnixPath::claim(&path).map_err(|error| failed(io::Error::other(error)))?;
        let listener = socket.listen(BACKLOG).map_err(|error| failed(io::Error::other(error)))?;
        let listener = std::os::unix::net::UnixListener::from(listener);
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        let acceptor = tokio::spawn(accept(listener, news));
        Ok(Self { path, acceptor, _socket: socket, _directory: directory })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LinkServer {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn accept(listener: UnixListener, news: mpsc::Sender<LinkNews>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let id = ConnectionId(CONNECTIONS.fetch_add(1, Ordering::Relaxed));
                tokio::spawn(serve(stream, id, news.clone(), permit));
            }
            Err(error) => {
                // EMFILE, ENFILE: the connection stays in the queue, and accept would fail at once again.
                tracing::warn!(target: "drover::protocol", %error, "can't accept a worker's connection");
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn connections_of_two_runs_are_never_taken_for_each_other() {
        let (news, mut told) = mpsc::channel(8);
        let mut seen = Vec::new();
        for _ in 0..2 {
            let server = LinkServer::open(news.clone()).unwrap();
            // Closed without a Hello, which is news already.
            drop(UnixStream::connect(server.path()).await.unwrap());
            seen.push(told.recv().await.unwrap().connection);
        }
        assert_ne!(seen[0], seen[1]);
    }
}
