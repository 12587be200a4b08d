//! Reloads and changes of scale that wait until the one before them is through.
//!
//! One of each kind waits at the most. A newer one takes the place of one that waits: its caller is told. Two reloads that
//! would do the same become one. Whatever waits is answered by the end of the app at the latest.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::rollout::{ReloadPlan, Rollout, RolloutStage};
use super::self_reload::SelfReload;
use super::{Count, Fleet, Timer, Verdict};
use crate::ids::{Generation, TicketId};
use crate::machine::gate::Doing;

/// What waits.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) enum WaitingRequest {
    Reload { tickets: Vec<TicketId>, reload: Box<ReloadPlan>, by: Arc<str> },
    Scale { ticket: TicketId, count: Count, by: Arc<str> },
}

impl Fleet {
    pub(super) fn wait_or_begin(&mut self, now: Instant, mut newer: WaitingRequest) {
        let same_kind =
            |older: &WaitingRequest| std::mem::discriminant(older) == std::mem::discriminant(&newer);
        if let Some(at) = self.waiting.iter().position(same_kind)
            && let Some(older) = self.waiting.remove(at)
        {
            match (older, &mut newer) {
                (
                    WaitingRequest::Reload { tickets: older, reload: old, .. },
                    WaitingRequest::Reload { tickets, reload, .. },
                ) if !old.is_new
                    && !reload.is_new
                    && old.canary == reload.canary
                    && old.policy == reload.policy =>
                {
                    tickets.extend(older);
                }
                (
                    WaitingRequest::Reload { tickets, .. },
                    WaitingRequest::Reload { by, .. } | WaitingRequest::Scale { by, .. },
                ) => {
                    let verdict = Verdict::Interrupted { by: Arc::clone(by) };
                    tickets.into_iter().for_each(|ticket| self.answer(ticket, verdict.clone()));
                }
                (
                    WaitingRequest::Scale { ticket, .. },
                    WaitingRequest::Reload { by, .. } | WaitingRequest::Scale { by, .. },
                ) => {
                    self.answer(ticket, Verdict::Interrupted { by: Arc::clone(by) });
                }
            }
        }
        self.waiting.push_back(newer);
        self.begin_waiting(now);
    }

    /// Lets in what waits, the oldest first.
    pub(super) fn begin_waiting(&mut self, now: Instant) {
        while let Some(next) = self.waiting.front() {
            if self.must_wait(next) {
                return;
            }
            match self.waiting.pop_front() {
                Some(WaitingRequest::Reload { tickets, reload, by }) => {
                    self.begin_reload(now, tickets, *reload, &by)
                }
                Some(WaitingRequest::Scale { ticket, count, by }) => {
                    self.begin_scale(now, ticket, count, &by)
                }
                None => {}
            }
        }
    }

    fn must_wait(&self, next: &WaitingRequest) -> bool {
        match next {
            WaitingRequest::Reload { reload, .. } => {
                // What is held waits for a word, not for a drain.
                self.is_busy()
                    || !self.is_held()
                        && self.generations() > reload.max_generations(&self.current.spec).max(2) as usize
            }
            WaitingRequest::Scale { .. } => self.rollout.as_ref().is_some_and(Rollout::is_active),
        }
    }

    /// What waits and for what, for people.
    pub(super) fn queued(&self) -> Option<String> {
        let (what, generations) = match self.waiting.front() {
            Some(WaitingRequest::Reload { reload, .. }) => {
                ("a reload", reload.max_generations(&self.current.spec).max(2))
            }
            // It waits for nothing but what is under way.
            Some(WaitingRequest::Scale { .. }) => ("a change of scale", 2),
            // It is done but for the old workers, and somebody waits for them.
            None if self.drains.iter().any(|drain| !drain.tickets.is_empty()) => {
                return Some("the old workers of the last change still drain".to_owned());
            }
            None => return None,
        };
        let name = self.operation_name().filter(|_| self.is_busy());
        Some(match name {
            Some(name) => format!("{what} waits for the end of the {name} under way"),
            None => format!(
                "{what} waits until old workers are gone, since no more than {generations} generations may live (update.max_generations)"
            ),
        })
    }

    /// Whether something changes the app already.
    pub(super) fn is_busy(&self) -> bool {
        !self.operations.is_empty()
            || self.rollout.as_ref().is_some_and(Rollout::is_active)
            || self.self_reload.is_some()
    }

    /// Whether a rollout waits for somebody to decide.
    pub(super) fn is_held(&self) -> bool {
        self.rollout.as_ref().is_some_and(|rollout| !rollout.is_active())
    }

    /// How many generations live once the next one has begun: what serves, what is to come, and what drains.
    fn generations(&self) -> usize {
        let draining =
            self.drains.iter().flat_map(|drain| &drain.leaving).filter_map(|id| self.workers.get(id));
        // Nobody waits for what outlived SIGKILL.
        let draining = draining.filter(|worker| !worker.is_unkillable());
        2 + draining.map(|worker| worker.identity().generation).collect::<BTreeSet<_>>().len()
    }

    /// The app ends.
    pub(super) fn interrupt_waiting(&mut self, by: &Arc<str>) {
        let verdict = Verdict::Interrupted { by: Arc::clone(by) };
        let waiting = std::mem::take(&mut self.waiting).into_iter().flat_map(|waiting| match waiting {
            WaitingRequest::Reload { tickets, .. } => tickets,
            WaitingRequest::Scale { ticket, .. } => vec![ticket],
        });
        let drained = std::mem::take(&mut self.drains).into_iter().flat_map(|drain| drain.tickets);
        let mut tickets: Vec<TicketId> = waiting.chain(drained).collect();
        tickets.extend(self.self_reload.take().into_iter().flat_map(SelfReload::into_tickets));
        if let Some(rollout) = self.rollout.take() {
            tickets.extend(rollout.tickets);
            if let RolloutStage::Back { aborted_by, .. } = rollout.stage {
                tickets.extend(aborted_by);
            }
            for slot in rollout.incoming.keys() {
                self.timers.set(Timer::Soak(*slot), None);
            }
            self.timers.set(Timer::Rollout, None);
        }
        for ticket in tickets {
            self.answer(ticket, verdict.clone());
        }
    }

    /// Whether workers of this generation live, or may still be started.
    pub fn uses(&self, generation: Generation) -> bool {
        let waits = || {
            self.waiting.iter().any(|waiting| match waiting {
                WaitingRequest::Reload { reload, .. } => reload.release.generation == generation,
                WaitingRequest::Scale { .. } => false,
            })
        };
        let aims = || self.rollout.as_ref().is_some_and(|rollout| rollout.aims_at(generation));
        let runs = || {
            self.doing != Doing::Idle && self.slots.iter().any(|slot| slot.release.generation == generation)
        };
        // The slots last, which are many. It comes to them only for a generation that is over, or all but over.
        self.current.generation == generation
            || self.living.contains_key(&generation)
            || aims()
            || waits()
            || runs()
    }
}
