//! What the driver does so that another master could go on: it writes things down before they are so.

use std::io;
use std::time::Instant;

use super::Driver;
use super::memory::{DriverMemory, EditionMemory, WorkerMemory};
use crate::ids::{Generation, WorkerId};
use crate::link::Token;
use crate::machine::exit::{ExitStatus, Usage};
use crate::machine::fleet::{FleetInput, Release};
use crate::machine::worker::Identity;
use crate::process::{Stamp, started_at};
use crate::sys::PidCell;

impl Driver {
    /// Tells the fleet something.
    pub(super) fn feed(&mut self, now: Instant, input: FleetInput) {
        self.write_down(|memory| memory.told(now, &input));
        self.fleet.handle(now, input);
    }

    /// What the fleet wanted done is done.
    pub(super) fn all_done(&mut self) {
        self.write_down(DriverMemory::done);
        if self.memory.as_ref().is_some_and(DriverMemory::is_long) {
            self.renew_memory();
        }
    }

    pub(super) fn renew_memory(&mut self) {
        let editions: Vec<EditionMemory> =
            self.editions.keys().filter_map(|generation| self.edition_memory(*generation)).collect();
        if let Some(memory) = &mut self.memory
            && let Err(error) = memory.renew(&self.fleet, &editions, self.last_ticket)
        {
            self.unprotected(&error);
        }
    }

    pub(super) fn remember_edition(&mut self, generation: Generation) {
        if let Some(edition) = self.edition_memory(generation) {
            self.write_down(|memory| memory.edition(&edition));
        }
    }

    fn edition_memory(&self, generation: Generation) -> Option<EditionMemory> {
        let edition = self.editions.get(&generation)?;
        let release = Release { generation, spec: edition.spec.clone() };
        Some(EditionMemory { release, follows: edition.follows, speaks: edition.link.is_some() })
    }

    /// A worker is about to be born; where the kernel is to write its pid.
    pub(super) fn remember_birth(
        &mut self,
        identity: Identity,
        token: Option<&Token>,
        stamp: Option<Stamp>,
    ) -> Option<PidCell> {
        self.memory.as_ref()?;
        let cell = self.holds.free_cell();
        let worker = WorkerMemory::new(identity, token, cell, stamp);
        self.write_down(|memory| memory.worker(worker));
        cell
    }

    /// What is held of a worker has a name that begins with this.
    pub(super) fn kept_name(&self, worker: Identity) -> String {
        format!("pipe/{}/{}", self.app, worker.id)
    }

    pub(super) fn remember_death(&mut self, id: WorkerId, status: ExitStatus, usage: Usage) {
        self.change_memory(id, |worker| worker.death = Some((status, usage)));
    }

    pub(super) fn remember_main(&mut self, id: WorkerId, main: Option<u32>) {
        if self.memory.is_some() {
            let main = main.and_then(|pid| Some((pid, started_at(pid)?)));
            self.change_memory(id, |worker| worker.main = main);
        }
    }

    fn change_memory(&mut self, id: WorkerId, change: impl FnOnce(&mut WorkerMemory)) {
        self.write_down(|memory| {
            let Some(mut worker) = memory.known(id) else { return Ok(()) };
            change(&mut worker);
            memory.worker(worker)
        });
    }

    pub(super) fn forget_worker(&mut self, id: WorkerId) {
        let Some(worker) = self.memory.as_ref().and_then(|memory| memory.known(id)) else { return };
        if let Some(cell) = worker.cell() {
            // Before the record: an empty cell of a worker that is known means that it was never born, and one that is not known
            // is not looked at.
            self.holds.give_cell_back(cell);
        }
        self.write_down(|memory| memory.forget(id));
    }

    fn write_down(&mut self, write: impl FnOnce(&mut DriverMemory) -> io::Result<()>) {
        if let Some(memory) = &mut self.memory
            && let Err(error) = write(memory)
        {
            // What is written anew may have room where what was added had none.
            match memory.renew(&self.fleet, &[], self.last_ticket) {
                Ok(()) => self.renew_memory(),
                Err(_) => self.unprotected(&error),
            }
        }
    }

    /// Half a state is worse than none: a crash would be an end, as without a keeper.
    fn unprotected(&mut self, error: &io::Error) {
        tracing::error!(
            target: "drover::keeper",
            app = &*self.app,
            %error,
            "what runs can't be written down any more; a crash of this master would end it"
        );
        self.memory = None;
    }
}
