//! A worker that takes no work for a while, and comes back without a new process.
//!
//! ```text
//!            SuspendAsked             SaidStopped             ResumeAsked             SaidStarted
//!  Started ───────────────► Stopping ─────────────► Stopped ─────────────► Resuming ─────────────► Started
//!     ▲   by signal, for a worker without the protocol  ▲ │ by signal         │ Start due
//!     │                     └──────────────────────────┘ │                   ▼
//!     └──────────────────────────────────────────────────┘          ShuttingDown(Terminated)
//! ```
//!
//! What was wished last holds: a worker that is still draining when it is resumed goes on as soon as it has drained, one that is
//! suspended before it is ready is so as soon as it is ready. A request to leave beats both.

use std::time::Instant;

use super::{DeadlineKind, Worker, WorkerAction, WorkerState};
use crate::config::Protocol;
use crate::machine::deadlines::after;

/// What a worker is to do when it has the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Wish {
    Serve,
    Suspend,
}

impl Worker {
    pub(super) fn suspend_asked(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        self.wish = Wish::Suspend;
        if self.state == WorkerState::Started && self.asked_by.is_none() {
            self.suspend(now, out);
        }
    }

    pub(super) fn resume_asked(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        self.wish = Wish::Serve;
        match self.state {
            // It was not told yet.
            WorkerState::Lingering if self.asked_by.is_none() => self.serve_again(now, out),
            WorkerState::Stopped => self.resume(now, out),
            _ => {}
        }
    }

    /// It is ready, and somebody wants it suspended.
    pub(super) fn suspend(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        match (&self.spec.suspend, self.spec.protocol) {
            (Some(signals), Protocol::None | Protocol::Notify) => {
                let signal = signals.signal;
                self.deadline = None;
                self.enter(WorkerState::Stopped, out);
                self.delivered(signal, "to suspend it".into());
                out.push(WorkerAction::Deliver { signal });
            }
            _ => self.cease(now, out),
        }
    }

    /// It has drained, and nobody wants it to leave.
    pub(super) fn suspended(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        self.enter(WorkerState::Stopped, out);
        self.deadline = None;
        if self.wish == Wish::Serve {
            self.resume(now, out);
        }
    }

    fn resume(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        match (&self.spec.suspend, self.spec.protocol) {
            (Some(signals), Protocol::None | Protocol::Notify) => {
                let signal = signals.resume_signal;
                self.delivered(signal, "to resume it".into());
                out.push(WorkerAction::Deliver { signal });
                self.serve_again(now, out);
            }
            _ => {
                let deadline = self.spec.start.timeout;
                self.enter(WorkerState::Resuming, out);
                self.set_deadline(DeadlineKind::Start, after(now, deadline));
                self.extendable_until = after(now, self.spec.start.max_timeout);
                out.push(WorkerAction::SendResume { deadline });
            }
        }
    }

    /// It takes work again.
    pub(super) fn serve_again(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        self.enter(WorkerState::Started, out);
        self.deadline = None;
        self.arm_heartbeat(now);
        self.arm_watchdog(now);
        if self.wish == Wish::Suspend && self.asked_by.is_none() {
            self.suspend(now, out);
        }
    }

    /// Whether it can be resumed: it said so, or there are signals for it.
    pub fn can_resume(&self) -> bool {
        self.can_resume || self.spec.protocol != Protocol::Drover && self.spec.suspend.is_some()
    }

    /// Whether it has drained, and stays.
    pub fn is_suspended(&self) -> bool {
        self.state == WorkerState::Stopped && self.wish == Wish::Suspend && self.asked_by.is_none()
    }
}
