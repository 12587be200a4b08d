//! Where a worker's notification socket is: a path of its own, so that the socket alone says whose it is.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, setsockopt, socket, sockopt};
use nix::sys::stat::{Mode, fchmod};

use crate::link::{Directory, DirectoryError};
use crate::machine::ids::WorkerId;
use crate::process::Account;

/// The directory of the sockets of one generation. Dropped, it is removed once the last of its sockets is gone.
#[derive(Debug)]
pub(crate) struct NotifyPlace {
    directory: Arc<Directory>,
}

/// A worker's socket.
#[derive(Debug)]
pub(crate) struct NotifySocket {
    /// What reads it.
    pub fd: OwnedFd,
    /// Where it is.
    pub path: NotifyPath,
}

/// The path of a socket. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct NotifyPath {
    path: PathBuf,
    _directory: Arc<Directory>,
}

impl NotifyPlace {
    /// A new private directory.
    pub(crate) fn create() -> Result<Self, DirectoryError> {
        Ok(Self { directory: Arc::new(Directory::create()?) })
    }

    /// Makes the socket of a worker: for its user and root alone, 0600.
    pub(crate) fn open(
        &mut self,
        worker: WorkerId,
        account: Option<&Account>,
    ) -> Result<NotifySocket, DirectoryError> {
        if let Some(account) = account.filter(|account| !self.directory.lets_in(account)) {
            tracing::debug!(target: "drover::notify", %account, "the sockets move to where it can reach them");
            self.directory = Arc::new(Directory::create_for_others()?);
        }
        let path = self.directory.path().join(format!("n{worker}"));
        let fd = made(&path, account).map_err(|source| DirectoryError::Io { path: path.clone(), source })?;
        let path = NotifyPath { path, _directory: Arc::clone(&self.directory) };
        Ok(NotifySocket { fd, path })
    }
}

impl NotifyPath {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for NotifyPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn made(path: &Path, account: Option<&Account>) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    // Before there is a path: no datagram is without its sender.
    setsockopt(&fd, sockopt::PassCred, &true)?;
    // On Linux the mode of the socket itself is that of the path bind(2) makes, so nobody else can ever write to it.
    fchmod(fd.as_fd(), Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &UnixAddr::new(path)?)?;
    if let Some(account) = account.filter(|account| account.is_another) {
        std::os::unix::fs::chown(path, Some(account.uid), None)?;
    }
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn each_worker_has_a_socket_for_its_user_alone_and_nothing_is_left() {
        let mut place = NotifyPlace::create().unwrap();
        let [one, other] = [1, u64::from(u32::MAX)].map(|id| place.open(WorkerId(id), None).unwrap());
        assert_ne!(one.path.path(), other.path.path());
        let directory = one.path.path().parent().unwrap().to_owned();
        assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o7777, 0o711);
        let found = std::fs::symlink_metadata(other.path.path()).unwrap();
        assert_eq!((found.mode() & 0o777, found.uid()), (0o600, nix::unistd::geteuid().as_raw()));
        let path = one.path.path().to_owned();
        drop(one);
        assert!(!path.exists());
        drop(place);
        assert!(directory.exists(), "a worker of it still lives");
        drop(other);
        assert!(!directory.exists());
    }

    #[test]
    fn the_socket_of_another_users_worker_is_given_to_it() {
        if !nix::unistd::geteuid().is_root() {
            // Not by a macro, whose words are kept from who runs the tests.
            use std::io::Write as _;
            let _ = io::stderr().write_all(b"SKIPPED: only root can give a socket to another user\n");
            return;
        }
        let account = Account { uid: 65534, gid: 65534, groups: vec![65534], is_another: true, login: None };
        let socket = NotifyPlace::create().unwrap().open(WorkerId(1), Some(&account)).unwrap();
        let found = std::fs::symlink_metadata(socket.path.path()).unwrap();
        assert_eq!((found.mode() & 0o777, found.uid()), (0o600, 65534));
        for dir in socket.path.path().ancestors().skip(1) {
            assert!(account.may_enter(&std::fs::metadata(dir).unwrap()), "{}", dir.display());
        }
    }
}
