//! What follows the first replacement that fails.

use std::sync::Arc;
use std::time::Instant;

use super::{Aim, Incoming, ReloadFailure, ReplacementStep, Rollout, RolloutStage};
use crate::config::OnUpdateFailure;
use crate::ids::{SlotIndex, TicketId, WorkerId};
use crate::machine::fleet::slot::AfterExit;
use crate::machine::fleet::{EventKind, Fleet, Place, SlotState, StartFailure, Timer, Verdict};
use crate::machine::worker::WorkerInput;

impl Fleet {
    /// A replacement ended before it had its place.
    pub(in super::super) fn incoming_ended(&mut self, now: Instant, failure: StartFailure) {
        let slot = failure.slot;
        self.timers.set(Timer::Soak(slot), None);
        let Some(rollout) = &mut self.rollout else { return };
        rollout.incoming.remove(&slot);
        match rollout.stage {
            RolloutStage::Back { .. } => self.not_back(slot),
            RolloutStage::Forward | RolloutStage::Held(_) => {
                rollout.pending.insert(slot);
                self.occupy_again(slot);
                self.returns(slot);
                self.rollout_failed(now, ReloadFailure::Worker(failure));
            }
        }
    }

    /// The way back is closed to this slot: what serves there stays; where nothing does, the restart policy takes over.
    fn not_back(&mut self, slot: SlotIndex) {
        if self.slots[slot.0 as usize].state == SlotState::Vacated {
            self.slot_mut(slot).release = self.current.clone();
            self.occupy_again(slot);
        }
    }

    /// A slot that had made room gets a worker of its own again, unless none is to serve there.
    fn occupy_again(&mut self, slot: SlotIndex) {
        if self.slots[slot.0 as usize].state != SlotState::Vacated {
            return;
        }
        if self.is_suspended(slot) {
            self.hold(slot);
        } else {
            self.enqueue(slot);
        }
    }

    /// One of the new ended after it had its place, but before all had theirs. Tells whether that was the end of the rollout.
    pub(in super::super) fn replaced_ended(&mut self, now: Instant, failure: &StartFailure) -> bool {
        let Some(rollout) = &self.rollout else { return false };
        let Aim::Reload(release) = &rollout.aim else { return false };
        let slot = failure.slot;
        let concerned = self.slots[slot.0 as usize].release.generation == release.generation;
        let fails = match (&rollout.stage, rollout.policy.on_failure) {
            (RolloutStage::Forward, _) | (RolloutStage::Held(None), OnUpdateFailure::Rollback) => concerned,
            (RolloutStage::Held(_) | RolloutStage::Back { .. }, _) => false,
        };
        if !fails {
            return false;
        }
        let goes_back = rollout.policy.on_failure == OnUpdateFailure::Rollback;
        self.rollout_failed(now, ReloadFailure::Worker(failure.clone()));
        goes_back
    }

    /// What waits for a process that outlived SIGKILL waits no more.
    pub(in super::super) fn rollout_stuck(&mut self, now: Instant, id: WorkerId, pid: u32) {
        for at in 0..self.drains.len() {
            if self.drains[at].leaving.remove(&id) {
                for ticket in std::mem::take(&mut self.drains[at].tickets) {
                    self.answer(ticket, Verdict::Unkillable { pid });
                }
            }
        }
        self.answer_drained();
        let Some(rollout) = &mut self.rollout else { return };
        if rollout.leaving.contains(&id) {
            // Told to whoever waits for the drain, at its turn.
            return;
        }
        let slot = rollout.incoming.iter().find_map(|(slot, incoming)| {
            let occupant = SlotState::Occupied(id);
            let makes_room =
                incoming.at == ReplacementStep::Emptying && self.slots[slot.0 as usize].state == occupant;
            (incoming.at.worker() == Some(id) || makes_room).then_some(*slot)
        });
        let Some(slot) = slot else { return };
        match rollout.stage {
            RolloutStage::Back { .. } => {
                self.call_off(now, slot);
            }
            RolloutStage::Forward | RolloutStage::Held(_) => {
                self.rollout_failed(now, ReloadFailure::Unkillable { pid })
            }
        }
    }

    /// The time for all of it is over.
    pub(in super::super) fn rollout_overdue(&mut self, now: Instant) {
        self.rollout_failed(now, ReloadFailure::Deadline);
    }

    fn rollout_failed(&mut self, now: Instant, failure: ReloadFailure) {
        let Some(rollout) = &mut self.rollout else { return };
        self.timers.set(Timer::Rollout, None);
        match (&rollout.aim, rollout.policy.on_failure) {
            (Aim::Reload(_), OnUpdateFailure::Rollback) => self.roll_back(now, failure, Vec::new()),
            (Aim::Reload(_), OnUpdateFailure::Pause) => {
                rollout.stage = RolloutStage::Held(Some(failure.clone()));
                let tickets = std::mem::take(&mut rollout.tickets);
                self.call_all_off(now);
                self.publish_app(EventKind::ReloadPaused { failure: Box::new(failure.clone()) });
                for ticket in tickets {
                    self.answer(ticket, Verdict::Paused(failure.clone()));
                }
            }
            (Aim::Renewal, _) => self.give_up_renewal(now, failure),
        }
        self.check_started();
    }

    /// There is nothing to go back to: old and new are the same.
    pub(in super::super) fn give_up_renewal(&mut self, now: Instant, failure: ReloadFailure) {
        self.call_all_off(now);
        self.timers.set(Timer::Rollout, None);
        let Some(Rollout { tickets, leaving, recycles, .. }) = self.rollout.take() else { return };
        if let Some(id) = recycles {
            self.recycling_failed(now, id, failure.clone());
        }
        let verdict = Verdict::from(failure);
        for ticket in tickets {
            self.answer(ticket, verdict.clone());
        }
        self.let_drain(Vec::new(), leaving);
    }

    pub(super) fn roll_back(&mut self, now: Instant, failure: ReloadFailure, aborted_by: Vec<TicketId>) {
        self.call_all_off(now);
        self.timers.set(Timer::Rollout, None);
        let Some(rollout) = &mut self.rollout else { return };
        rollout.canary = None;
        rollout.stage = RolloutStage::Back { failure: failure.clone(), aborted_by };
        rollout.pending.clear();
        rollout.replaced.clear();
        self.publish_app(EventKind::RollingBack { failure: Box::new(failure) });
        // Those too that a rollout before this one had replaced when it was held.
        let generation = self.current.generation;
        let newer = self
            .members()
            .into_iter()
            .filter(|slot| self.slots[slot.0 as usize].release.generation != generation);
        for slot in newer.collect::<Vec<_>>() {
            self.send_back(slot);
        }
    }

    /// A slot that was replaced gets a worker of the old generation again.
    fn send_back(&mut self, slot: SlotIndex) {
        let release = self.current.clone();
        match self.slots.get(slot.0 as usize).map(|slot| slot.state) {
            Some(SlotState::Occupied(_)) => {
                // One that leaves already is passed over there.
                if let Some(rollout) = &mut self.rollout {
                    rollout.pending.insert(slot);
                }
            }
            Some(SlotState::Undecided { .. } | SlotState::BackingOff { .. } | SlotState::GivenUp) => {
                self.slot_mut(slot).release = release;
                self.refill(slot);
                self.returns(slot);
            }
            Some(_) => self.slot_mut(slot).release = release,
            None => {}
        }
    }

    fn call_all_off(&mut self, now: Instant) {
        let slots: Vec<SlotIndex> =
            self.rollout.iter().flat_map(|rollout| rollout.incoming.keys().copied()).collect();
        for slot in slots {
            self.call_off(now, slot);
            if let Some(rollout) = &mut self.rollout {
                rollout.pending.insert(slot);
            }
        }
    }

    /// A replacement is not wanted any more: it leaves, and the slot is what it was.
    fn call_off(&mut self, now: Instant, slot: SlotIndex) {
        self.timers.set(Timer::Soak(slot), None);
        let Some(rollout) = &mut self.rollout else { return };
        let Some(Incoming { at, .. }) = rollout.incoming.remove(&slot) else { return };
        let by = Arc::clone(&rollout.by);
        match at {
            ReplacementStep::Emptying => {
                let place = self.slot_mut(slot);
                place.after_exit = Some(if place.suspended { AfterExit::Hold } else { AfterExit::Refill });
            }
            ReplacementStep::Queued => self.queue.retain(|place| *place != Place::Incoming(slot)),
            ReplacementStep::Starting(id) | ReplacementStep::Soaking(id) => {
                rollout.leaving.insert(id);
                self.worker_input(now, id, WorkerInput::ShutdownAsked { by });
            }
        }
        self.occupy_again(slot);
        self.returns(slot);
    }

    /// The verdict of a rollback waits for what comes into this slot.
    fn returns(&mut self, slot: SlotIndex) {
        if let Some(rollout) = &mut self.rollout {
            rollout.returning.insert(slot);
        }
    }
}

impl From<ReloadFailure> for Verdict {
    /// Where there is nothing to go back to.
    fn from(failure: ReloadFailure) -> Self {
        match failure {
            ReloadFailure::Worker(failure) => Self::StartFailed(failure),
            ReloadFailure::Unkillable { pid } => Self::Unkillable { pid },
            ReloadFailure::Deadline => Self::Interrupted { by: "update.timeout".into() },
            ReloadFailure::Aborted { by } => Self::Interrupted { by },
        }
    }
}
