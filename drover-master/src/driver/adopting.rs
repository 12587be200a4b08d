//! How a driver goes on where another one, of a master that is gone, was.
//!
//! ```text
//!  read: fleet, editions, workers ─► open what was open ─► ask the keeper about each worker
//!                                                             │ lives, or has ended     its own again: tree, output, ear
//!                                                             │ was never born          born now
//!                                                             │ reaped already          its end is told
//!                                                             ▼
//!                                             the fleet hears of it ─► what was not done yet is done
//! ```

use std::sync::Arc;
use std::time::Instant;

use super::Driver;
use super::contact::Contact;
use super::edition::Edition;
use super::memory::{DriverMemory, EditionMemory, Remembered, WorkerMemory};
use super::notifying::NotifySetup;
use crate::config::Probe;
use crate::handle::error::OpenError;
use crate::keeper::{ChildState, Hold, KeeperLink, Taking};
use crate::machine::exit::{ExitStatus, Usage};
use crate::machine::fleet::{FleetAction, FleetInput};
use crate::machine::gate::Doing;
use crate::machine::worker::{Identity, WorkerInput};
use crate::notify::FdStore;
use crate::process::{AwaitedText, Ended, Printer, Spawned, Tree, pipe_name, started_at};
use crate::sys::{PidCell, pidfd_open};

/// What was under way when the old master died.
#[derive(Debug)]
pub(super) struct Takeover {
    /// What the fleet wanted done, and perhaps was not.
    undone: Vec<FleetAction>,
    workers: Vec<WorkerMemory>,
    /// What is held for this app is not taken yet.
    taking: Taking,
}

/// A worker with what the keeper says of it.
struct FoundWorker {
    worker: WorkerMemory,
    pid: i32,
    state: ChildState,
}

impl Driver {
    /// Reads what an earlier master has written of this app, or begins to write.
    pub(super) fn remember_or_begin(&mut self) {
        match DriverMemory::resume(&self.holds, &self.app) {
            Ok(Some((memory, remembered))) => return self.remember(memory, remembered),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(target: "drover::keeper", app = &*self.app, %error, "what an earlier master has written can't be read; its workers are ended, and the app begins anew");
            }
        }
        self.memory = DriverMemory::begin(&self.holds, &self.app);
        self.renew_memory();
    }

    fn remember(&mut self, memory: DriverMemory, remembered: Remembered) {
        let Remembered { fleet, editions, undone, last_ticket } = remembered;
        self.fleet = fleet;
        self.shown = self.fleet.generation();
        self.editions.clear();
        let is_open = self.fleet.doing() != Doing::Idle;
        for EditionMemory { release, follows, speaks } in editions {
            if !self.fleet.uses(release.generation) {
                continue;
            }
            let mut edition = Edition::closed(release.spec, release.generation, self.holds.clone());
            edition.follows = follows;
            if is_open {
                self.reopen(&mut edition, release.generation, speaks);
            }
            self.editions.insert(release.generation, edition);
        }
        // Tickets of the old master belong to nobody; no new one is like any of them.
        self.last_ticket = last_ticket;
        memory.cells().for_each(|cell| self.holds.keep_cell(cell));
        let workers = memory.workers();
        for worker in &workers {
            let contact = self.contact_of(worker);
            self.contacts.insert(worker.identity.id, contact);
            if let Some(token) = worker.token() {
                self.tokens.insert(token, worker.identity.id);
            }
        }
        self.stores = FdStore::resume(&self.holds, &self.app);
        self.memory = Some(memory);
        self.takeover = Some(Takeover { undone, workers, taking: self.holds.taking() });
        self.show_edition();
        self.view.show_whole(&self.fleet, self.events.last_seq());
        if let Some(outcome) = self.fleet.outcome() {
            self.outcome.send_replace(Some(outcome.clone()));
        }
    }

    /// What an edition had open is held, and is as it was.
    fn reopen(&mut self, edition: &mut Edition, generation: crate::ids::Generation, speaks: bool) {
        let is_ending = matches!(self.fleet.doing(), Doing::Stopping | Doing::Killing);
        let opened = match is_ending {
            // It may have let go of its listeners already.
            true => self.reopen_stored(edition),
            false => edition.open(&mut self.listeners, &self.pool, &self.link_sender, &self.teller),
        };
        let spoken = match speaks {
            true => edition.speak(&self.link_sender, &self.teller),
            false => Ok(()),
        };
        for error in [opened.err(), spoken.err()].into_iter().flatten() {
            let error = match &error {
                OpenError::Link(source) => crate::sentence::sentence(&**source),
                OpenError::Listen(source) => crate::sentence::sentence(&**source),
            };
            tracing::error!(target: "drover::keeper", app = &*self.app, generation = generation.0, %error, "what was open can't be taken over");
        }
    }

    /// Opens those listeners of an app that ends which have to be closed with it.
    fn reopen_stored(&mut self, edition: &Edition) -> Result<(), OpenError> {
        for spec in edition.spec.listeners.iter().filter(|spec| self.pool.is_to_be_closed(spec)) {
            self.listeners.open(spec, &self.pool).map_err(|source| OpenError::Listen(Arc::new(source)))?;
        }
        Ok(())
    }

    fn contact_of(&self, worker: &WorkerMemory) -> Contact {
        let mut contact = Contact::new(worker.identity, worker.token());
        if let Some(edition) = self.editions.get(&worker.identity.generation) {
            let text = edition.spec.start.probe.as_ref().and_then(Probe::text);
            contact.awaited = text.map(|text| Arc::new(AwaitedText::new(text.clone())));
        }
        contact
    }

    /// Takes the workers over that another master has left, before anything else happens. The keeper answers at once.
    pub(super) async fn take_over(&mut self) {
        let Some(Takeover { undone, workers, taking }) = self.takeover.take() else { return };
        let Some(keeper) = self.holds.keeper().cloned() else { return };
        let asked = workers.into_iter().map(|worker| {
            let pid = worker.cell().map_or(0, PidCell::pid);
            let answer = (pid > 0).then(|| keeper.ask(pid));
            (worker, pid, answer)
        });
        let mut found = Vec::new();
        for (worker, pid, answer) in asked.collect::<Vec<_>>() {
            let state = match answer {
                Some(answer) => answer.await.unwrap_or(ChildState::Unknown),
                None => ChildState::Unknown,
            };
            found.push(FoundWorker { worker, pid, state });
        }
        let now = tokio::time::Instant::now().into_std();
        let mut unborn = Vec::new();
        for found in found {
            self.adopt(now, &keeper, found, &mut unborn);
        }
        self.write_rest();
        self.feed(now, FleetInput::MasterReplaced { by: self.holds.gap() });
        let wanted = |identity: &Identity| {
            undone.iter().any(|action| matches!(action, FleetAction::Spawn(other) if other.id == identity.id))
        };
        for identity in unborn.into_iter().filter(|identity| !wanted(identity)) {
            self.spawn(identity);
        }
        let is_there = |driver: &Self, id| {
            driver.contacts.get(&id).is_some_and(|contact: &Contact| contact.tree.is_some())
        };
        let undone = undone
            .into_iter()
            .filter(|action| !matches!(action, FleetAction::Spawn(identity) if is_there(self, identity.id)));
        let undone: Vec<FleetAction> = undone.collect();
        self.carry_out_all(now, undone);
        self.renew_memory();
        let ready: Vec<_> =
            self.fleet.workers().filter(|worker| worker.is_ready()).map(|w| w.identity()).collect();
        for Identity { slot, id, .. } in ready {
            self.listeners.ready(slot, id);
        }
        self.wall_clock.wait_for(self.fleet.wall_deadline(), now);
        drop(taking);
    }

    fn adopt(
        &mut self,
        now: Instant,
        keeper: &Arc<KeeperLink>,
        found: FoundWorker,
        unborn: &mut Vec<Identity>,
    ) {
        let FoundWorker { worker, pid, state } = found;
        let id = worker.identity.id;
        let is_known = self.fleet.worker(id).is_some_and(|worker| worker.pid().is_some());
        let tree = match state {
            ChildState::Unknown => None,
            ChildState::Lives | ChildState::Ended(..) => {
                match Tree::adopt(pid, worker.stamp(), Arc::clone(keeper)) {
                    Ok(tree) => Some(tree),
                    Err(error) => {
                        tracing::error!(target: "drover::keeper", %error, pid, worker = id.0, "can't be taken over");
                        None
                    }
                }
            }
        };
        match (tree, worker.death) {
            (Some(tree), death) => {
                tracing::info!(target: "drover::keeper", app = &*self.app, worker = id.0, pid, "taken over");
                self.take_main(&worker);
                self.resume_hearing(&worker);
                let spawned = self.spawned_of(&worker, tree);
                if is_known {
                    self.attend(id, spawned, death);
                } else {
                    self.made(now, id, spawned);
                }
            }
            // Its end was written down, and it was reaped; nobody was told yet.
            (None, Some((status, usage))) => self.told_end(now, worker.identity, pid, status, usage),
            (None, None) if is_known => {
                self.feed(
                    now,
                    FleetInput::Worker { id, input: WorkerInput::Died { status: ExitStatus::Taken } },
                );
                self.told_end(now, worker.identity, pid, ExitStatus::Taken, Usage::default());
            }
            (None, None) => {
                self.contacts.remove(&id);
                if let Some(token) = worker.token() {
                    self.tokens.remove(&token);
                }
                unborn.push(worker.identity);
            }
        }
    }

    fn told_end(&mut self, now: Instant, worker: Identity, pid: i32, status: ExitStatus, usage: Usage) {
        let Identity { slot, generation, id, .. } = worker;
        let printer = Printer { slot, generation, worker: id, pid: pid.unsigned_abs() };
        let stderr_tail = self.known_tail(printer).lines();
        let ended = Ended { status, usage, stderr_tail, survivors: Arc::default() };
        self.ended(now, id, ended);
    }

    fn spawned_of(&mut self, worker: &WorkerMemory, tree: Tree) -> Spawned {
        let name = self.kept_name(worker.identity);
        let mut holds = [Hold::default(), Hold::default()];
        let streams = [crate::config::Stream::Stdout, crate::config::Stream::Stderr];
        let mut taken = [None, None];
        for ((stream, hold), taken) in streams.into_iter().zip(&mut holds).zip(&mut taken) {
            let name = pipe_name(&name, stream);
            if let Some(pipe) = self.holds.take(&name) {
                use std::os::fd::AsFd as _;
                *hold = self.holds.hold(name, pipe.as_fd());
                *taken = Some(pipe);
            }
        }
        let [stdout, stderr] = taken;
        Spawned { tree, holds, stdout, stderr }
    }

    /// What it notifies by is as it was.
    fn resume_hearing(&mut self, worker: &WorkerMemory) {
        let identity = worker.identity;
        let (edition, contact) =
            (self.editions.get_mut(&identity.generation), self.contacts.get_mut(&identity.id));
        let (Some(edition), Some(contact)) = (edition, contact) else { return };
        if let Err(error) = NotifySetup::resume(edition, identity, contact, &self.teller, &self.holds) {
            let error = match &error {
                OpenError::Link(source) => crate::sentence::sentence(&**source),
                OpenError::Listen(source) => crate::sentence::sentence(&**source),
            };
            tracing::error!(target: "drover::keeper", app = &*self.app, worker = identity.id.0, %error, "what it notifies by can't be taken over");
        }
    }

    /// The process that it has named as its main one, if that still lives and is of its tree.
    fn take_main(&mut self, worker: &WorkerMemory) {
        let Some((pid, start)) = worker.main else { return };
        // The number may be another's by now; who has begun at the same moment is the same.
        if started_at(pid) != Some(start) {
            return;
        }
        if let (Ok(pidfd), Some(contact)) =
            (pidfd_open(pid.cast_signed()), self.contacts.get_mut(&worker.identity.id))
            && started_at(pid) == Some(start)
        {
            contact.main = Some((pid, pidfd));
        }
    }
}
