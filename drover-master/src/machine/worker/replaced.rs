//! What a worker is to a master that has taken over from one that is gone.
//!
//! What the worker was told stays told, and what it said stays said. What the old master had under way for it, and would have brought
//! back as news, is begun again. Its connection went with that master: it comes back as after any other loss.

use std::time::{Duration, Instant};

use super::{DeadlineKind, Worker, WorkerAction, WorkerState};
use crate::config::Protocol;

impl Worker {
    /// `by`: how long there was no master.
    pub(super) fn master_replaced(&mut self, now: Instant, by: Duration, out: &mut Vec<WorkerAction>) {
        self.master_was_away(by);
        self.disconnected(now);
        match self.state {
            WorkerState::Starting
                if self.spec.protocol == Protocol::None
                    && self.spec.start.probe.is_some()
                    && self.pid.is_some() =>
            {
                out.push(WorkerAction::StartProbe);
            }
            // Not before: until its delay is over it serves as ever.
            WorkerState::Lingering if matches!(self.deadline, Some((DeadlineKind::Queue, _))) => {
                out.push(WorkerAction::EmptyQueue);
            }
            _ => {}
        }
        for (question, number) in self.health.under_way() {
            out.push(WorkerAction::Ask { question, number });
        }
    }
}
