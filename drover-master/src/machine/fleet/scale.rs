//! More or fewer workers.
//!
//! ```text
//!            newcomers queued          every one is ready
//!  Growth ──────────────────► waiting ───────────────────► done: the app is larger
//!                                │ one failed before it was ready
//!                                └─────────────────────► every newcomer is retired: the app is as it was
//!
//!               victims drain             every one is gone
//!  Shrinkage ─────────────────► waiting ──────────────────► done; the app is smaller from the first moment on
//! ```
//!
//! A newer request takes the place of the one that is under way: what that has done so far is where it begins. Slots keep
//! their numbers; what has become free is filled first when the app grows again.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::operation::{Growth, Operation, SlotsGoal};
use super::slot::AfterExit;
use super::waiting::WaitingRequest;
use super::{EventKind, Fleet, Slot, SlotState, StartFailure, Verdict};
use crate::config::MAX_WORKERS;
use crate::ids::{SlotIndex, TicketId};
use crate::machine::gate::{DenyReason, Doing, SlotRequest};
use crate::machine::phase::Phase;
use crate::machine::worker::{Worker, WorkerInput};

/// Whoever asks the other newcomers to leave when one has failed.
const FAILED_NEWCOMER: &str = "a newcomer that failed";

/// Of how many slots that the app has lost the past is kept. More than anybody looks at; some 10 KiB each at most.
const PAST: usize = 64;

/// How many workers there are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Count {
    /// This many.
    To(u32),
    /// This many more, or fewer.
    By(i32),
}

impl Fleet {
    pub(super) fn scale_requested(&mut self, now: Instant, ticket: TicketId, count: Count, by: &Arc<str>) {
        if self.is_cron() {
            return self.answer(ticket, Verdict::Denied(DenyReason::Cron));
        }
        if let Err(reason) = self.admit_scale(count) {
            return self.answer(ticket, Verdict::Denied(reason));
        }
        self.wait_or_begin(now, WaitingRequest::Scale { ticket, count, by: Arc::clone(by) });
    }

    pub(super) fn begin_scale(&mut self, now: Instant, ticket: TicketId, count: Count, by: &Arc<str>) {
        let from = self.members as u32;
        let to = match self.admit_scale(count) {
            Ok(to) if to == from => return self.join_scale(ticket, count),
            Ok(to) => to,
            Err(reason) => return self.answer(ticket, Verdict::Denied(reason)),
        };
        let victims = self.victims(from.saturating_sub(to) as usize);
        if let Some(slot) = victims.iter().copied().find(|slot| self.is_waited_for(*slot)) {
            return self.answer(ticket, Verdict::Denied(DenyReason::Queued { slot }));
        }
        let superseded = |operation: &Operation| !matches!(operation.wanted, SlotsGoal::Slots(_));
        self.answer_operations(superseded, &Verdict::Interrupted { by: Arc::clone(by) });
        self.publish_app(EventKind::Scaling { from, to, by: Arc::clone(by) });
        let (wanted, waits_for) = if to > from {
            let brought_back = self.bring_back(count);
            let newcomers = self.grow(to - from);
            let waits_for = newcomers.iter().copied().chain(brought_back).collect();
            (SlotsGoal::Growth(Growth { from, newcomers }), waits_for)
        } else {
            (SlotsGoal::Shrinkage { from }, self.retire(now, &victims, by))
        };
        let waits_for = if self.doing == Doing::Idle { BTreeSet::new() } else { waits_for };
        if let Some(pid) = waits_for.iter().find_map(|slot| self.unkillable_in(*slot)) {
            // It leaves with its slot as soon as the kernel lets go; nobody waits for that.
            return self.answer(ticket, Verdict::Unkillable { pid });
        }
        self.operations.push(Operation { ticket, wanted, waits_for });
        self.answer_done();
        self.check_started();
    }

    fn admit_scale(&self, count: Count) -> Result<u32, DenyReason> {
        match self.doing {
            Doing::Idle | Doing::Started if self.is_held() => return Err(DenyReason::HeldReload),
            Doing::Idle | Doing::Started => {}
            Doing::Starting => return Err(DenyReason::Starting),
            Doing::Stopping | Doing::Killing => return Err(DenyReason::ShuttingDown),
        }
        let to = match count {
            Count::To(to) => Some(to),
            Count::By(by) => (self.members as u32).checked_add_signed(by),
        };
        to.filter(|to| (1..=MAX_WORKERS).contains(to)).ok_or(DenyReason::Count { max: MAX_WORKERS })
    }

    /// Whoever names a number is promised that many workers that are ready: slots that were left, given up or stopped are
    /// filled again. Whoever asks for more or fewer says nothing of the others.
    fn bring_back(&mut self, count: Count) -> Vec<SlotIndex> {
        let missing = match count {
            Count::To(_) if self.doing == Doing::Started => self.missing(),
            Count::To(_) | Count::By(_) => Vec::new(),
        };
        missing.iter().for_each(|slot| self.refill(*slot));
        missing
    }

    /// It is to be as it is, or is on its way to it.
    fn join_scale(&mut self, ticket: TicketId, count: Count) {
        let brought_back = self.bring_back(count);
        if !brought_back.is_empty() {
            let wanted = SlotsGoal::Slots(SlotRequest::Start);
            let waits_for = brought_back.into_iter().collect();
            return self.operations.push(Operation { ticket, wanted, waits_for });
        }
        let under_way =
            self.operations.iter().find(|operation| !matches!(operation.wanted, SlotsGoal::Slots(_)));
        match under_way.map(|operation| (operation.wanted.clone(), operation.waits_for.clone())) {
            Some((wanted, waits_for)) => self.operations.push(Operation { ticket, wanted, waits_for }),
            None => self.answer(ticket, Verdict::Done),
        }
    }

    /// Makes room: what was retired first, then beyond the last.
    fn grow(&mut self, count: u32) -> Vec<SlotIndex> {
        let count = count as usize;
        let retired = |slot: &&Slot| slot.state == SlotState::Retired;
        let mut newcomers: Vec<SlotIndex> =
            self.slots.iter().filter(retired).map(|slot| slot.index).take(count).collect();
        while newcomers.len() < count {
            let slot = SlotIndex(self.slots.len() as u32);
            self.slots.push(Slot::new(slot, self.current.clone()));
            newcomers.push(slot);
        }
        self.members += count;
        for &slot in &newcomers {
            let release = self.current.clone();
            let past = self.past.remove(&slot).unwrap_or_default();
            self.slot_mut(slot).reset(release);
            self.slot_mut(slot).history = past;
            if self.doing == Doing::Started {
                self.enqueue(slot);
            }
        }
        newcomers
    }

    /// The least useful workers first: what does not run, then what is not ready, then of an older generation, then the least busy, then
    /// the youngest.
    fn victims(&self, count: usize) -> Vec<SlotIndex> {
        let mut members: Vec<&Slot> = self.slots.iter().filter(|slot| slot.is_member()).collect();
        members.sort_by_key(|slot| self.worth(slot));
        members.into_iter().take(count).map(|slot| slot.index).collect()
    }

    /// Whether connections wait in a slot's own queue that it will not take before it leaves: who serves does.
    fn is_waited_for(&self, slot: SlotIndex) -> bool {
        let serves = match self.slots[slot.0 as usize].state {
            SlotState::Occupied(id) => self.phase_of(id) == Phase::Started && !self.is_suspended(slot),
            _ => false,
        };
        !serves && self.queued.contains(&slot)
    }

    fn worth(&self, slot: &Slot) -> impl Ord + use<> {
        let worker = match slot.state {
            SlotState::Occupied(id) => self.workers.get(&id),
            _ => None,
        };
        let rank = match (slot.state, worker.map(Worker::is_ready)) {
            (SlotState::GivenUp | SlotState::Held | SlotState::Completed | SlotState::Empty, _) => 0,
            (_, None) => 1,
            (_, Some(true)) => 3,
            (_, Some(false)) => 2,
        };
        let generation = worker.map(|worker| worker.identity().generation);
        let in_flight = worker.and_then(|worker| worker.said_status().1).unwrap_or(0);
        let youngest_first = Reverse(worker.map(|worker| worker.identity().id));
        (rank, generation, in_flight, youngest_first, Reverse(slot.index))
    }

    /// Takes slots out of the app; the workers in them drain and leave. Tells which of them are not empty yet.
    fn retire(&mut self, now: Instant, slots: &[SlotIndex], by: &Arc<str>) -> BTreeSet<SlotIndex> {
        self.members -= slots.len();
        let mut leaving = BTreeSet::new();
        for &slot in slots {
            let waits_in_vain =
                |operation: &Operation| operation.wanted.fills() && operation.waits_for.contains(&slot);
            self.answer_operations(waits_in_vain, &Verdict::Interrupted { by: Arc::clone(by) });
            if let SlotState::Occupied(id) = self.slots[slot.0 as usize].state {
                leaving.insert(slot);
                self.slot_mut(slot).after_exit = Some(AfterExit::Retire);
                self.worker_input(now, id, WorkerInput::ShutdownAsked { by: Arc::clone(by) });
            } else {
                self.leave_queue(slot);
                self.retired(slot);
            }
        }
        leaving
    }

    /// A slot that the app does not have any more is empty.
    pub(super) fn retired(&mut self, slot: SlotIndex) {
        let release = self.current.clone();
        let history = std::mem::take(&mut self.slot_mut(slot).history);
        self.past.insert(slot, history);
        while self.past.len() > PAST {
            self.past.pop_last();
        }
        self.slot_mut(slot).reset(release);
        self.slot_mut(slot).state = SlotState::Retired;
        self.slot_emptied(slot);
    }

    /// Lets go of the retired slots at the end, once nothing speaks of them any more.
    pub(super) fn trim(&mut self) {
        while self.slots.last().is_some_and(|slot| slot.state == SlotState::Retired) {
            self.slots.pop();
        }
    }

    /// A newcomer, or one that was brought back with them, failed before it was ready: the app becomes what it was. Tells
    /// whether it was a newcomer, whose slot is gone with it.
    pub(super) fn scale_failed(&mut self, now: Instant, failure: &StartFailure) -> bool {
        let waits = |operation: &Operation| operation.waits_for.contains(&failure.slot);
        let concerned = self.operations.iter().find_map(|operation| match &operation.wanted {
            SlotsGoal::Growth(growth) if growth.newcomers.contains(&failure.slot) || waits(operation) => {
                Some(growth.clone())
            }
            _ => None,
        });
        let Some(Growth { from, newcomers }) = concerned else { return false };
        let grows = |operation: &Operation| matches!(operation.wanted, SlotsGoal::Growth(_));
        self.answer_operations(grows, &Verdict::StartFailed(failure.clone()));
        self.slot_failed(failure);
        self.publish_app(EventKind::RolledBack { to: from, failure: Box::new(failure.clone()) });
        let is_left = |slot: &SlotIndex| self.slots[slot.0 as usize].is_member();
        let was_newcomer = newcomers.contains(&failure.slot);
        let left: Vec<SlotIndex> = newcomers.into_iter().filter(is_left).collect();
        self.retire(now, &left, &FAILED_NEWCOMER.into());
        self.check_started();
        was_newcomer
    }

    /// The slots that the app should have.
    pub(super) fn members(&self) -> Vec<SlotIndex> {
        self.slots.iter().filter(|slot| slot.is_member()).map(|slot| slot.index).collect()
    }
}
