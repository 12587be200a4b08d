//! The path of the control socket, which is looked after: whoever asks the master finds it there.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::error::ControlError;
use super::path::ControlPath;
use crate::handle::EventLog;
use crate::keeper::Holds;
use crate::listener::UnixPath;
use crate::machine::fleet::{EventKind, FleetEvent, SocketLoss, SocketRenewal};
use crate::machine::phase::Phase;
use crate::sentence::sentence;
use crate::upkeep::Lasting;

/// The kernel's queue.
pub(super) const BACKLOG: u32 = 128;

/// What it is held by.
pub(super) const HELD: &str = "control";

/// Where the socket is, as long as it is served.
#[derive(Debug)]
pub(super) struct ControlPlace {
    wanted: ControlPath,
    /// None once it is closed.
    held: Mutex<Option<Held>>,
    /// Who accepts takes a new socket from here.
    fresh: mpsc::Sender<UnixListener>,
    events: EventLog,
    holds: Holds,
}

#[derive(Debug)]
struct Held {
    path: PathBuf,
    socket: UnixPath,
    /// Why it could not be made again, as it was told.
    fault: Option<String>,
}

impl ControlPlace {
    pub(super) fn new(
        wanted: ControlPath,
        path: &Path,
        socket: UnixPath,
        fresh: mpsc::Sender<UnixListener>,
        events: EventLog,
        holds: Holds,
    ) -> Self {
        let held = Mutex::new(Some(Held { path: path.to_owned(), socket, fault: None }));
        Self { wanted, held, fresh, events, holds }
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes it.
    pub(super) fn close(&self) {
        drop(self.held().take());
    }

    /// Where it was, or where a master would serve that is started now: the login may be over that the place belonged to.
    fn make_again(&self, held: &mut Held) -> Result<(), String> {
        let path = self.wanted.to_serve().map_err(|error| sentence(&error))?;
        let made = if path == held.path {
            held.socket.listen_again(BACKLOG)
        } else {
            let socket = UnixPath::claim(&path).map_err(|error| sentence(&ControlError::from(error)))?;
            let made = socket.listen(BACKLOG);
            (held.path, held.socket) = (path, socket);
            if let Ok(made) = &made {
                // Only now: the one before has let go of the name.
                held.socket.hold_by(&self.holds, HELD, made);
            }
            made
        };
        let listener = UnixListener::from(made.map_err(|error| sentence(&ControlError::from(error)))?);
        listener.set_nonblocking(true).map_err(|error| error.to_string())?;
        self.fresh.try_send(listener).map_err(|error| error.to_string())
    }
}

impl Lasting for ControlPlace {
    fn files(&self) -> Vec<PathBuf> {
        self.held().as_ref().map(|held| held.socket.files()).unwrap_or_default()
    }

    fn restore(&self) -> bool {
        let mut held = self.held();
        let Some(held) = &mut *held else { return true };
        if held.fault.is_none() && held.socket.is_there() {
            return true;
        }
        let fault = self.make_again(held).err();
        let is_there = fault.is_none();
        if is_there || held.fault != fault {
            held.fault.clone_from(&fault);
            let (what, at) = ("the control socket".into(), held.path.display().to_string().into());
            let fault = fault.map(Into::into);
            let renewal = Box::new(SocketRenewal { what, at, loss: SocketLoss::Removed, fault });
            tracing::warn!(target: "drover::control", "{renewal}");
            let kind = EventKind::SocketRenewed { renewal };
            // Of no app: the master's own.
            self.events.publish(&Arc::from(""), FleetEvent { worker: None, phase: Phase::Started, kind });
        }
        is_there
    }
}
