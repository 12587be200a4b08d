//! Where a worker's notification socket is: a path of its own, so that the socket alone says whose it is.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::lasting::{LastingSockets, OpenedSocket, path_of};
use crate::config::Account;
use crate::ids::{Generation, WorkerId};
use crate::keeper::Holds;
use crate::link::{Directory, DirectoryError};
use crate::upkeep::{Teller, Upkeep, keep};

/// The directory of its own user's sockets, and of other users'.
const OWN: &str = "own";
const OTHERS: &str = "others";

/// The directory of the sockets of one generation. Dropped, it is removed once the last of its sockets is gone.
#[derive(Debug)]
pub(crate) struct NotifyPlace {
    house: Arc<House>,
    /// Where sockets of the master before are, if it had moved.
    former: Option<Arc<House>>,
    teller: Teller,
    names: HeldNames,
}

/// What its sockets and directories are held by.
#[derive(Debug)]
struct HeldNames {
    holds: Holds,
    app: Arc<str>,
    generation: Generation,
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
    /// A new private directory, or the one of the master before. `teller` is told if it, or a socket of it, is swept away.
    pub(crate) fn open(
        holds: &Holds,
        app: &str,
        generation: Generation,
        teller: &Teller,
    ) -> Result<Self, DirectoryError> {
        let names = HeldNames { holds: holds.clone(), app: app.into(), generation };
        let resume = |place| Directory::resume(holds, &names.directory(place), place == OTHERS);
        let house = |directory| House::keep(directory, teller);
        let [own, others] = [OWN, OTHERS].map(|place| resume(place).map(house));
        let (house, former) = match (own, others) {
            (own, Some(others)) => (others, own),
            (Some(own), None) => (own, None),
            (None, None) => (house(names.hold(Directory::create()?, OWN)), None),
        };
        Ok(Self { house, former, teller: teller.clone(), names })
    }

    /// Makes the socket of a worker: for its user and root alone, 0600.
    pub(crate) fn make(
        &mut self,
        worker: WorkerId,
        account: Option<&Account>,
    ) -> Result<NotifySocket, DirectoryError> {
        if let Some(account) = account.filter(|account| !self.house.kept.lets_in(account)) {
            tracing::debug!(target: "drover::notify", %account, "the sockets move to where it can reach them");
            let directory = self.names.hold(Directory::create_for_others()?, OTHERS);
            self.house = House::keep(directory, &self.teller);
        }
        let held = (&self.names.holds, &*self.names.socket(worker));
        let made = self.house.kept.open(&format!("n{worker}"), account, held)?;
        Ok(NotifySocket::new(made, &self.house))
    }

    /// The socket of a worker that has it from the master before.
    pub(crate) fn resume(&mut self, worker: WorkerId, account: Option<&Account>) -> Option<NotifySocket> {
        let name = self.names.socket(worker);
        let fd = self.names.holds.take(&name)?;
        let directory = path_of(&fd)?.parent()?.to_owned();
        let houses = [Some(&self.house), self.former.as_ref()];
        let house = houses.into_iter().flatten().find(|house| house.kept.is_in(&directory))?;
        let resumed = house.kept.resume(fd, account, (&self.names.holds, &name))?;
        Some(NotifySocket::new(resumed, house))
    }
}

impl NotifySocket {
    fn new((fd, path, renewed): OpenedSocket, house: &Arc<House>) -> Self {
        Self { fd, renewed, path: NotifyPath { path, house: Arc::clone(house) } }
    }
}

impl HeldNames {
    fn directory(&self, place: &str) -> String {
        format!("notify-directory/{}/{}/{place}", self.app, self.generation)
    }

    fn socket(&self, worker: WorkerId) -> String {
        notify_name(&self.app, worker)
    }

    fn hold(&self, directory: Directory, place: &str) -> Directory {
        directory.held_by(&self.holds, &self.directory(place))
    }
}

/// What a worker's socket, or its pipe, is held by.
pub(crate) fn notify_name(app: &str, worker: WorkerId) -> String {
    format!("notify/{app}/{worker}")
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
    use crate::keeper::TestKeeper;
    use crate::machine::fleet::SocketRenewal;
    use crate::upkeep::{Lasting as _, UpkeepNews};

    fn teller() -> (Teller, std::sync::mpsc::Receiver<SocketRenewal>) {
        let (tell, told) = std::sync::mpsc::sync_channel(64);
        let tell = move |news| match news {
            UpkeepNews::Renewed(renewal) => tell.try_send(renewal).is_ok(),
            UpkeepNews::ListenerReplaced => unreachable!("these are no listeners"),
        };
        (Teller(Arc::new(tell)), told)
    }

    fn created(teller: &Teller) -> NotifyPlace {
        NotifyPlace::open(&Holds::default(), "web", Generation(1), teller).unwrap()
    }

    #[test]
    fn every_socket_that_was_swept_away_is_there_again_by_the_same_path() {
        let (teller, told) = teller();
        let mut place = created(&teller);
        let mut sockets = [1, 2].map(|id| place.make(WorkerId(id), None).unwrap());
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
    fn a_worker_is_heard_by_the_same_path_after_the_master_was_killed() {
        let (mut keeper, holds) = TestKeeper::new();
        let (teller, _told) = teller();
        let open = |holds: &Holds| NotifyPlace::open(holds, "web", Generation(3), &teller).unwrap();
        let mut place = open(&holds);
        let sockets = [1, 2].map(|id| place.make(WorkerId(id), None).unwrap());
        let paths = sockets.each_ref().map(|socket| socket.path.path().to_owned());
        let directory = paths[0].parent().unwrap().to_owned();
        let next = keeper.crash(&holds, (place, sockets));
        let said = UnixDatagram::unbound().unwrap();
        for path in &paths {
            said.send_to(b"READY=1", path).expect("its queue is there without a master");
        }
        std::fs::remove_file(&paths[1]).unwrap();
        let mut place = open(&next);
        assert!(place.resume(WorkerId(7), None).is_none());
        for (id, path) in [1, 2].into_iter().zip(&paths) {
            let mut socket = place.resume(WorkerId(id), None).unwrap();
            assert_eq!(socket.path.path(), path);
            let mut word = [0; 16];
            assert_eq!(UnixDatagram::from(socket.fd).recv(&mut word).unwrap(), 7);
            if id == 2 {
                // What was swept away meanwhile is made again as any other: at the latest at the next look, which another entry causes.
                place.house.kept.restore();
                said.send_to(b"READY=1", path).unwrap();
                let new = UnixDatagram::from(socket.renewed.try_recv().unwrap());
                assert_eq!(new.recv(&mut word).unwrap(), 7);
            }
        }
        assert_eq!(keeper.held(), ["notify-directory/web/3/own"], "their workers are gone");
        drop(place);
        assert!(!directory.exists());
        assert_eq!(keeper.held(), [""; 0]);
    }

    #[test]
    fn each_worker_has_a_socket_for_its_user_alone_and_nothing_is_left() {
        let mut place = created(&teller().0);
        let [one, other] = [1, u64::from(u32::MAX)].map(|id| place.make(WorkerId(id), None).unwrap());
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
        let socket = created(&teller().0).make(WorkerId(1), Some(&account)).unwrap();
        let found = std::fs::symlink_metadata(socket.path.path()).unwrap();
        assert_eq!((found.mode() & 0o777, found.uid()), (0o600, 65534));
        for dir in socket.path.path().ancestors().skip(1) {
            assert!(account.may_enter(&std::fs::metadata(dir).unwrap()), "{}", dir.display());
        }
    }
}
