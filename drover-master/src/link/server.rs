//! Accepts workers on the app's socket.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::connection::serve;
use super::directory::Directory;
use super::directory_error::DirectoryError;
use super::news::{ConnectionId, LinkNews};
use super::place::{BACKLOG, LinkPlace};
use crate::config::Account;
use crate::keeper::Holds;
use crate::listener::UnixPath;
use crate::upkeep::{Teller, Upkeep, keep};

/// The queue to one worker: frames that are encoded already. A master says little; a worker that lets this many messages
/// lie does not read, and is treated as broken.
const OUTGOING: usize = 64;

/// How many connections may be in their handshake at once. More wait in the kernel's queue; a stranger who opens
/// connections and says nothing holds each for 5 s.
const HANDSHAKES: usize = 256;

/// How long to wait when no descriptor is left for a new connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// The next connection's number, over all servers: news of a connection outlives its server, and may meet the connections of
/// the app's next run.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// The end of the name that it is held by: where its own user's workers reach it, and where others' do.
const OWN: &str = "own";
const OTHERS: &str = "others";

/// What is added to that for the directory.
const DIRECTORY: &str = "directory";

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
    teller: Teller,
    holds: Holds,
    /// What it is held by.
    held_name: String,
    acceptor: JoinHandle<()>,
    _upkeep: Upkeep,
    place: Arc<LinkPlace>,
}

impl LinkServer {
    /// Opens the socket in a private directory of its own. `teller` is told if it is swept away.
    ///
    /// Held by this name; what the master before had by it is served on, where it is.
    pub(crate) fn open(
        holds: &Holds,
        name: &str,
        news: mpsc::Sender<LinkNews>,
        teller: Teller,
    ) -> Result<Self, DirectoryError> {
        let is_moved = |place| place == OTHERS;
        // Killed while it moved, the one before had both, and nobody was told of the second.
        let resumed = [OWN, OTHERS].into_iter().find_map(|place| {
            let held = format!("{name}/{place}");
            let directory = Directory::resume(holds, &format!("{held}/{DIRECTORY}"), is_moved(place))?;
            UnixPath::resume(holds, &held).map(|socket| (directory, socket, place))
        });
        let (directory, socket, place) = match resumed {
            Some((directory, socket, place)) => (directory, Some(socket), place),
            None => (Directory::create()?, None, OWN),
        };
        Self::open_in(directory, socket, (holds, name, place), news, teller)
    }

    fn open_in(
        directory: Directory,
        socket: Option<UnixPath>,
        (holds, name, place): (&Holds, &str, &str),
        news: mpsc::Sender<LinkNews>,
        teller: Teller,
    ) -> Result<Self, DirectoryError> {
        let path = socket.as_ref().map_or_else(|| directory.socket(), |socket| socket.path().to_owned());
        let failed = |source: io::Error| DirectoryError::Io { path: path.clone(), source };
        let held = format!("{name}/{place}");
        let (directory, socket) = match socket {
            Some(socket) => (directory, socket),
            None => {
                let directory = directory.held_by(holds, &format!("{held}/{DIRECTORY}"));
                let socket = UnixPath::claim_held(&path, holds, &held);
                (directory, socket.map_err(|error| failed(io::Error::other(error)))?)
            }
        };
        let listener = socket.listen(BACKLOG).map_err(|error| failed(io::Error::other(error)))?;
        let listener = listening(listener).map_err(failed)?;
        let (fresh, renewed) = mpsc::channel(1);
        let place = Arc::new(LinkPlace::new(path.clone(), socket, directory, fresh, teller.clone()));
        let admitted = Arc::clone(&place.admitted);
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        let acceptor = tokio::spawn(accept(listener, renewed, news.clone(), admitted));
        let upkeep = keep(Arc::<LinkPlace>::clone(&place));
        let (holds, held_name) = (holds.clone(), name.to_owned());
        Ok(Self { path, news, teller, holds, held_name, acceptor, _upkeep: upkeep, place })
    }

    /// Gives the socket to the user that workers run as, before the first of them is told its path. If that user can't reach
    /// it where it is (a runtime directory lets in its owner alone), it moves to where everybody can.
    pub(crate) fn admit(&mut self, account: &Account) -> Result<(), DirectoryError> {
        if self.place.admitted.load(Ordering::Relaxed) == account.uid {
            return Ok(());
        }
        if !self.place.lets_in(account) {
            let directory = Directory::create_for_others()?;
            let held = (&self.holds, &*self.held_name, OTHERS);
            *self = Self::open_in(directory, None, held, self.news.clone(), self.teller.clone())?;
        }
        self.place
            .give_to(account.uid)
            .map_err(|source| DirectoryError::Io { path: self.path.clone(), source })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LinkServer {
    fn drop(&mut self) {
        self.acceptor.abort();
        self.place.close();
    }
}

fn listening(socket: OwnedFd) -> io::Result<std::os::unix::net::UnixListener> {
    let listener = std::os::unix::net::UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn accept(
    mut listener: UnixListener,
    mut renewed: mpsc::Receiver<std::os::unix::net::UnixListener>,
    news: mpsc::Sender<LinkNews>,
    admitted: Arc<AtomicU32>,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(new) = renewed.recv() => {
                match UnixListener::from_std(new) {
                    Ok(new) => listener = new,
                    Err(error) => tracing::error!(target: "drover::protocol", %error, "the worker socket can't be served"),
                }
                continue;
            }
        };
        match accepted {
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
#[expect(clippy::disallowed_methods, reason = "a test may wait for the disk")]
mod tests {
    use std::time::Duration;

    use tokio::net::UnixStream;

    use super::*;
    use crate::keeper::TestKeeper;
    use crate::machine::fleet::SocketLoss;
    use crate::upkeep::UpkeepNews;

    fn teller() -> (Teller, std::sync::mpsc::Receiver<UpkeepNews>) {
        let (tell, told) = std::sync::mpsc::sync_channel(64);
        (Teller(Arc::new(move |news| tell.try_send(news).is_ok())), told)
    }

    fn open_in(directory: Directory, news: mpsc::Sender<LinkNews>, teller: Teller) -> LinkServer {
        LinkServer::open_in(directory, None, (&Holds::default(), "", OWN), news, teller).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_worker_comes_back_by_the_same_path_after_it_was_swept_away() {
        let runtime = tempfile::tempdir().unwrap();
        let (news, mut connected) = mpsc::channel(8);
        let (teller, told) = teller();
        let directory = Directory::create_in(Some(runtime.path()), Path::new("/nowhere")).unwrap();
        let server = open_in(directory, news, teller);
        let path = server.path().to_owned();
        for swept in [&*path, path.parent().unwrap(), path.parent().unwrap().parent().unwrap()] {
            // What is made again meanwhile is in the way of a directory's end.
            while swept.exists() {
                let _ = std::fs::remove_file(&path);
                let _ = swept != path && std::fs::remove_dir_all(swept).is_ok();
            }
            let wait = || told.recv_timeout(Duration::from_secs(60)).expect("it is made again");
            let UpkeepNews::Renewed(mut renewal) = tokio::task::block_in_place(wait) else { panic!() };
            // The directory is swept file by file, and may be looked at in between.
            while renewal.fault.is_some() || !path.exists() {
                let UpkeepNews::Renewed(next) = tokio::task::block_in_place(wait) else { panic!() };
                renewal = next;
            }
            assert_eq!((&*renewal.what, renewal.loss), ("the worker socket", SocketLoss::Removed));
            // Closed without a Hello, which is news already.
            let connects = async {
                while UnixStream::connect(&path).await.map(drop).is_err() {
                    tokio::task::yield_now().await;
                }
                connected.recv().await
            };
            tokio::time::timeout(Duration::from_secs(60), connects).await.unwrap().unwrap();
        }
        drop(server);
        assert!(!path.parent().unwrap().exists());
    }

    #[tokio::test]
    async fn a_worker_comes_back_by_the_same_path_after_the_master_was_killed() {
        let (mut keeper, holds) = TestKeeper::new();
        let (news, mut connected) = mpsc::channel(8);
        let open = |holds: &Holds| LinkServer::open(holds, "web/1", news.clone(), teller().0).unwrap();
        let server = open(&holds);
        let path = server.path().to_owned();
        let directory = path.parent().unwrap();
        let next = keeper.crash(&holds, server);
        let queued = UnixStream::connect(&path).await.expect("its queue is there without a master");
        // Who starts meanwhile clears dead masters' directories away, and this one is locked.
        drop(Directory::create_below(directory.parent().unwrap()).unwrap());
        assert!(path.exists());
        let server = open(&next);
        assert_eq!(server.path(), path);
        // Closed without a Hello, which is news already.
        drop(queued);
        tokio::time::timeout(Duration::from_secs(60), connected.recv()).await.unwrap().unwrap();
        drop(server);
        assert!(!directory.exists());
        assert_eq!(keeper.held(), [""; 0]);
    }

    #[tokio::test]
    async fn a_socket_that_moved_and_its_user_are_known_to_the_next_master() {
        use std::os::unix::fs::PermissionsExt;
        if !nix::unistd::geteuid().is_root() {
            // Not by a macro, whose words are kept from who runs the tests.
            use std::io::Write as _;
            let _ = io::stderr().write_all(b"SKIPPED: only root can give a socket to another user\n");
            return;
        }
        let account = Account { uid: 65534, gid: 65534, groups: vec![65534], is_another: true, login: None };
        let (mut keeper, holds) = TestKeeper::new();
        let (news, _told) = mpsc::channel(8);
        let runtime = tempfile::tempdir().unwrap();
        std::fs::set_permissions(runtime.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let directory = Directory::create_in(Some(runtime.path()), Path::new("/nowhere")).unwrap();
        let held = (&holds, "web/1", OWN);
        let mut server = LinkServer::open_in(directory, None, held, news.clone(), teller().0).unwrap();
        server.admit(&account).unwrap();
        let path = server.path().to_owned();
        assert!(!path.starts_with(runtime.path()));
        let next = keeper.crash(&holds, server);
        let mut server = LinkServer::open(&next, "web/1", news, teller().0).unwrap();
        assert_eq!(server.place.admitted.load(Ordering::Relaxed), account.uid);
        server.admit(&account).unwrap();
        assert_eq!(server.path(), path);
        drop(server);
        assert!(!path.parent().unwrap().exists());
        assert_eq!(keeper.held(), [""; 0]);
    }

    #[tokio::test]
    async fn connections_of_two_runs_are_never_taken_for_each_other() {
        let (news, mut told) = mpsc::channel(8);
        let mut seen = Vec::new();
        for _ in 0..2 {
            let server = LinkServer::open(&Holds::default(), "", news.clone(), teller().0).unwrap();
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
            let mut server = open_in(directory, news, teller().0);
            server.admit(&account).unwrap();
            assert_eq!(!server.path().starts_with(runtime.path()), is_moved);
            let socket = std::fs::symlink_metadata(server.path()).unwrap();
            assert_eq!((socket.uid(), socket.mode() & 0o777), (65534, 0o600));
            assert!(server.place.lets_in(&account));
            let path = server.path().to_owned();
            drop(server);
            assert!(!path.parent().unwrap().exists());
        }
    }
}
