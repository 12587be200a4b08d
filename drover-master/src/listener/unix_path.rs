//! A path that a Unix socket lives at: claimed by a lock, so that two masters can't share it; replaced in one step, so that
//! a client never sees it missing; unlinked only while it is still ours.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

/// The longest path of a Unix socket, in bytes: `sun_path` holds 108 with the NUL (`unix(7)`).
pub(crate) const PATH_MAX: usize = 107;

/// What is appended while the socket is being made.
const TEMPORARY: &str = "~";

/// A claimed path. Dropped, it unlinks the socket, if it is still the one it made, and the lock.
#[derive(Debug)]
pub(crate) struct UnixPath {
    path: PathBuf,
    lock_path: PathBuf,
    lock: Option<Flock<File>>,
    /// Device and inode of the socket made here.
    made: Mutex<Option<(u64, u64)>>,
}

/// Why a path can't be used for a socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnixPathError {
    /// Too long for a socket.
    #[error("the path `{}` has {} bytes, a socket's may have {PATH_MAX}; choose a shorter one", path.display(), path.as_os_str().len())]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// A live program holds it.
    #[error("`{}` is in use by a running program; end that one or choose another path", path.display())]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Something else stands there.
    #[error("`{}` exists and is no socket; it is left alone, choose another path", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The kernel says no.
    #[error("`{}` can't be used", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl UnixPath {
    /// Claims a path. A socket file that nobody holds any more may stand there; it is replaced.
    pub(crate) fn claim(path: &Path) -> Result<Self, UnixPathError> {
        let path = path.to_owned();
        if path.as_os_str().len() + TEMPORARY.len() > PATH_MAX {
            return Err(UnixPathError::TooLong { path });
        }
        match fs::symlink_metadata(&path) {
            Ok(found) if !found.file_type().is_socket() => return Err(UnixPathError::NotASocket { path }),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(UnixPathError::Io { path, source }),
        }
        let lock_path = with_suffix(&path, ".lock");
        let lock = lock(&lock_path).map_err(|error| match error {
            Errno::EWOULDBLOCK => UnixPathError::InUse { path: path.clone() },
            error => UnixPathError::Io { path: lock_path.clone(), source: error.into() },
        })?;
        let claimed = Self { path, lock_path, lock: Some(lock), made: Mutex::new(None) };
        // A server that knows nothing of the lock may live there.
        if is_served(&claimed.path) {
            return Err(UnixPathError::InUse { path: claimed.path.clone() });
        }
        Ok(claimed)
    }

    /// Removes a socket that its program left behind: the lock is free and nobody answers.
    pub(crate) fn clear_away(path: &Path) {
        if let Ok(claimed) = Self::claim(path) {
            let _ = fs::remove_file(&claimed.path);
        }
    }

    /// Makes the socket, with mode 0600: at a temporary name, then renamed over what was there.
    pub(crate) fn listen(&self, backlog: u32) -> Result<OwnedFd, UnixPathError> {
        let failed = |source| UnixPathError::Io { path: self.path.clone(), source };
        let temporary = with_suffix(&self.path, TEMPORARY);
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let socket = super::listen_unix(&temporary, backlog).map_err(|error| failed(error.into()))?;
        let place = || {
            fs::set_permissions(&temporary, fs::Permissions::from_mode(0o600))?;
            let made = fs::symlink_metadata(&temporary)?;
            fs::rename(&temporary, &self.path)?;
            Ok((made.dev(), made.ino()))
        };
        match place() {
            Ok(made) => {
                *self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(made);
                Ok(socket)
            }
            Err(error) => {
                let _ = fs::remove_file(&temporary);
                Err(failed(error))
            }
        }
    }
}

impl Drop for UnixPath {
    fn drop(&mut self) {
        let made = *self.made.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = fs::symlink_metadata(&self.path).ok().map(|found| (found.dev(), found.ino()));
        if made.is_some() && made == found {
            let _ = fs::remove_file(&self.path);
        }
        // While it is still locked, so that nobody's new lock file is removed.
        let _ = fs::remove_file(&self.lock_path);
        drop(self.lock.take());
    }
}

/// Locks a file that is there for that alone. Its owner removes it while it holds the lock, so a lock that was won on a
/// file which is gone by then is worth nothing and is tried again.
fn lock(path: &Path) -> Result<Flock<File>, Errno> {
    loop {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)
            .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
        let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error)?;
        let mine = locked.metadata().ok().map(|found| (found.dev(), found.ino()));
        let there = fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()));
        if mine.is_some() && mine == there {
            return Ok(locked);
        }
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

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
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
        fs::write(with_suffix(&dead, ".lock"), "").unwrap();
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
        let _stopped = crate::listener::listen_unix(&path, 1).unwrap();
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
        let path = Path::new("/tmp").join("x".repeat(120));
        let error = UnixPath::claim(&path).unwrap_err();
        assert!(error.to_string().contains("a socket's may have 107"), "{error}");
    }
}
