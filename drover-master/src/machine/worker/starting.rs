//! From a process to a worker that is ready, and what can keep it from that.
//!
//! ```text
//!  Spawned ──► by its own word ───────────────────────────────────────────────────────► come_up
//!         └──► alive for its min uptime, or its probe passes ──► Looked: it runs ────────┘
//!                                   ▲                               │ it is stopped by a signal
//!                                   └────── a second later ─────────┘        (until its start deadline)
//! ```
//!
//! A process that is stopped does nothing, though it is alive, and though the kernel still completes handshakes for it.

use crate::signal::Signal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::reloading::ReloadStage;
use super::{DeadlineKind, LinkState, Rung, Worker, WorkerAction, WorkerState};
use crate::config::{Kind, Protocol};
use crate::machine::deadlines::after;

/// How long after it was found stopped a process is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Worker {
    pub(super) fn spawned(&mut self, now: Instant, pid: u32, out: &mut Vec<WorkerAction>) {
        let WorkerState::Initialized { doomed } = self.state else { return };
        self.pid = Some(pid);
        self.spawned = Some(now);
        self.enter(WorkerState::Starting, out);
        let start = &self.spec.start;
        match self.spec.protocol {
            Protocol::Drover => {
                self.extendable_until = after(now, start.max_timeout);
                self.set_deadline(DeadlineKind::Start, after(now, self.spec.start.timeout));
                if self.early && self.link == LinkState::Up {
                    self.come_up(now, out);
                }
            }
            Protocol::Notify => {
                self.extendable_until = after(now, start.max_timeout);
                self.set_deadline(DeadlineKind::Start, after(now, self.spec.start.timeout));
            }
            // It is ready when it is done, and may take as long as that policy says.
            Protocol::None if self.spec.kind != Kind::Service => {
                self.set_deadline(DeadlineKind::Start, after(now, self.spec.start.timeout));
            }
            Protocol::None if start.probe.is_some() => {
                self.extendable_until = after(now, start.timeout);
                self.set_deadline(DeadlineKind::Start, self.extendable_until);
                out.push(WorkerAction::StartProbe);
            }
            Protocol::None if start.min_uptime.is_zero() => self.come_up(now, out),
            Protocol::None => {
                let aim = after(now, start.min_uptime);
                self.extendable_until = after(aim, start.timeout);
                self.set_deadline(DeadlineKind::MinUptime, aim);
            }
        }
        match doomed {
            None => {}
            Some(Rung::Asked) => self.ask_to_leave(now, out),
            Some(Rung::Terminated) => self.terminate(now, out),
            Some(Rung::Killed) => self.kill(now, out),
        }
    }

    /// Somebody has looked whether its process is stopped by a signal.
    pub(super) fn looked(&mut self, now: Instant, stopped_by: Option<Signal>, out: &mut Vec<WorkerAction>) {
        match (&self.state, stopped_by) {
            (WorkerState::Starting, None) => self.come_up(now, out),
            (WorkerState::Starting, Some(signal)) => self.found_stopped(now, signal, out),
            (WorkerState::Started, None) if self.is_trusted() => {
                self.reloading = None;
                out.push(WorkerAction::ReportReloaded);
            }
            (WorkerState::Started, Some(_)) if self.is_trusted() => {
                self.reloading = None;
                out.push(WorkerAction::ReportNotReloaded { why: "its process is stopped by a signal" });
            }
            _ => {}
        }
    }

    fn found_stopped(&mut self, now: Instant, signal: Signal, out: &mut Vec<WorkerAction>) {
        let why: Arc<str> = format!(
            "its process is stopped by {signal} and does nothing; `kill -CONT {}` lets it go on, and what sent the signal is to be found",
            self.pid.unwrap_or(0)
        )
        .into();
        if self.unready.as_ref() != Some(&why) {
            out.push(WorkerAction::ReportNotReady { why: Arc::clone(&why) });
        }
        self.unready = Some(why);
        if now >= self.extendable_until {
            return self.start_overdue(now, out);
        }
        self.set_deadline(DeadlineKind::MinUptime, after(now, LOOK_AGAIN).min(self.extendable_until));
    }

    /// Whether it is taken to have reloaded if it lives.
    pub(super) fn is_trusted(&self) -> bool {
        self.reloading.is_some_and(|reloading| reloading.stage == ReloadStage::Trusted)
    }
}
