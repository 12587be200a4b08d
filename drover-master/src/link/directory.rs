//! The private directory of a worker socket. A master that was killed leaves one behind; the next one clears it away.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// The socket's name in its directory.
const SOCKET: &str = "worker.sock";

/// How many new directories are tried. One is lost only to a master that starts in the same instant, so a hundred times in
/// a row means that something else is wrong.
const TRIES: u32 = 100;

/// A directory that this master alone holds, by a lock on the directory itself. Dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: Flock<File>,
}

/// Why there is no place for the worker socket: the environment's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// Somebody else could put things there.
    #[error("`{}` belongs to user {owner} or others may write there (mode {mode:o}); remove it, or set XDG_RUNTIME_DIR", path.display())]
    Unsafe {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Its mode.
        mode: u32,
    },
    /// The kernel says no.
    #[error("the directory `{}` for the worker socket can't be used", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl Directory {
    /// A new directory below the user's runtime directory; what dead masters left there is removed.
    pub(crate) fn create() -> Result<Self, DirectoryError> {
        Self::create_below(&base())
    }

    fn create_below(base: &Path) -> Result<Self, DirectoryError> {
        Self::create_held(base, hold)
    }

    /// `hold` locks what was made, or says that it was lost to another master.
    fn create_held(
        base: &Path,
        hold: impl Fn(&Path) -> io::Result<Option<Flock<File>>>,
    ) -> Result<Self, DirectoryError> {
        ensure_private(base)?;
        clear_away(base);
        let failed = |path: &Path, source| DirectoryError::Io { path: path.to_owned(), source };
        for _ in 0..TRIES {
            let path = base.join(format!("{}-{:08x}", std::process::id(), fastrand::u32(..)));
            // 0711: a worker that runs as another user can reach the socket, and nobody can list.
            match DirBuilder::new().mode(0o711).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other.map_err(|error| failed(&path, error))?,
            }
            match hold(&path) {
                Ok(Some(lock)) => return Ok(Self { path, _lock: lock }),
                Ok(None) => {}
                Err(error) => {
                    remove(&path);
                    return Err(failed(&path, error));
                }
            }
        }
        Err(failed(base, io::Error::other(format!("each of {TRIES} new directories in it was taken away"))))
    }

    /// Where the socket is to be.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn base() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) if Path::new(&dir).is_absolute() => Path::new(&dir).join("drover-workers"),
        _ => PathBuf::from(format!("/tmp/drover-workers-{}", nix::unistd::geteuid())),
    }
}

/// Locks a directory that was just made. Between making and locking, another master may take it for a dead one's and remove
/// it: then it is lost.
fn hold(path: &Path) -> io::Result<Option<Flock<File>>> {
    let dir = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match Flock::lock(dir, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(path.exists().then_some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error.into()),
    }
}

/// A directory of our own where nobody else can write.
fn ensure_private(base: &Path) -> Result<(), DirectoryError> {
    let failed = |source| DirectoryError::Io { path: base.to_owned(), source };
    match DirBuilder::new().mode(0o711).create(base) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    let found = fs::symlink_metadata(base).map_err(failed)?;
    if !found.is_dir() || found.uid() != nix::unistd::geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(DirectoryError::Unsafe {
            path: base.to_owned(),
            owner: found.uid(),
            mode: found.mode() & 0o7777,
        });
    }
    Ok(())
}

/// Removes the directories of masters that are gone: their locks are free.
fn clear_away(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let Ok(dir) = File::open(&path) else { continue };
        // Held until it is removed: a master that is just making it must not lock it in between and take it for its own.
        if let Ok(_lock) = Flock::lock(dir, FlockArg::LockExclusiveNonblock) {
            remove(&path);
        }
    }
}

/// With all that is in it: the socket, and the lock and temporary names beside it.
fn remove(path: &Path) {
    let _ = fs::remove_dir_all(path);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_dead_masters_directory_is_cleared_away_and_a_live_ones_is_not() {
        let base = tempfile::tempdir().unwrap();
        let live = Directory::create_below(base.path()).unwrap();
        fs::write(live.socket(), "").unwrap();
        let dead = base.path().join("1-dead");
        fs::create_dir(&dead).unwrap();
        for name in [SOCKET, "worker.sock.lock", "worker.sock~"] {
            fs::write(dead.join(name), "").unwrap();
        }

        let other = Directory::create_below(base.path()).unwrap();
        assert!(!dead.exists());
        assert!(live.socket().exists());
        drop((live, other));
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn masters_that_start_at_once_do_not_clear_each_other_away() {
        let base = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let mine = Directory::create_below(base.path()).unwrap();
                        std::thread::park_timeout(std::time::Duration::from_millis(1));
                        assert!(mine.path.exists(), "another master removed it");
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_can_not_be_locked_is_removed_and_the_error_told() {
        let base = tempfile::tempdir().unwrap();
        let told = Directory::create_held(base.path(), |_| Err(Errno::EMFILE.into())).unwrap_err();
        let DirectoryError::Io { source, .. } = told else { panic!("{told}") };
        assert_eq!(source.raw_os_error(), Some(libc::EMFILE));
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_is_always_lost_to_another_is_given_up_in_the_end() {
        let base = tempfile::tempdir().unwrap();
        let lose = |path: &Path| fs::remove_dir(path).map(|()| None);
        let told = Directory::create_held(base.path(), lose).unwrap_err();
        assert!(matches!(told, DirectoryError::Io { path, .. } if path == base.path()));
    }

    #[test]
    fn a_directory_whose_lock_another_holds_or_that_is_gone_is_lost() {
        let base = tempfile::tempdir().unwrap();
        assert!(hold(&base.path().join("gone")).unwrap().is_none());
        let mine = hold(base.path()).unwrap().unwrap();
        assert!(hold(base.path()).unwrap().is_none());
        drop(mine);
        assert!(hold(base.path()).unwrap().is_some());
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Directory::create_below(base.path()), Err(DirectoryError::Unsafe { .. })));
    }
}
