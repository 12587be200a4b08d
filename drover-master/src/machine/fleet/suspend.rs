//! Workers that take no work for a while.
//!
//! The wish stands in the slot, so that it outlives its worker: one that ends while it is suspended is not replaced, and a
//! resumption starts another.

use std::sync::Arc;
use std::time::Instant;

use super::operation::SlotsGoal;
use super::slot::AfterExit;
use super::{EventKind, Fleet, Slot, SlotState, Verdict};
use crate::config::{Kind, Protocol};
use crate::ids::SlotIndex;
use crate::machine::gate::{DenyReason, Occupancy, SlotRequest};
use crate::machine::worker::{Worker, WorkerInput};

impl Fleet {
    pub(super) fn is_suspended(&self, slot: SlotIndex) -> bool {
        self.slots.get(slot.0 as usize).is_some_and(|slot| slot.suspended)
    }

    pub(super) fn may_suspend(&self) -> Result<(), DenyReason> {
        let spec = &self.current.spec;
        match (spec.kind, spec.protocol, spec.suspend) {
            // It is its schedule that is held.
            (Kind::Cron, _, _) => Ok(()),
            (Kind::Oneshot, _, _) => Err(DenyReason::SuspendOneshot),
            (Kind::Service, Protocol::None | Protocol::Notify, None) => Err(DenyReason::CantSuspend),
            (Kind::Service, _, _) => Ok(()),
        }
    }

    /// How far the suspension of a slot has come.
    pub(super) fn suspension_of(&self, slot: &Slot) -> Occupancy {
        let worker = match slot.state {
            SlotState::Occupied(id) => self.workers.get(&id),
            SlotState::Held => return Occupancy::Suspended,
            _ => return Occupancy::Vacant,
        };
        match slot.after_exit {
            Some(AfterExit::Hold | AfterExit::Retire) => Occupancy::Leaving,
            Some(AfterExit::Refill | AfterExit::MakeRoom) => Occupancy::Restarting,
            // It is held with the schedule, and its run goes on.
            None if self.is_cron() => Occupancy::Suspended,
            None if worker.is_some_and(Worker::is_suspended) => Occupancy::Suspended,
            None => Occupancy::Suspending,
        }
    }

    pub(super) fn suspend_slot(&mut self, now: Instant, slot: SlotIndex, by: &Arc<str>) {
        let in_vain = |wanted: &SlotsGoal| wanted.fills();
        let verdict = Verdict::Interrupted { by: Arc::clone(by) };
        self.answer_operations(
            |operation| in_vain(&operation.wanted) && operation.waits_for.contains(&slot),
            &verdict,
        );
        if self.is_cron() {
            return self.suspend_schedule(by);
        }
        self.slot_mut(slot).suspended = true;
        match self.slots[slot.0 as usize].state {
            SlotState::Occupied(id) => {
                let phase = self.phase_of(id);
                self.publish_worker(id, phase, EventKind::Suspended { by: Arc::clone(by) });
                self.worker_input(now, id, WorkerInput::SuspendAsked);
            }
            _ => {
                self.leave_queue(slot);
                self.hold(slot);
            }
        }
    }

    pub(super) fn resume_slot(&mut self, now: Instant, slot: SlotIndex, by: &Arc<str>) {
        if self.is_cron() {
            return self.resume_schedule(by);
        }
        let SlotState::Occupied(id) = self.slots[slot.0 as usize].state else {
            self.interrupt_suspension(slot, by);
            return self.refill(slot);
        };
        if !self.workers.get(&id).is_some_and(Worker::can_resume) {
            return self.restart_slot(now, slot, by);
        }
        self.interrupt_suspension(slot, by);
        let phase = self.phase_of(id);
        self.publish_worker(id, phase, EventKind::Resumed { by: Arc::clone(by) });
        self.worker_input(now, id, WorkerInput::ResumeAsked);
    }

    /// The slot serves again, whatever somebody waits for.
    pub(super) fn interrupt_suspension(&mut self, slot: SlotIndex, by: &Arc<str>) {
        if std::mem::take(&mut self.slot_mut(slot).suspended) {
            let verdict = Verdict::Interrupted { by: Arc::clone(by) };
            let suspends = SlotsGoal::Slots(SlotRequest::Suspend);
            self.answer_operations(
                |operation| operation.wanted == suspends && operation.waits_for.contains(&slot),
                &verdict,
            );
        }
    }

    /// A worker has drained and stays.
    pub(super) fn slot_suspended(&mut self, slot: SlotIndex) {
        self.slot_done(slot, |wanted| *wanted == SlotsGoal::Slots(SlotRequest::Suspend));
    }
}
