//! The path of a worker socket, which is looked after: workers that run were told it, and may come back to it.

use std::io;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::directory::Directory;
use crate::config::Account;
use crate::listener::UnixPath;
use crate::machine::fleet::{SocketLoss, SocketRenewal};
use crate::sentence::sentence;
use crate::upkeep::{Lasting, Teller, UpkeepNews};
use tokio::sync::mpsc;

/// The kernel's queue: room for every worker of a large app to connect at once.
pub(super) const BACKLOG: u32 = 4096;

/// Where the socket is, as long as it is served.
#[derive(Debug)]
pub(super) struct LinkPlace {
    path: PathBuf,
    /// The user that workers run as. It may speak here, as the master's own and root may.
    pub(super) admitted: Arc<AtomicU32>,
    /// None once it is closed.
    held: Mutex<Option<ServedSocket>>,
    /// Who accepts takes a new socket from here.
    fresh: mpsc::Sender<UnixListener>,
    teller: Teller,
}

#[derive(Debug)]
struct ServedSocket {
    // In this order: the socket file goes before its directory.
    socket: UnixPath,
    directory: Directory,
    /// Why it could not be made again, as it was told.
    fault: Option<String>,
    /// Whether the owner does not know yet that it was.
    is_untold: bool,
}

impl LinkPlace {
    pub(super) fn new(
        path: PathBuf,
        socket: UnixPath,
        directory: Directory,
        fresh: mpsc::Sender<UnixListener>,
        teller: Teller,
    ) -> Self {
        let own = nix::unistd::geteuid().as_raw();
        let admitted = Arc::new(AtomicU32::new(socket.resumed_owner().unwrap_or(own)));
        let held = Mutex::new(Some(ServedSocket { socket, directory, fault: None, is_untold: false }));
        Self { path, admitted, held, fresh, teller }
    }

    fn held(&self) -> MutexGuard<'_, Option<ServedSocket>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes it.
    pub(super) fn close(&self) {
        drop(self.held().take());
    }

    /// Whether somebody may pass through the directory and each above it.
    pub(super) fn lets_in(&self, account: &Account) -> bool {
        self.held().as_ref().is_some_and(|held| held.directory.lets_in(account))
    }

    /// Lets a user connect. Mode 0600: to connect is to write (unix(7)).
    pub(super) fn give_to(&self, user: u32) -> io::Result<()> {
        let _held = self.held();
        chown(&self.path, Some(user), None)?;
        self.admitted.store(user, Ordering::Relaxed);
        Ok(())
    }

    fn make_again(&self, held: &mut ServedSocket) -> Result<(), String> {
        held.directory.restore().map_err(|error| sentence(&error))?;
        let socket = held.socket.listen_again(BACKLOG).map_err(|error| sentence(&error))?;
        let serve = || {
            let user = self.admitted.load(Ordering::Relaxed);
            if user != nix::unistd::geteuid().as_raw() {
                chown(&self.path, Some(user), None)?;
            }
            let listener = UnixListener::from(socket);
            listener.set_nonblocking(true)?;
            self.fresh.try_send(listener).map_err(|_| io::Error::from(io::ErrorKind::ResourceBusy))
        };
        serve().map_err(|error| error.to_string())
    }
}

impl Lasting for LinkPlace {
    fn files(&self) -> Vec<PathBuf> {
        self.held().as_ref().map(|held| held.socket.files()).unwrap_or_default()
    }

    fn restore(&self) -> bool {
        let mut held = self.held();
        let Some(held) = &mut *held else { return true };
        let is_whole = held.fault.is_none() && held.directory.is_there() && held.socket.is_there();
        if is_whole && !held.is_untold {
            return true;
        }
        let fault = if is_whole { None } else { self.make_again(held).err() };
        if fault.is_some() && held.fault == fault {
            return false;
        }
        held.fault.clone_from(&fault);
        let is_there = fault.is_none();
        let (what, at) = ("the worker socket".into(), self.path.display().to_string().into());
        let fault = fault.map(Into::into);
        let renewal = SocketRenewal { what, at, loss: SocketLoss::Removed, fault };
        held.is_untold = !(self.teller.0)(UpkeepNews::Renewed(renewal));
        is_there && !held.is_untold
    }
}
