//! A reload by signal: one worker after the other is told to read its configuration again, and stays.
//!
//! ```text
//!            ready                    reloaded
//!  Waits ────────────► Told ─────────────────────► the next one; after the last: done
//!    │ it has left       │ not reloaded, or it ended though nobody asked it to
//!    ▼                   ▼
//!  the next one        failed: the others keep the configuration they have
//! ```
//!
//! One after the other, so that a configuration with a mistake costs one worker and not the app. One that is in creation, or
//! comes later, reads the new configuration anyway; one that is starting may have read the old one already, so the reload waits for it.

use crate::signal::Signal;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::{EventKind, Fleet, SlotState, Verdict};
use crate::ids::{SlotIndex, TicketId, WorkerId};
use crate::machine::phase::Phase;
use crate::machine::worker::WorkerInput;

/// A reload by signal that is under way.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct SelfReload {
    tickets: Vec<TicketId>,
    /// The workers that still have to get the signal.
    pending: VecDeque<(SlotIndex, WorkerId)>,
    told: Option<(SlotIndex, WorkerId)>,
}

/// The worker that did not reload.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct NotReloaded {
    /// Its slot.
    pub slot: SlotIndex,
    /// Its id.
    pub worker: WorkerId,
    /// Why.
    pub why: Arc<str>,
    /// The last lines it wrote to stderr, if it has ended.
    pub last_words: Vec<String>,
}

impl fmt::Display for NotReloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} {}", self.slot, self.why)
    }
}

impl SelfReload {
    pub(super) fn into_tickets(self) -> Vec<TicketId> {
        self.tickets
    }
}

impl Fleet {
    pub(super) fn begin_self_reload(
        &mut self,
        now: Instant,
        tickets: Vec<TicketId>,
        signal: Signal,
        by: &Arc<str>,
    ) {
        let occupants =
            self.members().into_iter().filter_map(|slot| match self.slots[slot.0 as usize].state {
                SlotState::Occupied(id) => Some((slot, id)),
                _ => None,
            });
        let pending = occupants.collect();
        self.publish_app(EventKind::SelfReloadStarted { signal, by: Arc::clone(by) });
        self.self_reload = Some(SelfReload { tickets, pending, told: None });
        self.step_self_reload(now);
    }

    /// Goes on, as far as it can now.
    pub(super) fn step_self_reload(&mut self, now: Instant) {
        while let Some(reload) = &mut self.self_reload {
            if let Some((slot, id)) = reload.told {
                match self.workers.get(&id) {
                    // It says so itself, or ends.
                    Some(worker) if worker.is_reloading() || worker.is_ending() => return,
                    Some(worker) if worker.phase() == Phase::ShuttingDown => return,
                    // It has told what came of it; or somebody has suspended it.
                    Some(_) => reload.told = None,
                    None => self.told_has_ended(slot, id),
                }
                continue;
            }
            let Some((slot, id)) = reload.pending.front().copied() else {
                return self.self_reload_done();
            };
            match self.workers.get(&id).map(|worker| (worker.phase(), worker.is_dead())) {
                Some((Phase::Starting, false)) => return,
                Some((Phase::Started, false)) => {
                    reload.pending.pop_front();
                    reload.told = Some((slot, id));
                    self.worker_input(now, id, WorkerInput::ReloadAsked);
                }
                _ => drop(reload.pending.pop_front()),
            }
        }
    }

    /// A worker says that it has not reloaded.
    pub(super) fn not_reloaded(&mut self, id: WorkerId, why: &'static str) {
        let Some(slot) = self.workers.get(&id).map(|worker| worker.identity().slot) else { return };
        if self.self_reload.as_ref().and_then(|reload| reload.told) == Some((slot, id)) {
            self.self_reload_failed(NotReloaded {
                slot,
                worker: id,
                why: why.into(),
                last_words: Vec::new(),
            });
        }
    }

    /// One that somebody asked to leave makes room for one with the new configuration. One that left on its own most likely could
    /// not live with it.
    fn told_has_ended(&mut self, slot: SlotIndex, worker: WorkerId) {
        let exit = self.slots.get(slot.0 as usize).and_then(|slot| slot.last_exit()).cloned();
        match exit {
            Some(exit) if exit.asked_by.is_none() => {
                let (why, last_words) = (exit.to_string().into(), exit.stderr_tail.clone());
                self.self_reload_failed(NotReloaded { slot, worker, why, last_words });
            }
            _ => {
                if let Some(reload) = &mut self.self_reload {
                    reload.told = None;
                }
            }
        }
    }

    fn self_reload_done(&mut self) {
        if let Some(reload) = self.self_reload.take() {
            self.publish_app(EventKind::SelfReloaded);
            reload.tickets.into_iter().for_each(|ticket| self.answer(ticket, Verdict::Done));
        }
    }

    fn self_reload_failed(&mut self, failure: NotReloaded) {
        if let Some(reload) = self.self_reload.take() {
            self.publish_app(EventKind::SelfReloadFailed { failure: Box::new(failure.clone()) });
            for ticket in reload.tickets {
                self.answer(ticket, Verdict::NotReloaded(failure.clone()));
            }
        }
    }
}
