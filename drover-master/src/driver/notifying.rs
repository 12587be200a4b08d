//! The driver's dealings with workers that notify it: told where, heard, and their descriptors kept.

use crate::signal::Signal;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag};

use super::Driver;
use super::contact::{Contact, ProcessNews};
use super::edition::Edition;
use crate::config::{AppSpec, Protocol};
use crate::handle::error::OpenError;
use crate::ids::{SlotIndex, WorkerId};
use crate::keeper::Holds;
use crate::machine::exit::SpawnStep;
use crate::machine::fleet::FleetInput;
use crate::machine::worker::{Identity, WorkerInput};
use crate::notify::{Ear, FdStore, Notification, Notifier, Source, hear, is_in_group, notify_name};
use crate::process::SpawnFailure;
use crate::sys::pidfd_signal;
use crate::upkeep::Teller;

/// What a worker that is about to be made is told, so that it can notify the master.
#[derive(Debug, Default)]
pub(super) struct NotifySetup {
    /// Where its socket is.
    socket: Option<OsString>,
    /// How often it has to say that it makes progress.
    pub(super) watchdog: Option<Duration>,
    /// The same of a worker of the protocol, which says Progress.
    progress: Option<Duration>,
    /// The descriptor it says by that it is ready, and its number.
    pub(super) pipe: Option<(Arc<OwnedFd>, u32)>,
    /// What the workers before it have left.
    stored: Vec<(String, Arc<OwnedFd>)>,
}

impl NotifySetup {
    /// Makes what the worker notifies by; the master's end is kept in its contact until it is there.
    pub(super) fn of(
        edition: &mut Edition,
        worker: Identity,
        stores: &mut HashMap<SlotIndex, FdStore>,
        contact: &mut Contact,
        teller: &Teller,
        holds: &Holds,
    ) -> Result<Self, SpawnFailure> {
        let spec = Arc::clone(&edition.spec);
        match spec.protocol {
            Protocol::None => return Ok(Self::default()),
            Protocol::Drover => return Ok(Self { progress: spec.watchdog, ..Self::default() }),
            Protocol::Notify => {}
        }
        if let Some(number) = spec.notify_fd {
            let (fd, theirs) = pipe().map_err(|error| failed(error.into(), "its notification descriptor"))?;
            let hold = holds.hold(notify_name(&spec.name, worker.id), fd.as_fd());
            contact.notified_by = Some(Source::Pipe { fd, number, hold });
            return Ok(Self { pipe: Some((Arc::new(theirs), number)), ..Self::default() });
        }
        let place = edition.listen(teller).map_err(|error| match error {
            OpenError::Link(source) => failed_socket(&*source),
            OpenError::Listen(source) => failed_socket(&*source),
        })?;
        let socket =
            place.make(worker.id, spec.command.account.as_ref()).map_err(|error| failed_socket(&error))?;
        let path = socket.path.path().as_os_str().to_owned();
        contact.notified_by = Some(Source::Socket { fd: socket.fd, renewed: socket.renewed });
        contact.notify_path = Some(socket.path);
        let stored = stores.get_mut(&worker.slot).map(FdStore::hand_over).unwrap_or_default();
        Ok(Self { socket: Some(path), watchdog: spec.watchdog, stored, ..Self::default() })
    }

    /// What a worker of the master before notifies by. It has said all that it will, if nothing is held of it.
    pub(super) fn resume(
        edition: &mut Edition,
        worker: Identity,
        contact: &mut Contact,
        teller: &Teller,
        holds: &Holds,
    ) -> Result<(), OpenError> {
        let spec = Arc::clone(&edition.spec);
        if spec.protocol != Protocol::Notify {
            return Ok(());
        }
        if let Some(number) = spec.notify_fd {
            let name = notify_name(&spec.name, worker.id);
            contact.notified_by = holds.take(&name).map(|fd| {
                let hold = holds.hold(name, fd.as_fd());
                Source::Pipe { fd, number, hold }
            });
            return Ok(());
        }
        if let Some(socket) = edition.listen(teller)?.resume(worker.id, spec.command.account.as_ref()) {
            contact.notified_by = Some(Source::Socket { fd: socket.fd, renewed: socket.renewed });
            contact.notify_path = Some(socket.path);
        }
        Ok(())
    }

    /// Puts it into the worker's environment, and what is kept after its sockets.
    pub(super) fn tell(
        &self,
        spec: &AppSpec,
        words: &mut Vec<(&'static str, OsString)>,
        sockets: &mut Vec<Arc<OwnedFd>>,
    ) {
        words.extend(self.socket.clone().map(|path| ("NOTIFY_SOCKET", path)));
        words.extend(self.watchdog.map(|every| ("WATCHDOG_USEC", every.as_micros().to_string().into())));
        words.extend(
            self.progress.map(|every| ("DROVER_WATCHDOG_MS", every.as_millis().max(1).to_string().into())),
        );
        if self.stored.is_empty() {
            return;
        }
        words.retain(|(name, _)| !name.starts_with("LISTEN_"));
        let own = spec.listeners.iter().map(|listener| listener.name.as_str());
        let names: Vec<&str> = own.chain(self.stored.iter().map(|(name, _)| name.as_str())).collect();
        words.push(("LISTEN_FDS", names.len().to_string().into()));
        words.push(("LISTEN_FDNAMES", names.join(":").into()));
        sockets.extend(self.stored.iter().map(|(_, fd)| Arc::clone(fd)));
    }
}

fn failed(error: std::io::Error, what: &str) -> SpawnFailure {
    let errno = error.raw_os_error().unwrap_or(libc::EIO);
    SpawnFailure { step: SpawnStep::Prepare, errno, sentence: format!("{what} can't be made: {error}") }
}

fn failed_socket(error: &dyn std::error::Error) -> SpawnFailure {
    let sentence = format!("its notification socket can't be made: {}", crate::sentence::sentence(error));
    SpawnFailure { step: SpawnStep::Prepare, errno: libc::EACCES, sentence }
}

/// The reading end does not block.
fn pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    nix::fcntl::fcntl(reader.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((reader, writer))
}

impl Driver {
    /// Begins to read what the worker notifies, now that it is known which process that is.
    pub(super) fn hear(&mut self, id: WorkerId, pid: u32) -> Option<Ear> {
        let contact = self.contacts.get_mut(&id)?;
        let source = contact.notified_by.take()?;
        let spec = &self.editions.get(&contact.identity.generation)?.spec;
        let (account, access) = (spec.command.account.as_ref(), spec.notify_access);
        let uid = account.map_or_else(|| nix::unistd::geteuid().as_raw(), |account| account.uid);
        let queue = self.process_sender.clone();
        Some(hear(source, Notifier { pid, uid, access }, queue, move |heard, applied| {
            ProcessNews::Notified { id, heard, applied }
        }))
    }

    pub(super) fn heard(&mut self, now: Instant, id: WorkerId, heard: Vec<Notification>) {
        for heard in heard {
            match heard {
                Notification::Notice(notice) => {
                    self.feed(now, FleetInput::Worker { id, input: WorkerInput::Notified(notice) });
                }
                Notification::Refused { trouble } => self.notice_refused(now, id, trouble),
                Notification::MainProcess { pid, pidfd } => {
                    if let Some(contact) = self.contacts.get_mut(&id) {
                        let is_itself = contact.tree.as_ref().is_some_and(|tree| tree.pid() == pid);
                        contact.main = Some((pid, pidfd)).filter(|_| !is_itself);
                    }
                    let main = self.contacts.get(&id).and_then(|contact| contact.main.as_ref());
                    self.remember_main(id, main.map(|(pid, _)| *pid));
                }
                Notification::Keep { name, is_polled, fds } => {
                    let Some(contact) = self.contacts.get_mut(&id) else { continue };
                    let slot = contact.identity.slot;
                    let store = self.stores.entry(slot);
                    let store = store.or_insert_with(|| FdStore::new(&self.holds, &self.app, slot));
                    let refused = store.keep(&name, is_polled, fds);
                    if refused > 0 {
                        let trouble = format!("{refused} descriptors `{name}` more than are kept for a slot");
                        if let Some(Notification::Refused { trouble }) = contact.not_kept.refuse(trouble) {
                            self.notice_refused(now, id, trouble);
                        }
                    }
                }
                Notification::LetGo { name } => {
                    let slot = self.contacts.get(&id).map(|contact| contact.identity.slot);
                    if let Some(store) = slot.and_then(|slot| self.stores.get_mut(&slot)) {
                        store.remove(&name);
                    }
                }
                // All before it has been worked off.
                Notification::Barrier(fd) => drop(fd),
            }
        }
    }

    /// Lets go of what is kept for slots that the app has lost, with a worker in them or without. Asked with every change.
    pub(super) fn tidy_stores(&mut self, changed: &[SlotIndex]) {
        for slot in changed {
            if self.fleet.worker_status(*slot).is_none() {
                self.stores.remove(slot);
            }
        }
    }

    /// Lets go of all that is kept, once no worker that there is or may be could be handed it.
    pub(super) fn keep_stores(&mut self) {
        let hands_over = |spec: &AppSpec| spec.protocol == Protocol::Notify && spec.notify_fd.is_none();
        if !self.editions.values().any(|edition| hands_over(&edition.spec)) {
            self.stores.clear();
        }
    }

    fn notice_refused(&mut self, now: Instant, id: WorkerId, trouble: Arc<str>) {
        self.feed(now, FleetInput::Worker { id, input: WorkerInput::NoticeRefused { trouble } });
    }

    /// A rung of its ending reaches the whole group. A main process that has left that gets it individually, and no other does twice:
    /// many programs take a second SIGTERM for haste.
    pub(super) fn signal_main(&self, id: WorkerId, signal: Signal, group: u32) {
        if let Some((pid, _)) = self.main_of(id)
            && !is_in_group(*pid, group)
        {
            self.deliver_to_main(id, signal);
        }
    }

    /// Signals the main process that the worker has named, as the first rung of its ending; whether there is one.
    pub(super) fn signal_named(&self, id: WorkerId, signal: Signal) -> bool {
        self.main_of(id).is_some_and(|(_, pidfd)| {
            let is_told = pidfd_signal(pidfd.as_fd(), signal.number()).is_ok();
            is_told && pidfd_signal(pidfd.as_fd(), libc::SIGCONT).is_ok()
        })
    }

    pub(super) fn deliver_to_main(&self, id: WorkerId, signal: Signal) {
        if let Some((pid, pidfd)) = self.main_of(id)
            && let Err(error) = pidfd_signal(pidfd.as_fd(), signal.number())
            && error.raw_os_error() != Some(libc::ESRCH)
        {
            tracing::error!(target: "drover::notify", %error, worker = id.0, pid, %signal, "can't signal the main process");
        }
    }

    /// The worker is what the master has made, and it is over with that. What it named must not outlive it.
    pub(super) fn end_main(&mut self, id: WorkerId) {
        self.deliver_to_main(id, Signal::KILL);
    }

    fn main_of(&self, id: WorkerId) -> Option<&(u32, OwnedFd)> {
        self.contacts.get(&id)?.main.as_ref()
    }
}
