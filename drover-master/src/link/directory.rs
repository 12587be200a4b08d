//! The private directory of a worker socket. A master that was killed leaves one behind; the next one clears it away.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::directory_error::{DirectoryError, LONGEST};
use super::own_place::own_place;
use crate::config::Account;
use crate::keeper::{Hold, Holds};
use crate::listener::PATH_MAX;
use crate::sys::lock_file;

/// The socket's name in its directory.
const SOCKET: &str = "worker.sock";

/// How many directories of other masters are looked at: a master that is killed leaves one, and each start may remove this many. More
/// would hold up the start.
const CLEARED: usize = 256;

/// How many new directories are tried. One is lost only to a master that starts in the same instant, so a hundred times in
/// a row means that something else is wrong.
const TRIES: u32 = 100;

/// A directory that this master alone holds, by a lock on the directory itself. Dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    lock: File,
    /// Whether other users' workers come to it.
    is_for_others: bool,
    hold: Hold,
}

impl Directory {
    /// A new directory below the user's runtime directory, or below `/tmp` or `/run` if that can't be used; what dead masters left there
    /// is removed.
    pub(crate) fn create() -> Result<Self, DirectoryError> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
        Self::create_in(runtime.as_deref(), &own_base()).or_else(|error| error.or_below(&second_base()))
    }

    /// Below `runtime`, else below `own`. What others may write to is not passed over: somebody made it so, and should know.
    pub(super) fn create_in(runtime: Option<&Path>, own: &Path) -> Result<Self, DirectoryError> {
        // One that is not there, or is another user's (sudo may leave the variable), is not a place for a directory of ours.
        let is_ours = |dir: &&Path| {
            fs::metadata(dir).is_ok_and(|dir| dir.is_dir() && dir.uid() == nix::unistd::geteuid().as_raw())
        };
        let Some(runtime) = runtime.filter(is_ours) else { return Self::create_below(own) };
        match Self::create_below(&runtime.join("drover-workers")) {
            Err(error @ (DirectoryError::TooLong { .. } | DirectoryError::Io { .. })) => {
                tracing::debug!(target: "drover::link", %error, "using {} instead", own.display());
                Self::create_below(own)
            }
            other => other,
        }
    }

    pub(super) fn create_below(base: &Path) -> Result<Self, DirectoryError> {
        Self::create_held(base, hold)
    }

    /// `hold` locks what was made, or says that it was lost to another master.
    fn create_held(
        base: &Path,
        hold: impl Fn(&Path) -> io::Result<Option<File>>,
    ) -> Result<Self, DirectoryError> {
        if base.as_os_str().len() + LONGEST > PATH_MAX {
            return Err(DirectoryError::TooLong { path: base.to_owned() });
        }
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
                Ok(Some(lock)) => {
                    return Ok(Self { path, lock, is_for_others: false, hold: Hold::default() });
                }
                Ok(None) => {}
                Err(error) => {
                    remove(&path);
                    return Err(failed(&path, error));
                }
            }
        }
        Err(failed(base, io::Error::other(format!("each of {TRIES} new directories in it was taken away"))))
    }

    /// A new directory below `/tmp`, where every user can reach it, whatever the master's umask is.
    pub(crate) fn create_for_others() -> Result<Self, DirectoryError> {
        let mut made = Self::create_below(&own_base()).or_else(|error| error.or_below(&second_base()))?;
        made.is_for_others = true;
        made.let_others_in()?;
        Ok(made)
    }

    /// The one that the master before had by this name.
    pub(crate) fn resume(holds: &Holds, name: &str, is_for_others: bool) -> Option<Self> {
        let lock = File::from(holds.take(name)?);
        let path = fs::read_link(format!("/proc/self/fd/{}", lock.as_raw_fd())).ok()?;
        // What the kernel says of one that was removed (proc_pid_fd(5)); it will be made again there.
        let removed = path.to_str().and_then(|path| path.strip_suffix(" (deleted)"));
        let path = removed.filter(|_| !path.exists()).map_or_else(|| path.clone(), PathBuf::from);
        let hold = holds.hold(name, lock.as_fd());
        Some(Self { path, lock, is_for_others, hold })
    }

    /// Held by this name, for the next master.
    #[must_use]
    pub(crate) fn held_by(mut self, holds: &Holds, name: &str) -> Self {
        self.hold = holds.hold(name, self.lock.as_fd());
        self
    }

    fn let_others_in(&self) -> Result<(), DirectoryError> {
        for dir in self.path.ancestors().take(2) {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o711))
                .map_err(|source| DirectoryError::Io { path: dir.to_owned(), source })?;
        }
        Ok(())
    }

    /// Whether it is still the one that was made here.
    pub(crate) fn is_there(&self) -> bool {
        let id = |found: fs::Metadata| (found.dev(), found.ino());
        let mine = self.lock.metadata().map(id).ok();
        mine.is_some() && mine == fs::symlink_metadata(&self.path).map(id).ok()
    }

    /// Makes it again at its path, if it was swept away: workers have been told that path.
    pub(crate) fn restore(&mut self) -> Result<(), DirectoryError> {
        if self.is_there() {
            return Ok(());
        }
        let failed = |source| DirectoryError::Io { path: self.path.clone(), source };
        if let Some(base) = self.path.parent() {
            ensure_private(base)?;
        }
        DirBuilder::new().mode(0o711).create(&self.path).map_err(failed)?;
        let lost = || io::Error::other("another master has taken it away");
        self.lock = hold(&self.path).and_then(|lock| lock.ok_or_else(lost)).map_err(failed)?;
        self.hold.replace(self.lock.as_fd());
        if self.is_for_others { self.let_others_in() } else { Ok(()) }
    }

    /// Whether somebody may pass through it and through each directory above it.
    pub(crate) fn lets_in(&self, account: &Account) -> bool {
        self.path.ancestors().all(|dir| fs::metadata(dir).is_ok_and(|dir| account.may_enter(&dir)))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the socket is to be.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.hold.is_left() {
            remove(&self.path);
        }
    }
}

fn own_base() -> PathBuf {
    own_place(Path::new("/tmp"), "drover-workers")
}

/// In a container whose `/tmp` can't be written to, `/run` often can; the control socket is made there, too.
fn second_base() -> PathBuf {
    own_place(Path::new("/run"), "drover-workers")
}

impl DirectoryError {
    /// Another place, where nothing can be made in the first one. If neither will do, the error is that of the first.
    fn or_below(self, base: &Path) -> Result<Directory, Self> {
        match self {
            Self::Io { .. } => Directory::create_below(base).map_err(|_| self),
            other => Err(other),
        }
    }
}

/// Locks a directory that was just made. Between making and locking, another master may take it for a dead one's and remove
/// it: then it is lost.
fn hold(path: &Path) -> io::Result<Option<File>> {
    let dir = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match lock_file(dir.as_fd()) {
        Ok(()) => Ok(path.exists().then_some(dir)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
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

/// Removes the directories of masters that are gone: their locks are free. Only this many at each start, however many there are.
#[expect(clippy::disallowed_methods, reason = "no more than CLEARED of them are looked at")]
fn clear_away(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for path in entries.flatten().take(CLEARED).map(|entry| entry.path()) {
        let Ok(dir) = File::open(&path) else { continue };
        // Held until it is removed: a master that is just making it must not lock it in between and take it for its own.
        if lock_file(dir.as_fd()).is_ok() {
            remove(&path);
        }
    }
}

/// With all that is in it: the socket, and the lock and temporary names beside it.
#[expect(clippy::disallowed_methods, reason = "a directory of a master has a handful of files")]
fn remove(path: &Path) {
    let _ = fs::remove_dir_all(path);
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may wait for the disk")]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_can_be_made_in_the_first_place_there_is_a_second() {
        let dir = tempfile::tempdir().unwrap();
        let nowhere = || Directory::create_in(None, Path::new("/proc/nowhere")).unwrap_err();
        let base = dir.path().join("second");
        let made = nowhere().or_below(&base).unwrap();
        assert!(made.path().starts_with(&base));
        let error = nowhere().or_below(Path::new("/proc/nowhere/either")).unwrap_err().to_string();
        assert!(
            error.contains("`/proc/nowhere`")
                && error.ends_with("set XDG_RUNTIME_DIR to a directory of yours"),
            "{error}"
        );
    }

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
    fn a_runtime_directory_that_can_not_be_used_is_no_reason_to_fail() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let long = dir.path().join("x".repeat(80));
        fs::create_dir(&long).unwrap();
        // Nobody's, or root's, whoever runs this.
        let foreign = dir.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        let foreign = match nix::unistd::geteuid().is_root() {
            true => {
                std::os::unix::fs::chown(&foreign, Some(65534), None).unwrap();
                foreign
            }
            false => PathBuf::from("/"),
        };
        for runtime in [dir.path().join("not/there"), file, long, foreign] {
            let made = Directory::create_in(Some(&runtime), &own).unwrap();
            assert!(made.path.starts_with(&own), "{}", runtime.display());
        }
        let made = Directory::create_in(Some(dir.path()), &own).unwrap();
        assert!(made.path.starts_with(dir.path().join("drover-workers")));
        assert!(crate::listener::UnixPath::claim(&made.socket()).is_ok());
    }

    #[test]
    fn a_runtime_directory_of_ours_that_others_may_write_to_is_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("drover-workers");
        fs::create_dir(&base).unwrap();
        fs::set_permissions(&base, fs::Permissions::from_mode(0o777)).unwrap();
        let told = Directory::create_in(Some(dir.path()), &dir.path().join("own"));
        assert!(matches!(told, Err(DirectoryError::Unsafe { path, .. }) if path == base));
    }

    #[test]
    fn a_directory_that_can_not_be_locked_is_removed_and_the_error_told() {
        let base = tempfile::tempdir().unwrap();
        let told = Directory::create_held(base.path(), |_| Err(io::Error::from_raw_os_error(libc::EMFILE)))
            .unwrap_err();
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
