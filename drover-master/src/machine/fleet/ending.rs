//! How workers, slots and the app come to their ends.

use std::collections::btree_map;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::slot::AfterExit;
use super::{
    EventKind, ExitDecision, FAILED_START, Fleet, FleetAction, FleetEvent, Outcome, SlotState, StartFailure,
    Tenure, Timer, Verdict,
};
use crate::config::{OnStartFailure, RestartWhen};
use crate::ids::{SlotIndex, TicketId, WorkerId};
use crate::machine::deadlines;
use crate::machine::exit::Exit;
use crate::machine::gate::{self, Admission, Doing};
use crate::machine::phase::Phase;
use crate::machine::restart::{Decision, LeaveReason};
use crate::machine::worker::{Identity, Worker, WorkerInput};

impl Fleet {
    pub(super) fn end_requested(&mut self, now: Instant, ticket: TicketId, how: gate::Request, by: Arc<str>) {
        match gate::admit(self.doing, how) {
            Admission::Accept => {
                self.stop_tickets.push(ticket);
                let outcome = match how {
                    gate::Request::Kill => Outcome::Killed { by: Arc::clone(&by) },
                    gate::Request::Start | gate::Request::Shutdown | gate::Request::Hurry => {
                        Outcome::ShutDown { by: Arc::clone(&by) }
                    }
                };
                self.begin_end(now, how, by, outcome);
            }
            Admission::Join => self.stop_tickets.push(ticket),
            Admission::Ignore => self.answer(ticket, Verdict::Done),
            Admission::Deny(reason) => self.answer(ticket, Verdict::Denied(reason)),
        }
    }

    /// Ends every worker by the same path. The first outcome stays: what began the end is how it ended.
    fn begin_end(&mut self, now: Instant, how: gate::Request, by: Arc<str>, outcome: Outcome) {
        let first = !matches!(self.doing, Doing::Stopping | Doing::Killing);
        self.doing = if how == gate::Request::Kill { Doing::Killing } else { Doing::Stopping };
        if first {
            if !matches!(outcome, Outcome::StartFailed(_)) {
                for ticket in std::mem::take(&mut self.start_tickets) {
                    self.answer(ticket, Verdict::Interrupted { by: Arc::clone(&by) });
                }
            }
            self.outcome = Some(outcome);
            self.publish_app(EventKind::AppStopping { by: Arc::clone(&by) });
            self.interrupt_operations(&by);
            self.interrupt_waiting(&by);
            self.abandon_retries();
            self.recycle_no_more();
        } else if how == gate::Request::Kill && matches!(self.outcome, Some(Outcome::ShutDown { .. })) {
            self.outcome = Some(outcome);
        }
        let mut ids: Vec<WorkerId> = self.workers.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let by = Arc::clone(&by);
            let input = match how {
                gate::Request::Kill => WorkerInput::KillAsked { by },
                gate::Request::Hurry => WorkerInput::Hurried { by },
                gate::Request::Start | gate::Request::Shutdown => WorkerInput::ShutdownAsked { by },
            };
            self.worker_input(now, id, input);
        }
        if self.workers.is_empty() {
            self.finish_as_decided();
        }
    }

    /// A stop always beats a pending try.
    fn abandon_retries(&mut self) {
        self.queue.clear();
        for index in 0..self.slots.len() {
            let slot = SlotIndex(index as u32);
            let state = self.slots[index].state;
            // What was given up keeps showing that it failed.
            if !matches!(
                state,
                SlotState::Occupied(_) | SlotState::Empty | SlotState::GivenUp | SlotState::Retired
            ) {
                self.leave_queue(slot);
                self.slot_mut(slot).state = SlotState::Empty;
            }
        }
    }

    pub(super) fn worker_ended(&mut self, now: Instant, id: WorkerId) {
        let Some(worker) = self.workers.remove(&id) else { return };
        self.timers.set(Timer::Worker(id), None);
        self.timers.set(Timer::Health(id), None);
        self.recycling.forget(id);
        let (identity, pid, started) = (worker.identity(), worker.pid(), worker.started_at());
        if let btree_map::Entry::Occupied(mut living) = self.living.entry(identity.generation) {
            *living.get_mut() -= 1;
            if *living.get() == 0 {
                living.remove();
            }
        }
        let Some((exit, as_wished)) = worker.into_exit() else { return };
        let exit = Arc::new(exit);
        let tenure = self.tenure(id, identity.slot);
        if self.is_cron() {
            self.run_ended(now, &exit, as_wished);
        }
        let mut after_exit = None;
        if let Some(slot) = self.slots.get_mut(identity.slot.0 as usize) {
            slot.record(Arc::clone(&exit), as_wished);
            if tenure == Tenure::Occupant {
                slot.state = SlotState::Undecided { ended: id, proposed: None };
                after_exit = slot.after_exit.take();
            }
        }
        self.no_longer_other(identity.slot, id);
        self.changed.push(identity.slot);
        let phase = if as_wished { Phase::ShutDown } else { Phase::Failed };
        let kind = EventKind::Exited { exit: Arc::clone(&exit) };
        self.actions.push_back(FleetAction::Publish(FleetEvent {
            worker: Some((identity, pid)),
            phase,
            kind,
        }));
        self.actions.push_back(FleetAction::Forget { id });

        let was_ready = started.is_some();
        let failure = || StartFailure { slot: identity.slot, worker: id, exit: Arc::clone(&exit) };
        match (self.doing, after_exit) {
            (Doing::Starting | Doing::Started, _) if tenure == Tenure::Leaving => self.left(id),
            (Doing::Starting | Doing::Started, _) if tenure == Tenure::Incoming => {
                self.incoming_ended(now, failure());
            }
            (Doing::Stopping | Doing::Killing | Doing::Idle, _) => {
                if tenure == Tenure::Occupant {
                    self.slot_mut(identity.slot).state = SlotState::Empty;
                    self.slot_emptied(identity.slot);
                    if after_exit == Some(AfterExit::Retire) {
                        self.retired(identity.slot);
                    }
                }
                if self.workers.is_empty() && self.doing != Doing::Idle {
                    self.finish_as_decided();
                }
            }
            (Doing::Starting | Doing::Started, Some(after)) => self.asked_exit(identity.slot, after),
            (Doing::Starting | Doing::Started, None) if self.is_suspended(identity.slot) => {
                self.asked_exit(identity.slot, AfterExit::Hold);
            }
            (Doing::Starting | Doing::Started, None) if self.is_cron() => {
                self.after_run(&failure(), as_wished)
            }
            (Doing::Starting, None) if !was_ready && self.fails_the_start(identity.slot, as_wished) => {
                let failure = failure();
                self.begin_end(
                    now,
                    gate::Request::Shutdown,
                    FAILED_START.into(),
                    Outcome::StartFailed(failure),
                );
            }
            (Doing::Starting | Doing::Started, None) => {
                let failure = failure();
                if !was_ready && self.is_failed_start(identity.slot, as_wished) {
                    if self.scale_failed(now, &failure) {
                        return;
                    }
                    self.slot_failed(&failure);
                }
                if !as_wished && self.replaced_ended(now, &failure) {
                    return self.check_started();
                }
                let ready_for = started.map(|since| now.saturating_duration_since(since));
                self.decide(now, identity, exit, as_wished, ready_for);
            }
        }
    }

    fn fails_the_start(&self, slot: SlotIndex, as_wished: bool) -> bool {
        let spec = &self.slots[slot.0 as usize].release.spec;
        spec.start.on_failure == OnStartFailure::FailFast && self.is_failed_start(slot, as_wished)
    }

    /// Under `always` even a success is a failure if it comes before the worker was ready: it would be tried for ever.
    fn is_failed_start(&self, slot: SlotIndex, as_wished: bool) -> bool {
        !as_wished || self.slots[slot.0 as usize].release.spec.restart.when == RestartWhen::Always
    }

    fn decide(
        &mut self,
        now: Instant,
        worker: Identity,
        exit: Arc<Exit>,
        success: bool,
        ready_for: Option<Duration>,
    ) {
        let slot = &mut self.slots[worker.slot.0 as usize];
        let (spec, tracker) = (Arc::clone(&slot.release.spec), &mut slot.tracker);
        let proposed = tracker.decide(now, &spec.restart, &exit, success, ready_for, &mut self.rng);
        if self.has_hook {
            self.slot_mut(worker.slot).state =
                SlotState::Undecided { ended: worker.id, proposed: Some(proposed) };
            self.actions.push_back(FleetAction::AskPolicy { worker, exit, proposed: proposed.into() });
        } else {
            self.carry_out(now, worker, proposed);
        }
    }

    pub(super) fn exit_decided(&mut self, now: Instant, worker: Identity, decision: ExitDecision) {
        // The app may have lost the slot since.
        let Some(slot) = self.slots.get_mut(worker.slot.0 as usize) else { return };
        let proposed = match slot.state {
            SlotState::Undecided { ended, proposed } if ended == worker.id => proposed,
            // What was asked is settled since, perhaps by the end of the app, and must not decide on another worker.
            _ => return,
        };
        // A hook that keeps to the proposal keeps its reason too.
        let kept = proposed.filter(|proposed| ExitDecision::from(*proposed) == decision);
        let decided = kept.unwrap_or_else(|| decision.into());
        let is_try = |decision| matches!(decision, Decision::Restart { .. });
        if is_try(decided) && !proposed.is_some_and(is_try) {
            slot.tracker.count_try();
        }
        self.carry_out(now, worker, decided);
    }

    fn carry_out(&mut self, now: Instant, worker: Identity, decision: Decision) {
        let Identity { slot: index, id: ended, .. } = worker;
        match decision {
            Decision::Restart { after } => {
                let attempt = self.slots[index.0 as usize].tracker.attempt();
                if after.is_zero() {
                    self.enqueue(index);
                } else {
                    self.wait_for_retry(index, deadlines::after(now, after));
                }
                self.publish_slot(index, Phase::BackingOff, EventKind::RestartScheduled { after, attempt });
            }
            Decision::Leave(LeaveReason::Completed) => {
                self.slot_mut(index).state = SlotState::Completed;
                self.counts.completed += 1;
                self.slot_filled(index);
                self.check_started();
            }
            Decision::Leave(reason) => {
                self.slot_mut(index).state = SlotState::GivenUp;
                self.counts.given_up += 1;
                self.gave_up_for = reason;
                self.publish_slot(index, Phase::Failed, EventKind::GaveUp { reason });
                self.given_up(index, ended);
                self.check_started();
            }
            Decision::StopApp(reason) | Decision::StopAll(reason) => {
                let stop_all = matches!(decision, Decision::StopAll(_));
                self.slot_mut(index).state = SlotState::GivenUp;
                self.counts.given_up += 1;
                self.publish_slot(index, Phase::Failed, EventKind::GaveUp { reason });
                let by = if reason == LeaveReason::Hook { "the policy hook" } else { "the restart limit" };
                self.begin_end(now, gate::Request::Shutdown, by.into(), Outcome::Failed { reason, stop_all });
            }
        }
    }

    /// Nobody waits for a worker in a slot that is not tried any more.
    fn given_up(&mut self, slot: SlotIndex, ended: WorkerId) {
        if let Some(exit) = self.slots[slot.0 as usize].last_exit() {
            let failure = StartFailure { slot, worker: ended, exit: Arc::clone(exit) };
            self.slot_failed(&failure);
        }
    }

    fn publish_slot(&mut self, slot: SlotIndex, phase: Phase, kind: EventKind) {
        let generation = self.slots[slot.0 as usize].release.generation;
        let identity = Identity { slot, generation, id: WorkerId(0) };
        let event = FleetEvent { worker: Some((identity, None)), phase, kind };
        self.actions.push_back(FleetAction::Publish(event));
    }

    fn finish_as_decided(&mut self) {
        let outcome = self.outcome.clone().unwrap_or(Outcome::Completed);
        self.finish(outcome);
    }

    /// Nobody waits for a process that outlived SIGKILL: once only such processes keep an operation from its end, with
    /// nothing that is due or under way, it is answered.
    pub(super) fn answer_if_stuck(&mut self) {
        let nobody_waits = self.start_tickets.is_empty() && self.stop_tickets.is_empty();
        if nobody_waits || self.timers.next().is_some() || self.counts.creating > 0 || self.is_deciding() {
            return;
        }
        if self.workers.values().any(Worker::is_dead) {
            // Its exit is under way.
            return;
        }
        let Some(stuck) = self.workers.values().find(|worker| worker.is_unkillable()) else { return };
        let pid = stuck.pid().unwrap_or(0);
        for ticket in self.start_tickets.drain(..).chain(self.stop_tickets.drain(..)) {
            self.actions.push_back(FleetAction::Answer { ticket, verdict: Verdict::Unkillable { pid } });
        }
    }

    fn is_deciding(&self) -> bool {
        self.has_hook && self.slots.iter().any(|slot| matches!(slot.state, SlotState::Undecided { .. }))
    }

    /// Nothing is left; everybody who waits is answered.
    pub(super) fn finish(&mut self, outcome: Outcome) {
        self.doing = Doing::Idle;
        self.outcome = Some(outcome.clone());
        self.interrupt_waiting(&outcome.to_string().into());
        self.recycle_no_more();
        self.publish_app(EventKind::AppEnded { outcome: Box::new(outcome.clone()) });
        for ticket in std::mem::take(&mut self.start_tickets) {
            let verdict = match &outcome {
                Outcome::StartFailed(failure) => Verdict::StartFailed(failure.clone()),
                Outcome::Completed
                | Outcome::ShutDown { .. }
                | Outcome::Killed { .. }
                | Outcome::Failed { .. } => Verdict::Interrupted { by: outcome.to_string().into() },
            };
            self.answer(ticket, verdict);
        }
        for ticket in std::mem::take(&mut self.stop_tickets) {
            self.answer(ticket, Verdict::Done);
        }
        debug_assert!(
            self.operations.is_empty(),
            "an end leaves nothing in any slot, and nobody waiting for one"
        );
        self.actions.push_back(FleetAction::End(outcome));
    }
}
