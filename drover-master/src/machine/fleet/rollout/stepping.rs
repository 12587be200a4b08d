//! How a rollout goes on: who may start, who has proved itself, and when it is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Aim, Incoming, Release, ReplacementStep, Rollout, RolloutStage};
use crate::config::UpdateOrder;
use crate::ids::{Generation, SlotIndex, WorkerId};
use crate::machine::deadlines::after;
use crate::machine::fleet::slot::AfterExit;
use crate::machine::fleet::{EventKind, Fleet, Place, SlotState, Timer, Verdict};
use crate::machine::phase::Phase;
use crate::machine::restart::RestartTracker;
use crate::machine::worker::{Worker, WorkerInput};

impl Fleet {
    /// Begins as many replacements as may be under way, and ends the rollout when there is none left.
    pub(in super::super) fn step(&mut self, now: Instant) {
        while let Some((slot, stops_first)) = self.next_to_replace() {
            self.replace(now, slot, stops_first);
        }
        let Some(rollout) = &self.rollout else { return };
        if !rollout.is_active() || !rollout.incoming.is_empty() {
            return;
        }
        if rollout.pending.is_empty() {
            let goes_back = matches!(rollout.stage, RolloutStage::Back { .. });
            if goes_back && rollout.returning.iter().any(|slot| self.is_on_its_way(*slot)) {
                return;
            }
            self.complete();
        } else if rollout.stage == RolloutStage::Forward && rollout.has_its_canaries() {
            self.canaries_stand();
        }
    }

    /// Those that are not ready come first: nobody misses them.
    fn next_to_replace(&mut self) -> Option<(SlotIndex, bool)> {
        loop {
            let found = self.room_for(self.rollout.as_ref()?)?;
            if self.may_be_replaced(found.0) {
                return Some(found);
            }
            self.pass_over(found.0);
        }
    }

    /// Whatever comes into the slot next is what all others are.
    fn pass_over(&mut self, slot: SlotIndex) {
        let release = self.release_for_incoming(slot);
        if let Some(rollout) = &mut self.rollout {
            rollout.pending.remove(&slot);
        }
        if (slot.0 as usize) < self.slots.len() {
            self.slot_mut(slot).release = release;
        }
    }

    fn room_for(&self, rollout: &Rollout) -> Option<(SlotIndex, bool)> {
        if !rollout.is_active() || rollout.stage == RolloutStage::Forward && rollout.has_its_canaries() {
            return None;
        }
        let desired = (self.members - self.counts.held) as u32;
        let (surge, unavailable) = rollout.bounds(desired);
        let stopping = rollout.stopping(surge, unavailable);
        let beside = rollout.incoming.len() as u32 - stopping;
        if beside >= surge && stopping >= unavailable {
            return None;
        }
        let ready = self.ready() as u32;
        // Where all who are not ready make room already there is none to be looked for: so a step costs no more with more slots.
        let may_be_unready = ready + stopping < desired;
        let unready = || rollout.pending.iter().find(|slot| !self.is_serving(**slot)).copied();
        let unready = may_be_unready.then(unready).flatten();
        let slot = unready.or_else(|| rollout.pending.first().copied())?;
        if beside < surge {
            return Some((slot, false));
        }
        let spared = unready.is_some()
            || ready > desired.saturating_sub(unavailable)
            || ready > self.expected().saturating_sub(unavailable);
        (stopping < unavailable && spared).then_some((slot, true))
    }

    /// How many slots serve, or are about to. Those that will not serve again on their own, or that fail again and again, are
    /// not waited for.
    fn expected(&self) -> u32 {
        self.slots.iter().filter(|slot| slot.is_member() && self.may_serve(slot.index)).count() as u32
    }

    /// An old worker, or one that was called off, is gone.
    pub(in super::super) fn left(&mut self, id: WorkerId) {
        if let Some(rollout) = &mut self.rollout {
            rollout.leaving.remove(&id);
        }
        for drain in &mut self.drains {
            drain.leaving.remove(&id);
        }
        self.answer_drained();
        self.check_started();
    }

    pub(in super::super) fn no_longer_other(&mut self, slot: SlotIndex, id: WorkerId) {
        if let Some(others) = self.others.get_mut(&slot) {
            others.remove(&id);
            if others.is_empty() {
                self.others.remove(&slot);
            }
        }
    }

    /// Whether a worker of the slot's own is ready.
    fn is_serving(&self, slot: SlotIndex) -> bool {
        match self.slots[slot.0 as usize].state {
            SlotState::Occupied(id) => self.workers.get(&id).is_some_and(Worker::is_ready),
            _ => false,
        }
    }

    /// Whether a worker of the slot's own is ready, or on its way.
    fn may_serve(&self, slot: SlotIndex) -> bool {
        let rests = |state| {
            matches!(
                state,
                SlotState::Held | SlotState::Completed | SlotState::GivenUp | SlotState::BackingOff { .. }
            )
        };
        !rests(self.slots[slot.0 as usize].state) && self.unkillable_in(slot).is_none()
    }

    /// Whether a worker of the slot's own will be ready, or will have failed, within its deadlines.
    fn is_on_its_way(&self, slot: SlotIndex) -> bool {
        match self.slots.get(slot.0 as usize).map(|slot| (slot.state, slot.after_exit)) {
            Some((SlotState::Queued, _)) => true,
            Some((SlotState::Occupied(id), None)) => {
                matches!(self.phase_of(id), Phase::Initialized | Phase::Starting)
            }
            Some((SlotState::Occupied(_), Some(AfterExit::Refill))) => self.unkillable_in(slot).is_none(),
            _ => false,
        }
    }

    fn replace(&mut self, now: Instant, slot: SlotIndex, stops_first: bool) {
        // One that outlived SIGKILL makes no room; it is left behind.
        let is_stuck = self.unkillable_in(slot).is_some();
        let Some(rollout) = &mut self.rollout else { return };
        rollout.pending.remove(&slot);
        let occupant = match self.slots[slot.0 as usize].state {
            SlotState::Occupied(id) if stops_first && !is_stuck => Some(id),
            _ => None,
        };
        let at = if occupant.is_some() { ReplacementStep::Emptying } else { ReplacementStep::Queued };
        rollout.incoming.insert(slot, Incoming { at, stops_first });
        let by = Arc::clone(&rollout.by);
        if let Some(id) = occupant {
            self.slot_mut(slot).after_exit = Some(AfterExit::MakeRoom);
            return self.worker_input(now, id, WorkerInput::ShutdownAsked { by });
        }
        if stops_first && !is_stuck {
            self.leave_queue(slot);
            self.slot_mut(slot).state = SlotState::Vacated;
        }
        self.queue.push_back(Place::Incoming(slot));
    }

    /// The worker that had to make room has left.
    pub(in super::super) fn vacated(&mut self, slot: SlotIndex) {
        self.slot_mut(slot).state = SlotState::Vacated;
        if let Some(incoming) = self.rollout.as_mut().and_then(|rollout| rollout.incoming.get_mut(&slot)) {
            incoming.at = ReplacementStep::Queued;
            self.queue.push_back(Place::Incoming(slot));
        }
    }

    /// What a replacement in this slot lives by.
    pub(in super::super) fn release_for_incoming(&self, slot: SlotIndex) -> Release {
        match self.rollout.as_ref().map(|rollout| (&rollout.stage, &rollout.aim)) {
            Some((RolloutStage::Back { .. }, _)) => self.current.clone(),
            Some((_, Aim::Reload(release))) => release.clone(),
            Some((_, Aim::Renewal)) | None => self.slots[slot.0 as usize].release.clone(),
        }
    }

    /// A replacement is ready. It is put to the proof, or takes its place at once.
    pub(in super::super) fn incoming_ready(&mut self, now: Instant, slot: SlotIndex, id: WorkerId) {
        let Some(rollout) = &mut self.rollout else { return };
        // Who goes back goes back to what has proved itself.
        let soak = if rollout.stage == RolloutStage::Forward { rollout.policy.soak } else { Duration::ZERO };
        if let Some(incoming) = rollout.incoming.get_mut(&slot) {
            incoming.at = ReplacementStep::Soaking(id);
        }
        if soak.is_zero() {
            self.take_over(now, slot);
        } else {
            self.timers.set(Timer::Soak(slot), Some(after(now, soak)));
        }
    }

    /// One fails its readiness, or passes it again. One that proves itself begins again with that: it has to be ready for that long
    /// at a stretch. What bounds it is the time for all.
    pub(in super::super) fn readiness_changed(&mut self, now: Instant, id: WorkerId) {
        let Some(worker) = self.workers.get(&id) else { return };
        let (slot, is_ready) = (worker.identity().slot, worker.is_ready());
        let at =
            self.rollout.as_ref().and_then(|rollout| rollout.incoming.get(&slot)).map(|incoming| incoming.at);
        match at {
            Some(ReplacementStep::Soaking(soaking)) if soaking == id && is_ready => {
                self.incoming_ready(now, slot, id)
            }
            Some(ReplacementStep::Soaking(soaking)) if soaking == id => {
                self.timers.set(Timer::Soak(slot), None)
            }
            _ => {}
        }
    }

    pub(in super::super) fn take_over(&mut self, now: Instant, slot: SlotIndex) {
        let release = self.release_for_incoming(slot);
        let Some(rollout) = &mut self.rollout else { return };
        let Some(Incoming { at: ReplacementStep::Soaking(id), .. }) = rollout.incoming.get(&slot).copied()
        else {
            return;
        };
        if self.workers.get(&id).is_none_or(|worker| !worker.is_ready() || worker.is_dead()) {
            // It is on its way out, or its process has ended already, which its exit tells.
            return;
        }
        rollout.incoming.remove(&slot);
        rollout.replaced.insert(slot);
        let by = Arc::clone(&rollout.by);
        self.timers.set(Timer::Soak(slot), None);
        let old = match self.slots[slot.0 as usize].state {
            SlotState::Occupied(old) => Some(old),
            _ => None,
        };
        if self.rollout.as_ref().is_some_and(Rollout::is_recycling) {
            self.recycled();
        }
        if let (Some(old), Some(rollout)) = (old, &mut self.rollout) {
            rollout.leaving.insert(old);
            self.others.entry(slot).or_default().insert(old);
        }
        self.no_longer_other(slot, id);
        self.leave_queue(slot);
        let place = self.slot_mut(slot);
        place.state = SlotState::Occupied(id);
        place.release = release;
        place.after_exit = None;
        place.was_filled = true;
        place.tracker = RestartTracker::default();
        let old_pid = old.and_then(|old| self.workers.get(&old)).and_then(Worker::pid);
        self.publish_worker(id, Phase::Started, EventKind::Replaced { old: old.zip(old_pid) });
        if let Some(old) = old {
            self.worker_input(now, old, WorkerInput::ShutdownAsked { by });
        }
        if self.is_suspended(slot) {
            self.worker_input(now, id, WorkerInput::SuspendAsked);
        }
        self.slot_filled(slot);
        self.check_started();
    }

    fn canaries_stand(&mut self) {
        let Some(rollout) = &mut self.rollout else { return };
        rollout.stage = RolloutStage::Held(None);
        self.timers.set(Timer::Rollout, None);
        let canaries = rollout.replaced.len() as u32;
        let tickets = std::mem::take(&mut rollout.tickets);
        self.publish_app(EventKind::CanaryReady { workers: canaries });
        for ticket in tickets {
            self.answer(ticket, Verdict::Done);
        }
    }

    fn complete(&mut self) {
        let Some(Rollout { tickets, aim, stage, leaving, .. }) = self.rollout.take() else { return };
        self.timers.set(Timer::Rollout, None);
        match (stage, aim) {
            (RolloutStage::Back { failure, aborted_by }, _) => {
                let generation = self.current.generation;
                // Those too whose worker stays because none of the old generation could take its place.
                for index in 0..self.slots.len() {
                    if self.slots[index].release.generation != generation {
                        self.slot_mut(SlotIndex(index as u32)).release = self.current.clone();
                    }
                }
                self.publish_app(EventKind::ReloadRolledBack {
                    to: generation,
                    failure: Box::new(failure.clone()),
                });
                for ticket in tickets {
                    self.answer(ticket, Verdict::RolledBack(failure.clone()));
                }
                for ticket in aborted_by {
                    self.answer(ticket, Verdict::Done);
                }
                self.let_drain(Vec::new(), leaving);
            }
            (RolloutStage::Forward | RolloutStage::Held(_), Aim::Reload(release)) => {
                self.current = release.clone();
                self.everybody_is_of(&release);
                self.publish_app(EventKind::Committed { generation: release.generation });
                self.let_drain(tickets, leaving);
            }
            (RolloutStage::Forward | RolloutStage::Held(_), Aim::Renewal) => self.let_drain(tickets, leaving),
        }
        self.check_started();
    }

    /// Slots without a worker get theirs from this generation from now on.
    fn everybody_is_of(&mut self, release: &Release) {
        for index in 0..self.slots.len() {
            if !matches!(self.slots[index].state, SlotState::Occupied(_)) {
                self.slot_mut(SlotIndex(index as u32)).release = release.clone();
            }
        }
    }

    /// Who was created to take a place.
    pub(in super::super) fn incoming_created(&mut self, slot: SlotIndex, id: WorkerId) {
        self.changed.push(slot);
        self.others.entry(slot).or_default().insert(id);
        if let Some(incoming) = self.rollout.as_mut().and_then(|rollout| rollout.incoming.get_mut(&slot)) {
            incoming.at = ReplacementStep::Starting(id);
        }
    }
}

impl Rollout {
    fn has_its_canaries(&self) -> bool {
        let begun = self.replaced.len() + self.incoming.len();
        self.canary.is_some_and(|canary| begun >= canary as usize)
    }

    pub(in super::super) fn aims_at(&self, generation: Generation) -> bool {
        matches!(&self.aim, Aim::Reload(release) if release.generation == generation)
    }

    /// For how many the old one goes first.
    fn stopping(&self, surge: u32, unavailable: u32) -> u32 {
        match (surge, unavailable) {
            (0, _) => self.incoming.len() as u32,
            (_, 0) => 0,
            _ => self.incoming.values().filter(|incoming| incoming.stops_first).count() as u32,
        }
    }

    /// How many may be beside the old ones, and how many may be missing.
    fn bounds(&self, desired: u32) -> (u32, u32) {
        let unavailable = self.policy.max_unavailable.down(desired);
        match self.policy.order {
            UpdateOrder::StopFirst => (0, unavailable.max(1)),
            UpdateOrder::StartFirst => {
                let surge = self.policy.max_surge.up(desired);
                (if surge == 0 && unavailable == 0 { 1 } else { surge }, unavailable)
            }
        }
    }
}
