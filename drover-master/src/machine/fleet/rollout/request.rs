//! What begins a rollout, and what becomes of one that is held.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::{Aim, Drain, Release, ReloadFailure, Rollout, RolloutStage};
use crate::config::AppSpec;
use crate::config::{Kind, UpdatePolicy};
use crate::ids::{SlotIndex, TicketId, WorkerId};
use crate::machine::deadlines::after;
use crate::machine::fleet::waiting::WaitingRequest;
use crate::machine::fleet::{EventKind, Fleet, SlotState, Target, Timer, Verdict};
use crate::machine::gate::{DenyReason, Doing};

/// What a reload is to bring about.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct ReloadPlan {
    /// What the new workers live by, if the app is described otherwise than before; its generation is newer than every other.
    pub release: Release,
    /// How to go about it; none: as the new workers' description says.
    pub policy: Option<UpdatePolicy>,
    /// Replace this many, then wait for a promotion or an abort.
    pub canary: Option<u32>,
    /// Whether the app is described otherwise than before. Else the new workers live by what it is described by when their turn
    /// comes: a reload before this one may have brought something else.
    pub is_new: bool,
}

impl ReloadPlan {
    /// How many generations may live at once.
    pub(in super::super) fn max_generations(&self, current: &AppSpec) -> u32 {
        let spec = if self.is_new { &self.release.spec } else { current };
        self.policy.as_ref().unwrap_or(&spec.update).max_generations
    }
}

impl Fleet {
    pub(in super::super) fn reload_requested(
        &mut self,
        now: Instant,
        ticket: TicketId,
        reload: ReloadPlan,
        by: &Arc<str>,
    ) {
        // The number may have been given out by a master that this one succeeds.
        self.newest = self.newest.max(reload.release.generation);
        match self.doing {
            Doing::Idle if reload.is_new => {
                self.current = reload.release;
                return self.answer(ticket, Verdict::Done);
            }
            Doing::Idle => return self.answer(ticket, Verdict::Denied(DenyReason::NotRunning)),
            Doing::Stopping | Doing::Killing => {
                return self.answer(ticket, Verdict::Denied(DenyReason::ShuttingDown));
            }
            Doing::Starting | Doing::Started => {}
        }
        match (self.is_cron(), reload.release.spec.kind == Kind::Cron) {
            (true, true) if reload.is_new => return self.take_description(ticket, reload.release, by),
            (false, false) => {}
            _ => return self.answer(ticket, Verdict::Denied(DenyReason::Cron)),
        }
        if self.current.spec.kind == Kind::Oneshot || reload.release.spec.kind == Kind::Oneshot {
            return self.answer(ticket, Verdict::Denied(DenyReason::Oneshot));
        }
        if self.slots.iter().any(|slot| slot.suspended) {
            return self.answer(ticket, Verdict::Denied(DenyReason::Suspended));
        }
        self.wait_or_begin(
            now,
            WaitingRequest::Reload { tickets: vec![ticket], reload: Box::new(reload), by: Arc::clone(by) },
        );
    }

    /// Replaces some workers by others of their own generation, as a reload would.
    pub(in super::super) fn renewal_requested(
        &mut self,
        now: Instant,
        ticket: TicketId,
        target: Target,
        by: &Arc<str>,
    ) {
        let slots = match (self.doing, self.slots_of(target)) {
            (Doing::Idle, _) => return self.answer(ticket, Verdict::Denied(DenyReason::NotRunning)),
            (Doing::Stopping | Doing::Killing, _) => {
                return self.answer(ticket, Verdict::Denied(DenyReason::ShuttingDown));
            }
            (_, Err(reason)) => return self.answer(ticket, Verdict::Denied(reason)),
            (Doing::Starting | Doing::Started, Ok(slots)) => slots,
        };
        match self.current.spec.kind {
            Kind::Service => {}
            Kind::Oneshot => return self.answer(ticket, Verdict::Denied(DenyReason::Oneshot)),
            Kind::Cron => return self.answer(ticket, Verdict::Denied(DenyReason::Cron)),
        }
        if slots.iter().any(|slot| self.slots[slot.0 as usize].suspended) {
            return self.answer(ticket, Verdict::Denied(DenyReason::Suspended));
        }
        self.call_off_recycling(now, by);
        if self.is_busy() || self.rollout.is_some() {
            return self.answer(ticket, Verdict::Denied(DenyReason::Changing));
        }
        let slots: BTreeSet<SlotIndex> =
            slots.into_iter().filter(|slot| self.may_be_replaced(*slot)).collect();
        let policy = self.current.spec.update.clone();
        // Each leaves some behind that drain, all of one generation: who does not wait would pile them up.
        if self.drains.len() >= policy.max_generations.max(2) as usize {
            return self.answer(ticket, Verdict::Denied(DenyReason::Draining));
        }
        self.begin_rollout(now, vec![ticket], Aim::Renewal, policy, None, slots, by);
    }

    pub(in super::super) fn begin_reload(
        &mut self,
        now: Instant,
        tickets: Vec<TicketId>,
        reload: ReloadPlan,
        by: &Arc<str>,
    ) {
        // It waited, and they were suspended meanwhile.
        if self.slots.iter().any(|slot| slot.suspended) {
            for ticket in tickets {
                self.answer(ticket, Verdict::Denied(DenyReason::Suspended));
            }
            return;
        }
        let ReloadPlan { mut release, policy, canary, is_new } = reload;
        if let Some(reload) = self.current.spec.reload.filter(|_| !is_new) {
            // The workers stay, so there are no new ones to be a canary; and what is held has both.
            let denied = match (canary, self.is_held()) {
                (Some(_), _) => Some(DenyReason::ReloadsItself),
                (None, true) => Some(DenyReason::HeldReload),
                (None, false) => None,
            };
            return match denied {
                Some(reason) => {
                    tickets.into_iter().for_each(|ticket| self.answer(ticket, Verdict::Denied(reason)));
                }
                None => self.begin_self_reload(now, tickets, reload.signal, by),
            };
        }
        if !is_new {
            release.spec = Arc::clone(&self.current.spec);
        }
        let policy = policy.unwrap_or_else(|| release.spec.update.clone());
        let pending = self.members().into_iter().filter(|slot| self.may_be_replaced(*slot)).collect();
        let (from, to) = (self.current.generation, release.generation);
        self.publish_app(EventKind::ReloadStarted { from, to, by: Arc::clone(by) });
        self.begin_rollout(now, tickets, Aim::Reload(release), policy, canary, pending, by);
    }

    #[expect(clippy::too_many_arguments, reason = "they are the fields of what is made here, in one place")]
    pub(in super::super) fn begin_rollout(
        &mut self,
        now: Instant,
        tickets: Vec<TicketId>,
        aim: Aim,
        policy: UpdatePolicy,
        canary: Option<u32>,
        pending: BTreeSet<SlotIndex>,
        by: &Arc<str>,
    ) {
        // One that was held is left as it stands: its slots are among those that are replaced now.
        if let Some(held) = self.rollout.take() {
            self.let_drain(Vec::new(), held.leaving);
        }
        self.timers.set(Timer::Rollout, Some(after(now, policy.timeout)));
        self.rollout = Some(Rollout {
            tickets,
            by: Arc::clone(by),
            policy,
            aim,
            stage: RolloutStage::Forward,
            pending,
            incoming: BTreeMap::new(),
            replaced: BTreeSet::new(),
            returning: BTreeSet::new(),
            leaving: BTreeSet::new(),
            canary,
            recycles: None,
        });
    }

    /// What was stopped by request, or leaves its slot already, is left alone; so is the work of a oneshot that is completed.
    /// A service whose worker left with a success gets one again: whoever reloads it is promised a whole generation.
    pub(in super::super) fn may_be_replaced(&self, slot: SlotIndex) -> bool {
        self.slots.get(slot.0 as usize).is_some_and(|slot| {
            slot.is_member()
                && slot.after_exit.is_none()
                && slot.state != SlotState::Held
                && (slot.state != SlotState::Completed || slot.release.spec.kind == Kind::Service)
        })
    }

    /// Whether other policies may be taken over now.
    pub fn may_adjust(&self) -> bool {
        // What is replaced because it has served enough gives way.
        self.rollout.as_ref().is_none_or(Rollout::is_recycling)
            && !self.waiting.iter().any(|waiting| matches!(waiting, WaitingRequest::Reload { .. }))
    }

    pub(in super::super) fn adjustment_requested(
        &mut self,
        now: Instant,
        ticket: TicketId,
        release: Release,
    ) {
        if !self.may_adjust() {
            return self.answer(ticket, Verdict::Denied(DenyReason::Reloading));
        }
        self.call_off_recycling(now, &"other policies".into());
        self.current = release;
        let current = self.current.clone();
        for slot in &mut self.slots {
            slot.release = current.clone();
        }
        for worker in self.workers.values_mut() {
            if worker.identity().generation == current.generation {
                worker.adjust(Arc::clone(&current.spec));
            }
        }
        self.watch_all(now);
        self.answer(ticket, Verdict::Done);
    }

    pub(in super::super) fn promotion_requested(&mut self, now: Instant, ticket: TicketId, by: &Arc<str>) {
        let Some(rollout) = self.rollout.as_mut().filter(|rollout| !rollout.is_recycling()) else {
            return self.answer(ticket, Verdict::Denied(DenyReason::NoRollout));
        };
        match &rollout.stage {
            RolloutStage::Back { .. } => {
                return self.answer(ticket, Verdict::Denied(DenyReason::RollingBack));
            }
            RolloutStage::Forward => rollout.canary = None,
            RolloutStage::Held(_) => {
                rollout.stage = RolloutStage::Forward;
                rollout.canary = None;
                let at = after(now, rollout.policy.timeout);
                self.timers.set(Timer::Rollout, Some(at));
                self.publish_app(EventKind::Promoted { by: Arc::clone(by) });
                self.await_stragglers();
            }
        }
        if let Some(rollout) = &mut self.rollout {
            rollout.tickets.push(ticket);
        }
    }

    /// Slots that were started while the rollout was held, which did not know of them.
    fn await_stragglers(&mut self) {
        let Some(Aim::Reload(release)) = self.rollout.as_ref().map(|rollout| rollout.aim.clone()) else {
            return;
        };
        let is_old = |slot: &SlotIndex| self.slots[slot.0 as usize].release.generation != release.generation;
        let pending = self.members().into_iter().filter(is_old).collect();
        if let Some(rollout) = &mut self.rollout {
            rollout.pending = pending;
        }
    }

    pub(in super::super) fn abort_requested(&mut self, now: Instant, ticket: TicketId, by: &Arc<str>) {
        let Some(rollout) = self.rollout.as_mut().filter(|rollout| !rollout.is_recycling()) else {
            return self.answer(ticket, Verdict::Denied(DenyReason::NoRollout));
        };
        if let RolloutStage::Back { aborted_by, .. } = &mut rollout.stage {
            return aborted_by.push(ticket);
        }
        let failure = ReloadFailure::Aborted { by: Arc::clone(by) };
        match rollout.aim {
            Aim::Reload(_) => self.roll_back(now, failure, vec![ticket]),
            Aim::Renewal => {
                self.give_up_renewal(now, failure);
                self.answer(ticket, Verdict::Done);
            }
        }
    }

    /// Somebody may wait until these are gone.
    pub(in super::super) fn let_drain(&mut self, tickets: Vec<TicketId>, leaving: BTreeSet<WorkerId>) {
        let stuck =
            leaving.iter().filter_map(|id| self.workers.get(id)).find(|worker| worker.is_unkillable());
        let tickets = match stuck.map(|worker| worker.pid().unwrap_or(0)) {
            None => tickets,
            Some(pid) => {
                tickets.into_iter().for_each(|ticket| self.answer(ticket, Verdict::Unkillable { pid }));
                Vec::new()
            }
        };
        self.drains.push(Drain { tickets, leaving });
        self.answer_drained();
    }

    pub(in super::super) fn answer_drained(&mut self) {
        let over = self.drains.extract_if(.., |drain| drain.leaving.is_empty());
        let tickets: Vec<TicketId> = over.flat_map(|drain| drain.tickets).collect();
        for ticket in tickets {
            self.answer(ticket, Verdict::Done);
        }
    }
}
