//! Where a worker's notification socket is: a path of its own, so that the socket alone says whose it is.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::lasting::LastingSockets;
use crate::config::Account;
use crate::ids::WorkerId;
use crate::link::{Directory, DirectoryError};
use crate::upkeep::{Teller, Upkeep, keep};

/// The directory of the sockets of one generation. Dropped, it is removed once the last of its sockets is gone.
#[derive(Debug)]
pub(crate) struct NotifyPlace {
    house: Arc<House>,
    teller: Teller,
}

/// A worker's socket.
#[derive(Debug)]
pub(crate) struct NotifySocket {
    /// What reads it.
    pub fd: OwnedFd,
    /// What takes its place, if its path is swept away.
    pub renewed: mpsc::Receiver<OwnedFd>,
    /// Where it is.
    pub path: NotifyPath,
}

/// The path of a socket. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct NotifyPath {
    path: PathBuf,
    house: Arc<House>,
}

/// A directory and who looks after it.
#[derive(Debug)]
struct House {
    _upkeep: Upkeep,
    kept: Arc<LastingSockets>,
}

impl House {
    fn keep(directory: Directory, teller: &Teller) -> Arc<Self> {
        let kept = Arc::new(LastingSockets::new(directory, teller.clone()));
        Arc::new(Self { _upkeep: keep(Arc::<LastingSockets>::clone(&kept)), kept })
    }
}

impl NotifyPlace {
    /// A new private directory. `teller` is told if it, or a socket of it, is swept away.
    pub(crate) fn create(teller: &Teller) -> Result<Self, DirectoryError> {
        Ok(Self { house: House::keep(Directory::create()?, teller), teller: teller.clone() })
    }

    /// Makes the socket of a worker: for its user and root alone, 0600.
    pub(crate) fn open(
        &mut self,
        worker: WorkerId,
        account: Option<&Account>,
    ) -> Result<NotifySocket, DirectoryError> {
        if let Some(account) = account.filter(|account| !self.house.kept.lets_in(account)) {
            tracing::debug!(target: "drover::notify", %account, "the sockets move to where it can reach them");
            self.house = House::keep(Directory::create_for_others()?, &self.teller);
        }
        let (fd, path, renewed) = self.house.kept.open(&format!("n{worker}"), account)?;
        let path = NotifyPath { path, house: Arc::clone(&self.house) };
        Ok(NotifySocket { fd, renewed, path })
    }
}

impl NotifyPath {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for NotifyPath {
    fn drop(&mut self) {
        self.house.kept.close(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    use super::*;
    use crate::machine::fleet::SocketRenewal;
    use crate::upkeep::UpkeepNews;

    fn teller() -> (Teller, std::sync::mpsc::Receiver<SocketRenewal>) {
        let (tell, told) = std::sync::mpsc::sync_channel(64);
        let tell = move |news| match news {
            UpkeepNews::Renewed(renewal) => tell.try_send(renewal).is_ok(),
            UpkeepNews::ListenerReplaced => unreachable!("these are no listeners"),
        };
        (Teller(Arc::new(tell)), told)
    }

    #[test]
    fn every_socket_that_was_swept_away_is_there_again_by_the_same_path() {
        let (teller, told) = teller();
        let mut place = NotifyPlace::create(&teller).unwrap();
        let mut sockets = [1, 2].map(|id| place.open(WorkerId(id), None).unwrap());
        let directory = sockets[0].path.path().parent().unwrap().to_owned();
        let path = |id: u64| directory.join(format!("n{id}"));
        for (swept, lost) in [(path(1), 1), (directory.clone(), 2)] {
            if swept.is_dir() {
                #[expect(clippy::disallowed_methods, reason = "a test may wait for the disk")]
                // What is made again meanwhile is in the way of a directory's end.
                while swept.exists() && std::fs::remove_dir_all(&swept).is_err() {}
            } else {
                std::fs::remove_file(swept).unwrap();
            }
            let mut renewal = told.recv_timeout(Duration::from_secs(60)).expect("it is seen");
            let said = UnixDatagram::unbound().unwrap();
            for (at, socket) in sockets.iter_mut().enumerate().take(lost) {
                let mut new = None;
                // A directory may be looked at in the middle of its end: then what stands there is not the last one.
                let mut patience = 600;
                while said.send_to(b"READY=1", socket.path.path()).is_err() {
                    new = socket.renewed.try_recv().ok().or(new);
                    renewal = told.recv_timeout(Duration::from_millis(100)).unwrap_or(renewal);
                    patience -= 1;
                    assert!(patience > 0, "it is not made again: {renewal}");
                }
                let new = socket.renewed.try_recv().ok().or(new);
                let new = UnixDatagram::from(new.unwrap_or_else(|| panic!("{at}: {renewal}")));
                let mut word = [0; 16];
                assert_eq!(new.recv(&mut word).unwrap(), 7);
                socket.fd = new.into();
            }
        }
        drop((place, sockets));
        assert!(!directory.exists());
    }

    #[test]
    fn each_worker_has_a_socket_for_its_user_alone_and_nothing_is_left() {
        let mut place = NotifyPlace::create(&teller().0).unwrap();
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
            let _ = std::io::stderr().write_all(b"SKIPPED: only root can give a socket to another user\n");
            return;
        }
        let account = Account { uid: 65534, gid: 65534, groups: vec![65534], is_another: true, login: None };
        let socket = NotifyPlace::create(&teller().0).unwrap().open(WorkerId(1), Some(&account)).unwrap();
        let found = std::fs::symlink_metadata(socket.path.path()).unwrap();
        assert_eq!((found.mode() & 0o777, found.uid()), (0o600, 65534));
        for dir in socket.path.path().ancestors().skip(1) {
            assert!(account.may_enter(&std::fs::metadata(dir).unwrap()), "{}", dir.display());
        }
    }
}
