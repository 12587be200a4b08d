//! The notification sockets of one directory, which are looked after: workers that run were told their paths.
//!
//! The directory is what is watched, and a look lists it: that costs the same for one worker and for a thousand.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirEntryExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, bind, getsockname, setsockopt, socket, sockopt,
};
use nix::sys::stat::{Mode, fchmod};
use tokio::sync::mpsc;

use crate::config::Account;
use crate::keeper::{Hold, Holds};
use crate::link::{Directory, DirectoryError};
use crate::machine::fleet::{SocketLoss, SocketRenewal};
use crate::sentence::sentence;
use crate::upkeep::{Lasting, Teller, UpkeepNews};

/// How often what is swept away while it is made again is tried at once.
const TRIES: usize = 3;

/// Sockets by their names.
#[derive(Debug)]
pub(super) struct LastingSockets {
    held: Mutex<SocketDirectory>,
    teller: Teller,
}

#[derive(Debug)]
struct SocketDirectory {
    directory: Directory,
    sockets: HashMap<OsString, LastingSocket>,
    /// Why they could not be made again, as it was told.
    fault: Option<String>,
    /// The news that the owner could not be told yet.
    untold: Option<SocketRenewal>,
}

#[derive(Debug)]
struct LastingSocket {
    /// The number of its file.
    file: u64,
    /// Whose it is, if not the master's.
    owner: Option<u32>,
    /// The reader takes a new one from here.
    fresh: mpsc::Sender<OwnedFd>,
    hold: Hold,
}

/// What the maker of a socket gets: it, its path, and what takes its place.
pub(super) type OpenedSocket = (OwnedFd, PathBuf, mpsc::Receiver<OwnedFd>);

impl LastingSockets {
    pub(super) fn new(directory: Directory, teller: Teller) -> Self {
        let held = SocketDirectory { directory, sockets: HashMap::new(), fault: None, untold: None };
        Self { held: Mutex::new(held), teller }
    }

    fn held(&self) -> MutexGuard<'_, SocketDirectory> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_in(&self, directory: &Path) -> bool {
        self.held().directory.path() == directory
    }

    pub(super) fn lets_in(&self, account: &Account) -> bool {
        self.held().directory.lets_in(account)
    }

    /// Makes a socket for this user and root alone, 0600. What stands in its place later comes by the queue.
    pub(super) fn open(
        &self,
        name: &str,
        account: Option<&Account>,
        (holds, held_name): (&Holds, &str),
    ) -> Result<OpenedSocket, DirectoryError> {
        let mut held = self.held();
        let path = held.directory.path().join(name);
        let owner = account.filter(|account| account.is_another).map(|account| account.uid);
        let mut made = made(&path, owner);
        if made.is_err() && !held.directory.is_there() {
            held.directory.restore()?;
            made = self::made(&path, owner);
        }
        if made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse) {
            // Of the same worker, by a master that was killed before that was born.
            let _ = fs::remove_file(&path);
            made = self::made(&path, owner);
        }
        let (fd, file) = made.map_err(|source| DirectoryError::Io { path: path.clone(), source })?;
        let (fresh, renewed) = mpsc::channel(1);
        let hold = holds.hold(held_name, fd.as_fd());
        held.sockets.insert(name.into(), LastingSocket { file, owner, fresh, hold });
        Ok((fd, path, renewed))
    }

    /// A socket of the master before, which is in this directory.
    pub(super) fn resume(
        &self,
        fd: OwnedFd,
        account: Option<&Account>,
        (holds, held_name): (&Holds, &str),
    ) -> Option<OpenedSocket> {
        let mut held = self.held();
        let path = path_of(&fd).filter(|path| path.parent() == Some(held.directory.path()))?;
        let owner = account.filter(|account| account.is_another).map(|account| account.uid);
        // No file has the number 0: one that was swept away meanwhile is made again.
        let file = fs::symlink_metadata(&path).map_or(0, |found| found.ino());
        let (fresh, renewed) = mpsc::channel(1);
        let hold = holds.hold(held_name, fd.as_fd());
        held.sockets.insert(path.file_name()?.into(), LastingSocket { file, owner, fresh, hold });
        Some((fd, path, renewed))
    }

    /// Removes it.
    pub(super) fn close(&self, path: &Path) {
        let mut held = self.held();
        let removed = path.file_name().and_then(|name| held.sockets.remove(name));
        // Another master goes on with it.
        if !removed.is_some_and(|socket| socket.hold.is_left()) {
            let _ = fs::remove_file(path);
        }
    }
}

impl SocketDirectory {
    /// The sockets that are not where they were made.
    fn lost(&self) -> Vec<OsString> {
        let found = listed(self.directory.path()).unwrap_or_default();
        let is_lost = |(name, socket): &(&OsString, &LastingSocket)| found.get(*name) != Some(&socket.file);
        self.sockets.iter().filter(is_lost).map(|(name, _)| name.clone()).collect()
    }

    fn make_again(&mut self) -> Result<(), String> {
        let mut tried = Ok(());
        for _ in 0..TRIES {
            self.directory.restore().map_err(|error| sentence(&error))?;
            // Each, also after one that can't be made now.
            tried = self.lost().iter().map(|name| self.replace(name)).fold(Ok(()), io::Result::and);
            if self.directory.is_there() {
                break;
            }
        }
        tried.map_err(|error| error.to_string())
    }

    fn replace(&mut self, name: &OsString) -> io::Result<()> {
        let Some(socket) = self.sockets.get_mut(name) else { return Ok(()) };
        // Of a worker that is gone, nobody reads it any more.
        let room = match socket.fresh.try_reserve() {
            Ok(room) => room,
            Err(mpsc::error::TrySendError::Closed(())) => return Ok(()),
            Err(mpsc::error::TrySendError::Full(())) => return Err(io::ErrorKind::ResourceBusy.into()),
        };
        let path = self.directory.path().join(name);
        // Nobody but the master's own user and root can have put something there.
        let _ = fs::remove_file(&path);
        let (fd, file) = made(&path, socket.owner)?;
        socket.hold.replace(fd.as_fd());
        room.send(fd);
        socket.file = file;
        Ok(())
    }
}

impl Lasting for LastingSockets {
    fn files(&self) -> Vec<PathBuf> {
        vec![self.held().directory.path().to_owned()]
    }

    fn restore(&self) -> bool {
        let mut held = self.held();
        let held = &mut *held;
        let lost = held.lost();
        let is_whole = held.directory.is_there()
            && lost.iter().all(|name| held.sockets.get(name).is_none_or(|socket| socket.fresh.is_closed()));
        if !is_whole || held.fault.is_some() {
            let fault = held.make_again().err();
            if fault.is_none() || held.fault != fault {
                held.fault.clone_from(&fault);
                let directory = held.directory.path();
                let (what, at) = match &*lost {
                    [name] => ("the notification socket", directory.join(name)),
                    _ => ("the directory of the notification sockets", directory.to_owned()),
                };
                let (at, fault) = (at.display().to_string().into(), fault.map(Into::into));
                held.untold = Some(SocketRenewal { what: what.into(), at, loss: SocketLoss::Removed, fault });
            }
        }
        if let Some(news) = &held.untold
            && (self.teller.0)(UpkeepNews::Renewed(news.clone()))
        {
            held.untold = None;
        }
        held.fault.is_none() && held.untold.is_none()
    }
}

/// The names in a directory of ours, and the numbers of their files.
#[expect(clippy::disallowed_methods, reason = "on the thread that looks after paths; one file a worker")]
fn listed(directory: &Path) -> io::Result<HashMap<OsString, u64>> {
    fs::read_dir(directory)?.map(|entry| entry.map(|entry| (entry.file_name(), entry.ino()))).collect()
}

/// Where a socket was bound.
pub(super) fn path_of(fd: &OwnedFd) -> Option<PathBuf> {
    Some(getsockname::<UnixAddr>(fd.as_raw_fd()).ok()?.path()?.to_owned())
}

/// The socket, and the number of its file.
fn made(path: &Path, owner: Option<u32>) -> io::Result<(OwnedFd, u64)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    // Before there is a path: no datagram is without its sender.
    setsockopt(&fd, sockopt::PassCred, &true)?;
    // On Linux the mode of the socket itself is that of the path bind(2) makes, so nobody else can ever write to it.
    fchmod(fd.as_fd(), Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    if let Some(owner) = owner {
        chown(path, Some(owner), None)?;
    }
    Ok((fd, fs::symlink_metadata(path)?.ino()))
}
