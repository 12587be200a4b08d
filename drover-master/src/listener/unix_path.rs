//! A path that a Unix socket lives at: claimed by a lock, so that two masters can't share it; made again where it was swept
//! away; unlinked only while it is still ours.
//!
//! With a keeper, the next master has the same lock and the same socket, and does not touch the path.
//!
//! The socket is bound at its own path, which is the name that it tells (`getsockname(2)`): servers find their sockets by it.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use super::claimed_files::ClaimedFiles;
use super::path_lock::{id_of, is_locked_at, lock, lock_path_of};
use super::socket::{listen_as_oneself, listen_unix};
use super::unix_path_error::{PATH_MAX, UnixPathError};
use crate::keeper::Holds;

/// A claimed path. Dropped, it unlinks the socket, if it is still the one it made, and the lock.
#[derive(Debug)]
pub(crate) struct UnixPath {
    path: PathBuf,
    lock_path: PathBuf,
    held: Mutex<ClaimedFiles>,
    /// Whose the file was of a socket that is resumed.
    resumed_owner: Option<u32>,
    /// Of those who make the socket again.
    turn: Mutex<()>,
}

impl UnixPath {
    /// Claims a path. A socket file that nobody holds any more may stand there; it is replaced.
    pub(crate) fn claim(path: &Path) -> Result<Self, UnixPathError> {
        Self::claim_held(path, &Holds::default(), "")
    }

    /// The same, held by this name; or what the master before had by it.
    pub(crate) fn claim_held(path: &Path, holds: &Holds, name: &str) -> Result<Self, UnixPathError> {
        if let Some(resumed) = Self::resume(holds, name) {
            return Ok(resumed);
        }
        let path = path.to_owned();
        if path.as_os_str().len() > PATH_MAX {
            return Err(UnixPathError::TooLong { path });
        }
        refuse_what_is_no_socket(&path)?;
        let lock_path = lock_path_of(&path);
        let left = ClaimedFiles::left_lock(holds, name).filter(|lock| is_locked_at(lock, &lock_path));
        let lock = left.map_or_else(|| lock(&path, &lock_path), Ok)?;
        let claimed = Self::with(path, ClaimedFiles::new(lock, holds, name), None);
        claimed.refuse_if_served()?;
        Ok(claimed)
    }

    /// What the master before had by this name, wherever that is: clients find its socket there, and its lock was never free.
    pub(crate) fn resume(holds: &Holds, name: &str) -> Option<Self> {
        let (files, path, owner) = ClaimedFiles::resume(holds, name)?;
        Some(Self::with(path, files, Some(owner)))
    }

    fn with(path: PathBuf, files: ClaimedFiles, resumed_owner: Option<u32>) -> Self {
        let lock_path = lock_path_of(&path);
        Self { path, lock_path, held: Mutex::new(files), resumed_owner, turn: Mutex::default() }
    }

    /// Has it held by this name from now on, with the socket that listens there.
    pub(crate) fn hold_by(&self, holds: &Holds, name: &str, socket: &OwnedFd) {
        self.held().hold_by(holds, name, &self.path, socket);
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whose the socket's file was when it was resumed.
    pub(crate) const fn resumed_owner(&self) -> Option<u32> {
        self.resumed_owner
    }

    /// Whether another master goes on with it.
    pub(crate) fn is_left(&self) -> bool {
        self.held().are_left()
    }

    /// A server that knows nothing of the lock may live there.
    fn refuse_if_served(&self) -> Result<(), UnixPathError> {
        match is_served(&self.path) {
            true => Err(UnixPathError::InUse { path: self.path.clone(), holder: None }),
            false => Ok(()),
        }
    }

    /// Removes a socket that its program left behind: the lock is free and nobody answers.
    pub(crate) fn clear_away(path: &Path) {
        if let Ok(claimed) = Self::claim(path) {
            let _ = fs::remove_file(&claimed.path);
        }
    }

    /// Makes the socket, with mode 0600, in the place of one that nobody serves any more. One that is resumed is taken as it is.
    pub(crate) fn listen(&self, backlog: u32) -> Result<OwnedFd, UnixPathError> {
        if let Some(resumed) = self.held().resumed.take() {
            // It is served all the same if the kernel refuses.
            let _ = listen_as_oneself(&resumed, backlog);
            return Ok(resumed);
        }
        let failed = |source| UnixPathError::Io { path: self.path.clone(), source };
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let socket = listen_unix(&self.path, backlog).map_err(|error| failed(error.into()))?;
        let mut held = self.held();
        held.made = Some(id_of(&self.path).map_err(failed)?);
        held.hold(&self.path, &socket);
        drop(held);
        Ok(socket)
    }

    /// Held while the socket is made again: one at a time.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the socket and the lock are still those that were made here.
    pub(crate) fn is_there(&self) -> bool {
        let held = self.held();
        held.made.is_some() && held.made == id_of(&self.path).ok() && self.is_locked_by(&held)
    }

    /// The files that have to be there.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        vec![self.path.clone(), self.lock_path.clone()]
    }

    /// Makes the socket again where it, or its lock, was removed: by a cleaner, or with the directory at a logout. One that
    /// somebody else has put there and serves stays.
    pub(crate) fn listen_again(&self, backlog: u32) -> Result<OwnedFd, UnixPathError> {
        refuse_what_is_no_socket(&self.path)?;
        let is_locked = self.is_locked_by(&self.held());
        if !is_locked {
            self.held().lock = lock(&self.path, &self.lock_path)?;
        }
        let made = self.held().made;
        if made.is_none() || made != id_of(&self.path).ok() {
            self.refuse_if_served()?;
        }
        self.listen(backlog)
    }

    fn is_locked_by(&self, held: &ClaimedFiles) -> bool {
        is_locked_at(&held.lock, &self.lock_path)
    }

    fn held(&self) -> MutexGuard<'_, ClaimedFiles> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnixPath {
    fn drop(&mut self) {
        let (made, is_locked) = {
            let held = self.held();
            if held.are_left() {
                return;
            }
            (held.made, self.is_locked_by(&held))
        };
        if made.is_some() && made == id_of(&self.path).ok() {
            let _ = fs::remove_file(&self.path);
        }
        // While it is still locked, so that nobody's new lock file is removed.
        if is_locked {
            let _ = fs::remove_file(&self.lock_path);
        }
    }
}

fn refuse_what_is_no_socket(path: &Path) -> Result<(), UnixPathError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            Err(UnixPathError::NotASocket { path: path.to_owned() })
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(UnixPathError::Io { path: path.to_owned(), source }),
    }
}

/// Whether somebody listens at a path. Asked without waiting: a stopped server's queue may be full for ever, and then the
/// kernel says EAGAIN (`connect(2)`), which only a live one does.
pub(crate) fn is_served(path: &Path) -> bool {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let knock = || {
        let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(fd.as_raw_fd(), &UnixAddr::new(path)?)
    };
    matches!(knock(), Ok(()) | Err(Errno::EAGAIN))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may wait for the disk")]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A socket file that nobody listens on. Closing alone does not do: a child that another test of this program is just
    /// making may hold a copy for a moment.
    fn leave_behind(path: &Path) {
        let socket = std::os::unix::net::UnixListener::bind(path).unwrap();
        nix::sys::socket::shutdown(socket.as_raw_fd(), nix::sys::socket::Shutdown::Both).unwrap();
    }

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_path_is_held_by_one_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let first = UnixPath::claim(&path).unwrap();
        let _socket = first.listen(16).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(UnixPath::claim(&path), Err(UnixPathError::InUse { .. })));
        drop(first);
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }

    #[test]
    fn a_socket_is_bound_under_its_own_name_whatever_the_length_allows() {
        let dir = tempfile::tempdir().unwrap();
        let longest = dir.path().join("x".repeat(PATH_MAX - dir.path().as_os_str().len() - 1));
        for path in [dir.path().join("x.sock"), longest] {
            let claimed = UnixPath::claim(&path).unwrap();
            let socket = std::os::unix::net::UnixListener::from(claimed.listen(16).unwrap());
            assert_eq!(socket.local_addr().unwrap().as_pathname(), Some(&*path));
        }
    }

    #[test]
    fn a_path_that_is_held_is_told_with_the_pid_of_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let _first = UnixPath::claim(&path).unwrap();
        let error = UnixPath::claim(&path).unwrap_err().to_string();
        assert!(
            error.contains(&format!("in use by a running program, pid {}; end", std::process::id())),
            "{error}"
        );
    }

    #[test]
    fn what_was_swept_away_is_made_again_and_is_ours_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let lock_path = lock_path_of(&path);
        let claimed = UnixPath::claim(&path).unwrap();
        let mut socket = claimed.listen(16).unwrap();
        for swept in [vec![&path], vec![&lock_path], vec![&path, &lock_path]] {
            assert!(claimed.is_there());
            swept.iter().for_each(|path| fs::remove_file(path).unwrap());
            assert!(!claimed.is_there(), "{swept:?}");
            socket = claimed.listen_again(16).unwrap();
            assert!(UnixStream::connect(&path).is_ok());
            assert!(matches!(UnixPath::claim(&path), Err(UnixPathError::InUse { .. })));
        }
        // Another has taken the place, and the lock.
        fs::remove_file(&path).unwrap();
        fs::remove_file(&lock_path).unwrap();
        let other = UnixPath::claim(&path).unwrap();
        let _others = other.listen(16).unwrap();
        assert!(matches!(claimed.listen_again(16), Err(UnixPathError::InUse { .. })));
        drop((claimed, socket));
        assert!(other.is_there(), "what is another's is left alone");
    }

    #[test]
    fn a_stale_socket_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        leave_behind(&path);
        assert!(UnixStream::connect(&path).is_err());
        let claimed = UnixPath::claim(&path).unwrap();
        let _socket = claimed.listen(16).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn what_a_killed_program_left_is_cleared_away_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (dead, live) = (dir.path().join("dead.sock"), dir.path().join("live.sock"));
        leave_behind(&dead);
        fs::write(lock_path_of(&dead), "").unwrap();
        let claimed = UnixPath::claim(&live).unwrap();
        let _socket = claimed.listen(16).unwrap();
        UnixPath::clear_away(&dead);
        UnixPath::clear_away(&live);
        let mut left = names(dir.path());
        left.sort();
        assert_eq!(left, ["live.sock", "live.sock.lock"]);
    }

    #[test]
    fn a_live_server_without_our_lock_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let _live = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(matches!(UnixPath::claim(&path), Err(UnixPathError::InUse { .. })));
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn a_server_that_is_stopped_with_a_full_queue_is_in_use_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let _stopped = listen_unix(&path, 1).unwrap();
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let mut queued = Vec::new();
        loop {
            let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
            match connect(fd.as_raw_fd(), &UnixAddr::new(&path).unwrap()) {
                Ok(()) => queued.push(fd),
                Err(error) => break assert_eq!(error, Errno::EAGAIN),
            }
        }

        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let asked = path.clone();
        std::thread::spawn(move || {
            let claimed = UnixPath::claim(&asked);
            UnixPath::clear_away(&asked);
            let _ = tell.send((claimed, is_served(&asked)));
        });
        let (claimed, served) = told.recv_timeout(std::time::Duration::from_secs(30)).expect("nothing waits");
        assert!(matches!(claimed, Err(UnixPathError::InUse { .. })));
        assert!(served);
        assert!(path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        fs::write(&path, "dear diary").unwrap();
        assert!(matches!(UnixPath::claim(&path), Err(UnixPathError::NotASocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "dear diary");
    }

    #[test]
    fn anothers_socket_at_our_path_is_not_unlinked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let claimed = UnixPath::claim(&path).unwrap();
        let _socket = claimed.listen(16).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(claimed);
        assert!(path.exists());
    }

    #[test]
    fn a_path_too_long_for_a_socket_says_so() {
        let path = Path::new("/tmp").join("x".repeat(103));
        let error = UnixPath::claim(&path).unwrap_err();
        assert!(error.to_string().contains("has 108 bytes, a socket's may have 107"), "{error}");
    }
}
