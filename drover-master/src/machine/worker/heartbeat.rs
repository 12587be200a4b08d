//! Whether a worker that is ready still answers.
//!
//! Each interval the master sends a Ping, unless too many before it are unanswered; then the worker is ended as
//! unresponsive. Whatever it says counts as an answer. Nothing is judged before it is ready, nor while it drains: those
//! have deadlines of their own.

use std::time::Instant;

use super::{DeadlineKind, LinkState, Worker, WorkerAction, WorkerState};
use crate::machine::deadlines;
use crate::machine::exit::KillCause;

impl Worker {
    /// Sets the time of the next Ping, for a worker that is ready, connected, and to be asked at all.
    pub(super) fn arm_heartbeat(&mut self, now: Instant) {
        if let Some(heartbeat) = &self.spec.heartbeat
            && self.state == WorkerState::Started
            && self.link == LinkState::Up
        {
            let at = deadlines::after(now, heartbeat.interval);
            self.set_deadline(DeadlineKind::Heartbeat, at);
        }
    }

    /// It said something, so it lives.
    pub(super) fn heard(&mut self) {
        self.unanswered = 0;
    }

    /// An interval is over.
    pub(super) fn heartbeat_due(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        let Some(heartbeat) = self.spec.heartbeat.clone() else { return };
        if self.unanswered >= heartbeat.misses.get() {
            out.push(WorkerAction::ReportDeadline { missed: "it did not answer its heartbeats" });
            self.blame(KillCause::Unresponsive);
            return self.terminate(now, out);
        }
        self.unanswered += 1;
        out.push(WorkerAction::SendPing);
        self.arm_heartbeat(now);
    }
}
