//! What happens to one worker: its machine takes it, and the slot and the app take what follows from it.

use std::sync::Arc;
use std::time::Instant;

use super::{EventKind, Fleet, FleetAction, Tenure, Timer};
use crate::ids::WorkerId;
use crate::machine::phase::Phase;
use crate::machine::worker::{WorkerAction, WorkerInput, WorkerReport};

impl Fleet {
    pub(super) fn worker_input(&mut self, now: Instant, id: WorkerId, input: WorkerInput) {
        let Some(worker) = self.workers.get_mut(&id) else {
            self.dropped += 1;
            return;
        };
        let facts = match &input {
            WorkerInput::Spawned { .. } => Some(EventKind::Spawned),
            WorkerInput::Connected => Some(EventKind::Handshaken),
            WorkerInput::Disconnected if !worker.is_ending() => Some(EventKind::Disconnected),
            WorkerInput::ProtocolBroken { trouble } => {
                Some(EventKind::ProtocolBroken { trouble: Arc::clone(trouble) })
            }
            WorkerInput::NoticeRefused { trouble } => {
                Some(EventKind::NotifyRefused { trouble: Arc::clone(trouble) })
            }
            WorkerInput::HandshakeRefused { trouble } if !worker.is_ending() => {
                Some(EventKind::HandshakeRefused { trouble: Arc::clone(trouble) })
            }
            _ => None,
        };
        let has_said_how_it_is =
            matches!(&input, WorkerInput::Said { said: WorkerReport::Status { .. }, .. });
        let before = worker.phase();
        let was_ready = worker.is_ready();
        let was_timed = worker.is_timed();
        let mut actions = Vec::new();
        worker.handle(now, input, &mut actions);
        let after = worker.phase();
        let is_ready = worker.is_ready();
        let slot = worker.identity().slot;
        self.timers.set(Timer::Worker(id), worker.deadline());
        self.timers.set(Timer::Health(id), worker.next_try());
        self.counts.timed = self.counts.timed + usize::from(worker.is_timed()) - usize::from(was_timed);
        self.count((before, was_ready), (after, is_ready));
        self.changed.push(slot);
        if let Some(kind) = facts {
            self.publish_fact(now, id, after, kind);
        }
        for action in actions {
            self.worker_action(now, id, action);
        }
        if has_said_how_it_is {
            self.check_requests(id);
        }
        if after == Phase::Started && before != after {
            self.watch(now, id);
        }
        match after {
            Phase::ShutDown | Phase::Failed => {
                self.out_of_order.remove(&id);
                self.publish_repeated(id);
                self.worker_ended(now, id);
            }
            Phase::Stopped if before != after && self.tenure(id, slot) == Tenure::Occupant => {
                self.slot_suspended(slot);
                self.check_started();
            }
            Phase::Started if before != after => match self.tenure(id, slot) {
                Tenure::Occupant => {
                    self.slot_filled(slot);
                    self.check_started();
                }
                Tenure::Incoming => self.incoming_ready(now, slot, id),
                Tenure::Leaving => {}
            },
            _ => {}
        }
    }

    fn worker_action(&mut self, now: Instant, id: WorkerId, action: WorkerAction) {
        match action {
            WorkerAction::ReportPhase { from, to } => {
                self.publish_worker(id, to, EventKind::Entered { from })
            }
            WorkerAction::ReportOutOfOrder { said, during } => self.publish_out_of_order(id, during, said),
            WorkerAction::ReportDeadline { missed } => {
                let phase = self.phase_of(id);
                self.publish_worker(id, phase, EventKind::DeadlineMissed { missed });
            }
            WorkerAction::ReportNotReady { why } => {
                let phase = self.phase_of(id);
                self.publish_worker(id, phase, EventKind::NotReady { why });
            }
            WorkerAction::ReportRefused { why } => {
                let phase = self.phase_of(id);
                self.publish_worker(id, phase, EventKind::Refused { why });
            }
            WorkerAction::ReportReloaded => self.publish_worker(id, Phase::Started, EventKind::Reloaded),
            WorkerAction::ReportNotReloaded { why } => {
                let phase = self.phase_of(id);
                self.publish_worker(id, phase, EventKind::DeadlineMissed { missed: why });
                self.not_reloaded(id, why);
            }
            WorkerAction::ReportUnkillable => {
                self.publish_worker(id, Phase::ShuttingDown, EventKind::Unkillable);
                self.not_reloaded(id, "does not end, even by SIGKILL");
                if let Some(worker) = self.workers.get(&id) {
                    let (slot, pid) = (worker.identity().slot, worker.pid().unwrap_or(0));
                    if self.tenure(id, slot) == Tenure::Occupant {
                        self.slot_stuck(slot, pid);
                    }
                    self.rollout_stuck(now, id, pid);
                }
            }
            WorkerAction::ReportUnready { reason } => {
                self.publish_worker(id, Phase::Started, EventKind::Unready { reason });
                self.readiness_changed(now, id);
            }
            WorkerAction::ReportReadyAgain => {
                self.publish_worker(id, Phase::Started, EventKind::ReadyAgain);
                self.readiness_changed(now, id);
            }
            WorkerAction::SendStop { .. }
            | WorkerAction::SendResume { .. }
            | WorkerAction::SendQuit { .. }
            | WorkerAction::SendPing
            | WorkerAction::StartProbe
            | WorkerAction::LookWhetherStopped
            | WorkerAction::Ask { .. }
            | WorkerAction::EmptyQueue
            | WorkerAction::RefuseMessage { .. }
            | WorkerAction::Signal { .. }
            | WorkerAction::SignalMain { .. }
            | WorkerAction::AbandonRest
            | WorkerAction::Deliver { .. }
            | WorkerAction::CloseLink => {
                if let WorkerAction::RefuseMessage { said, during, .. } = action {
                    self.publish_out_of_order(id, during, said);
                }
                self.actions.push_back(FleetAction::Worker { id, action });
            }
        }
    }

    /// Counts by phases, and whether those that are started are ready.
    fn count(&mut self, before: (Phase, bool), after: (Phase, bool)) {
        if before == after {
            return;
        }
        for ((phase, is_ready), entered) in [(before, false), (after, true)] {
            let counter = match phase {
                Phase::Initialized => &mut self.counts.creating,
                Phase::Starting => &mut self.counts.starting,
                Phase::Started if is_ready => &mut self.counts.ready,
                Phase::Started => &mut self.counts.unready,
                Phase::Stopped => &mut self.counts.suspended,
                _ => continue,
            };
            if entered {
                *counter += 1;
            } else {
                *counter -= 1;
            }
        }
    }
}
