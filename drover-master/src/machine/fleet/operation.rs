//! Operations on some slots of an app that runs: start, stop and restart of workers, and signals to them.
//!
//! An operation waits for its slots, one by one ([`scale`](super::scale) uses the same waiting):
//!
//! ```text
//!  start, restart:  a worker is ready there, or its work is completed  ──► that slot is done
//!                   a new worker failed before it was ready            ──► the operation failed; the policy goes on trying
//!                   a stop of that slot, or the end of the app         ──► the operation was interrupted
//!  stop:            nothing is there any more                          ──► that slot is done
//!  all:             the worker there outlived SIGKILL                  ──► nobody waits for that
//! ```
//!
//! What follows the exit of a worker that was asked to leave its slot stands in the slot: [`AfterExit`]. The restart
//! policy has no say then, and the exit counts nowhere.

use crate::signal::Signal;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::slot::AfterExit;
use super::{
    EventKind, Fleet, FleetAction, Place, Rollout, Slot, SlotState, StartFailure, Tenure, Timer, Verdict,
};
use crate::config::Kind;
use crate::ids::{SlotIndex, TicketId, WorkerId};
use crate::machine::gate::{self, Admission, DenyReason, Occupancy, SlotRequest};
use crate::machine::phase::Phase;
use crate::machine::restart::RestartTracker;
use crate::machine::worker::{WorkerAction, WorkerInput};

/// Which workers are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Target {
    /// Every slot.
    All,
    /// The slot, whoever is in it.
    Slot(SlotIndex),
    /// This very worker; refused once it is gone.
    Worker(WorkerId),
}

/// Somebody waits for some slots.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Operation {
    pub(super) ticket: TicketId,
    pub(super) wanted: SlotsGoal,
    pub(super) waits_for: BTreeSet<SlotIndex>,
}

/// What is to become of the slots that an operation waits for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum SlotsGoal {
    /// What was asked of each of them.
    Slots(SlotRequest),
    /// That newcomers are ready.
    Growth(Growth),
    /// That victims are gone.
    Shrinkage {
        /// How many the app had.
        from: u32,
    },
}

/// An app that has become larger, if all goes well.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Growth {
    /// How many the app had.
    pub(super) from: u32,
    pub(super) newcomers: Vec<SlotIndex>,
}

impl SlotsGoal {
    /// Whether a slot is done when a worker is ready there; else when nothing is.
    pub(super) const fn fills(&self) -> bool {
        match self {
            Self::Slots(SlotRequest::Start | SlotRequest::Restart | SlotRequest::Resume)
            | Self::Growth(_) => true,
            Self::Slots(SlotRequest::Stop | SlotRequest::Suspend) | Self::Shrinkage { .. } => false,
        }
    }

    /// How many the app had, if this changes it.
    const fn scaled_from(&self) -> Option<u32> {
        match self {
            Self::Slots(_) => None,
            Self::Growth(Growth { from, .. }) | Self::Shrinkage { from } => Some(*from),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Slots(request) => request.name(),
            Self::Growth(_) | Self::Shrinkage { .. } => "scale",
        }
    }
}

impl Fleet {
    /// All slots or none: one that refuses refuses for all.
    pub(super) fn operation_requested(
        &mut self,
        now: Instant,
        ticket: TicketId,
        request: SlotRequest,
        target: Target,
        by: Arc<str>,
    ) {
        let is_rolling = |rollout: &Rollout| rollout.is_active() && !rollout.is_recycling();
        if self.rollout.as_ref().is_some_and(is_rolling) {
            return self.answer(ticket, Verdict::Denied(DenyReason::Reloading));
        }
        if let (SlotRequest::Suspend, Err(reason)) = (request, self.may_suspend()) {
            return self.answer(ticket, Verdict::Denied(reason));
        }
        if self.slots_of(target).is_ok() {
            self.call_off_recycling(now, &by);
        }
        // Once more: the one that was to take a place may have been meant.
        let slots = match self.slots_of(target) {
            Ok(slots) => slots,
            Err(reason) => return self.answer(ticket, Verdict::Denied(reason)),
        };
        let (mut changed, mut waits_for) = (Vec::new(), BTreeSet::new());
        for slot in slots {
            match gate::admit_slot(self.doing, slot, self.occupancy(slot), request) {
                Admission::Accept => {
                    changed.push(slot);
                    waits_for.insert(slot);
                }
                Admission::Join => drop(waits_for.insert(slot)),
                Admission::Ignore => {}
                Admission::Deny(reason) => return self.answer(ticket, Verdict::Denied(reason)),
            }
        }
        if let Some(pid) = waits_for.iter().find_map(|slot| self.unkillable_in(*slot)) {
            return self.answer(ticket, Verdict::Unkillable { pid });
        }
        self.operations.push(Operation { ticket, wanted: SlotsGoal::Slots(request), waits_for });
        for slot in changed {
            match request {
                SlotRequest::Stop => self.stop_slot(now, slot, &by),
                SlotRequest::Start if self.is_suspended(slot) => self.resume_slot(now, slot, &by),
                SlotRequest::Start => self.start_slot(slot),
                SlotRequest::Suspend => self.suspend_slot(now, slot, &by),
                SlotRequest::Resume => self.resume_slot(now, slot, &by),
                SlotRequest::Restart => self.restart_slot(now, slot, &by),
            }
        }
        self.answer_done();
        self.check_started();
    }

    pub(super) fn signal_requested(
        &mut self,
        ticket: TicketId,
        target: Target,
        signal: Signal,
        by: &Arc<str>,
    ) {
        let slots = match self.slots_of(target) {
            Ok(slots) => slots,
            Err(reason) => return self.answer(ticket, Verdict::Denied(reason)),
        };
        let mut reached = 0_usize;
        for slot in slots {
            let SlotState::Occupied(id) = self.slots[slot.0 as usize].state else { continue };
            let Some(worker) =
                self.workers.get_mut(&id).filter(|worker| worker.pid().is_some() && !worker.is_dead())
            else {
                continue;
            };
            let phase = worker.phase();
            reached += 1;
            worker.delivered(signal, format!("at the request of {by}").into());
            self.publish_worker(id, phase, EventKind::Signalled { signal, by: Arc::clone(by) });
            self.actions.push_back(FleetAction::Worker { id, action: WorkerAction::Deliver { signal } });
        }
        let denied = Verdict::Denied(DenyReason::NoProcess);
        self.answer(ticket, if reached == 0 { denied } else { Verdict::Done });
    }

    /// A start of an app that runs brings back what was stopped, given up, or left on its own; the work of a oneshot that
    /// is completed stays so.
    pub(super) fn start_missing(&mut self, ticket: TicketId) {
        let missing: BTreeSet<SlotIndex> = self.missing().into_iter().collect();
        let wanted = SlotsGoal::Slots(SlotRequest::Start);
        let operation = Operation { ticket, wanted, waits_for: missing.clone() };
        self.operations.push(operation);
        missing.into_iter().for_each(|slot| self.start_slot(slot));
        self.answer_done();
    }

    /// The slots where nothing is and nothing follows, though the app should have a worker there.
    pub(super) fn missing(&self) -> Vec<SlotIndex> {
        let missing = |slot: &&Slot| match slot.state {
            SlotState::Held | SlotState::GivenUp => !slot.suspended,
            SlotState::Completed => slot.release.spec.kind == Kind::Service,
            _ => false,
        };
        self.slots.iter().filter(missing).map(|slot| slot.index).collect()
    }

    pub(super) fn slots_of(&self, target: Target) -> Result<Vec<SlotIndex>, DenyReason> {
        let count = self.members as u32;
        match target {
            Target::All => Ok(self.members()),
            Target::Slot(slot) if self.worker_status(slot).is_some() => Ok(vec![slot]),
            Target::Slot(slot) => Err(DenyReason::NoSuchSlot { slot, count }),
            Target::Worker(id) => match self.workers.get(&id).map(|worker| worker.identity().slot) {
                Some(slot) if self.tenure(id, slot) == Tenure::Leaving => Err(DenyReason::Leaving { id }),
                Some(slot) => Ok(vec![slot]),
                None => Err(DenyReason::NoSuchWorker { id }),
            },
        }
    }

    fn occupancy(&self, slot: SlotIndex) -> Occupancy {
        let slot = &self.slots[slot.0 as usize];
        if slot.suspended {
            return self.suspension_of(slot);
        }
        match (slot.state, slot.after_exit) {
            (
                SlotState::Empty
                | SlotState::Held
                | SlotState::Completed
                | SlotState::GivenUp
                | SlotState::Retired,
                _,
            ) => Occupancy::Vacant,
            (
                SlotState::Queued
                | SlotState::Undecided { .. }
                | SlotState::BackingOff { .. }
                | SlotState::Vacated,
                _,
            ) => Occupancy::Pending,
            (SlotState::Scheduled, _) => Occupancy::Scheduled,
            (SlotState::Occupied(_), Some(AfterExit::Hold | AfterExit::Retire)) => Occupancy::Leaving,
            (SlotState::Occupied(_), Some(AfterExit::Refill | AfterExit::MakeRoom)) => Occupancy::Restarting,
            (SlotState::Occupied(id), None) => match self.phase_of(id) {
                Phase::Started => Occupancy::Ready,
                _ => Occupancy::Starting,
            },
        }
    }

    pub(super) fn unkillable_in(&self, slot: SlotIndex) -> Option<u32> {
        let SlotState::Occupied(id) = self.slots[slot.0 as usize].state else { return None };
        self.workers.get(&id).filter(|worker| worker.is_unkillable()).and_then(|worker| worker.pid())
    }

    /// A stop always beats a pending try, and whoever waits for a worker there.
    fn stop_slot(&mut self, now: Instant, slot: SlotIndex, by: &Arc<str>) {
        let waits_in_vain =
            |operation: &Operation| operation.wanted.fills() && operation.waits_for.contains(&slot);
        self.answer_operations(waits_in_vain, &Verdict::Interrupted { by: Arc::clone(by) });
        self.slot_mut(slot).suspended = false;
        if let SlotState::Occupied(id) = self.slots[slot.0 as usize].state {
            self.slot_mut(slot).after_exit = Some(AfterExit::Hold);
            return self.worker_input(now, id, WorkerInput::ShutdownAsked { by: Arc::clone(by) });
        }
        self.leave_queue(slot);
        self.hold(slot);
    }

    fn start_slot(&mut self, slot: SlotIndex) {
        match self.slots[slot.0 as usize].state {
            SlotState::Occupied(_) | SlotState::Queued | SlotState::Vacated | SlotState::Retired => {}
            SlotState::Empty
            | SlotState::Scheduled
            | SlotState::Held
            | SlotState::Completed
            | SlotState::GivenUp
            | SlotState::Undecided { .. }
            | SlotState::BackingOff { .. } => self.refill(slot),
        }
    }

    pub(super) fn restart_slot(&mut self, now: Instant, slot: SlotIndex, by: &Arc<str>) {
        self.interrupt_suspension(slot, by);
        match self.slots[slot.0 as usize].state {
            SlotState::Occupied(id) => {
                self.slot_mut(slot).after_exit = Some(AfterExit::Refill);
                self.worker_input(now, id, WorkerInput::ShutdownAsked { by: Arc::clone(by) });
            }
            _ => self.start_slot(slot),
        }
    }

    /// Puts a slot in the queue by somebody's wish: what failed before does not count any more.
    pub(super) fn refill(&mut self, slot: SlotIndex) {
        self.leave_queue(slot);
        let place = self.slot_mut(slot);
        place.tracker = RestartTracker::default();
        place.suspended = false;
        self.enqueue(slot);
    }

    pub(super) fn hold(&mut self, slot: SlotIndex) {
        self.slot_mut(slot).state = SlotState::Held;
        self.counts.held += 1;
        self.slot_emptied(slot);
    }

    /// Takes a slot without a worker out of whatever it waits for or is counted in.
    pub(super) fn leave_queue(&mut self, slot: SlotIndex) {
        match self.slots[slot.0 as usize].state {
            SlotState::Held => self.counts.held -= 1,
            SlotState::Scheduled => self.counts.scheduled -= 1,
            SlotState::Completed => self.counts.completed -= 1,
            SlotState::GivenUp => self.counts.given_up -= 1,
            SlotState::Queued => self.queue.retain(|place| *place != Place::Occupant(slot)),
            SlotState::BackingOff { .. } => self.timers.set(Timer::Slot(slot), None),
            SlotState::Empty
            | SlotState::Occupied(_)
            | SlotState::Undecided { .. }
            | SlotState::Vacated
            | SlotState::Retired => {}
        }
    }

    /// The worker that was asked to leave its slot has left.
    pub(super) fn asked_exit(&mut self, slot: SlotIndex, after: AfterExit) {
        match after {
            AfterExit::Hold => self.hold(slot),
            AfterExit::Refill => self.refill(slot),
            AfterExit::Retire => self.retired(slot),
            AfterExit::MakeRoom => self.vacated(slot),
        }
        self.check_started();
    }

    /// A worker is ready there, or its work is completed.
    pub(super) fn slot_filled(&mut self, slot: SlotIndex) {
        self.slot_done(slot, SlotsGoal::fills);
    }

    /// Nothing is there any more.
    pub(super) fn slot_emptied(&mut self, slot: SlotIndex) {
        self.slot_done(slot, |wanted| !wanted.fills());
    }

    /// A worker failed there before it was ready.
    pub(super) fn slot_failed(&mut self, failure: &StartFailure) {
        let slot = failure.slot;
        let waits = |operation: &Operation| operation.wanted.fills() && operation.waits_for.contains(&slot);
        self.answer_operations(waits, &Verdict::StartFailed(failure.clone()));
    }

    /// The worker there outlived SIGKILL.
    pub(super) fn slot_stuck(&mut self, slot: SlotIndex, pid: u32) {
        self.answer_operations(|operation| operation.waits_for.contains(&slot), &Verdict::Unkillable { pid });
    }

    /// The app ends: only who waits for an end still gets what was asked for.
    pub(super) fn interrupt_operations(&mut self, by: &Arc<str>) {
        let verdict = Verdict::Interrupted { by: Arc::clone(by) };
        self.answer_operations(|operation| operation.wanted.fills(), &verdict);
    }

    pub(super) fn slot_done(&mut self, slot: SlotIndex, concerns: impl Fn(&SlotsGoal) -> bool) {
        for operation in &mut self.operations {
            if concerns(&operation.wanted) {
                operation.waits_for.remove(&slot);
            }
        }
        self.answer_done();
    }

    pub(super) fn answer_done(&mut self) {
        let is_done = |operation: &&Operation| operation.waits_for.is_empty();
        let scaled = self.operations.iter().filter(is_done).find_map(|done| done.wanted.scaled_from());
        self.answer_operations(|operation| operation.waits_for.is_empty(), &Verdict::Done);
        if let Some(from) = scaled {
            self.publish_app(EventKind::Scaled { from, to: self.members as u32 });
        }
    }

    pub(super) fn answer_operations(&mut self, which: impl Fn(&Operation) -> bool, verdict: &Verdict) {
        let actions = &mut self.actions;
        self.operations.retain(|operation| {
            let is_over = which(operation);
            if is_over {
                let verdict = verdict.clone();
                actions.push_back(FleetAction::Answer { ticket: operation.ticket, verdict });
            }
            !is_over
        });
    }

    /// What is under way on some slots.
    pub(super) fn operation_name(&self) -> Option<&'static str> {
        let rollout = self.rollout.as_ref().map(Rollout::name);
        let reload = self.self_reload.as_ref().map(|_| "reload");
        rollout.or(reload).or_else(|| self.operations.first().map(|operation| operation.wanted.name()))
    }
}
