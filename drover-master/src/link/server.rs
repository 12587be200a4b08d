//! Accepts workers on the app's socket.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::connection::{ConnectionId, LinkNews, serve};
use super::directory::{Directory, DirectoryError};
use crate::listener::UnixPath;
use crate::process::Account;

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
    news: mpsc::Sender<LinkNews>,
    /// The user that workers run as. It may speak here, as the master's own and root may.
    admitted: Arc<AtomicU32>,
    acceptor: JoinHandle<()>,
    // In this order: the socket file goes before its directory.
    _socket: UnixPath,
    directory: Directory,
}

impl LinkServer {
    /// Opens the socket in a private directory of its own.
    pub(crate) fn open(news: mpsc::Sender<LinkNews>) -> Result<Self, DirectoryError> {
        Self::open_in(Directory::create()?, news)
    }

    fn open_in(directory: Directory, news: mpsc::Sender<LinkNews>) -> Result<Self, DirectoryError> {
        let path = directory.socket();
        let failed = |source: io::Error| DirectoryError::Io { path: path.clone(), source };
        let socket = UnixPath::claim(&path).map_err(|error| failed(io::Error::other(error)))?;
        let listener = socket.listen(BACKLOG).map_err(|error| failed(io::Error::other(error)))?;
        let listener = std::os::unix::net::UnixListener::from(listener);
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        let admitted = Arc::new(AtomicU32::new(nix::unistd::geteuid().as_raw()));
        let acceptor = tokio::spawn(accept(listener, news.clone(), Arc::clone(&admitted)));
        Ok(Self { path, news, admitted, acceptor, _socket: socket, directory })
    }

    /// Gives the socket to the user that workers run as, before the first of them is told its path. If that user can't reach
    /// it where it is (a runtime directory lets in its owner alone), it moves to where everybody can.
    pub(crate) fn admit(&mut self, account: &Account) -> Result<(), DirectoryError> {
        if self.admitted.load(Ordering::Relaxed) == account.uid {
            return Ok(());
        }
        if !self.directory.lets_in(account) {
            *self = Self::open_in(Directory::create_for_others()?, self.news.clone())?;
        }
        // Mode 0600: to connect is to write (unix(7)).
        std::os::unix::fs::chown(&self.path, Some(account.uid), None)
            .map_err(|source| DirectoryError::Io { path: self.path.clone(), source })?;
        self.admitted.store(account.uid, Ordering::Relaxed);
        Ok(())
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

async fn accept(listener: UnixListener, news: mpsc::Sender<LinkNews>, admitted: Arc<AtomicU32>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let id = ConnectionId(CONNECTIONS.fetch_add(1, Ordering::Relaxed));
                let user = admitted.load(Ordering::Relaxed);
                tokio::spawn(serve(stream, id, news.clone(), permit, user));
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

    #[tokio::test]
    async fn a_socket_that_another_user_can_not_reach_moves_and_is_given_to_it() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        if !nix::unistd::geteuid().is_root() {
            // Not by a macro, whose words are kept from who runs the tests.
            use std::io::Write as _;
            let _ = io::stderr().write_all(b"SKIPPED: only root can give a socket to another user\n");
            return;
        }
        let account = Account { uid: 65534, gid: 65534, groups: vec![65534], is_another: true, login: None };
        let runtime = tempfile::tempdir().unwrap();
        for (mode, is_moved) in [(0o711, false), (0o700, true)] {
            std::fs::set_permissions(runtime.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let (news, _told) = mpsc::channel(8);
            let directory = Directory::create_in(Some(runtime.path()), Path::new("/nowhere")).unwrap();
            let mut server = LinkServer::open_in(directory, news).unwrap();
            server.admit(&account).unwrap();
            assert_eq!(!server.path().starts_with(runtime.path()), is_moved);
            let socket = std::fs::symlink_metadata(server.path()).unwrap();
            assert_eq!((socket.uid(), socket.mode() & 0o777), (65534, 0o600));
            assert!(server.directory.lets_in(&account));
            let path = server.path().to_owned();
            drop(server);
            assert!(!path.parent().unwrap().exists());
        }
    }
}
