//! A worker that reads its configuration again on a signal, without a new process.
//!
//! ```text
//!                 ReloadAsked                RELOADING                     READY
//!  Started ─────────────────────► Signalled ───────────► Confirmed ─────────────────► Started
//!                                  ▲  │  │ READY alone                                   ▲
//!                 READY of another │  │  └───────────────────────────────────────────────┘
//!                          reload  │  │ RELOADING that began before the signal
//!                                  └──▼
//!                                   Stale
//! ```
//!
//! One that can't tell has reloaded if it is still alive after `start.min_uptime`, as one that can't tell is ready by that: many
//! die of a signal that they do not know, or of a configuration that they can't read.
//!
//! The phase stays `started`: it serves on. One that does not say in time that it is through stays as well, and only whoever asked
//! is told: to end it would turn a typing error into an outage.

use std::time::{Duration, Instant};

use super::{DeadlineKind, Worker, WorkerAction, WorkerState};
use crate::machine::deadlines::after;

/// How much earlier than the signal the beginning of a reload may seem to be, before it is another's: two clocks are read one after
/// the other, and microseconds are cut.
const SLACK: Duration = Duration::from_millis(1);

/// How far a reload that was asked for has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Reloading {
    #[serde(with = "crate::written")]
    asked: Instant,
    pub(super) stage: ReloadStage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum ReloadStage {
    Signalled,
    /// It tells of a reload that was under way when the signal came.
    Stale,
    Confirmed,
    /// It need not say anything, only live.
    Trusted,
}

impl Worker {
    /// Sends the signal.
    pub(super) fn reload_asked(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        let Some(reload) = self.spec.reload.filter(|_| self.state == WorkerState::Started) else {
            return out.push(WorkerAction::ReportNotReloaded { why: "it is not ready" });
        };
        self.delivered(reload.signal, "to reload it".into());
        out.push(WorkerAction::Deliver { signal: reload.signal });
        let start = &self.spec.start;
        let (stage, within) = match reload.waits {
            true => (ReloadStage::Signalled, start.timeout),
            false if start.min_uptime.is_zero() => return out.push(WorkerAction::ReportReloaded),
            false => (ReloadStage::Trusted, start.min_uptime),
        };
        self.reloading = Some(Reloading { asked: now, stage });
        self.set_deadline(DeadlineKind::Reload, after(now, within));
        self.extendable_until = after(now, self.spec.start.max_timeout);
    }

    pub(super) fn reload_begun(&mut self, since: Option<Instant>) {
        if let Some(Reloading { asked, stage: stage @ (ReloadStage::Signalled | ReloadStage::Stale) }) =
            &mut self.reloading
        {
            let is_older = since.is_some_and(|since| since + SLACK < *asked);
            *stage = if is_older { ReloadStage::Stale } else { ReloadStage::Confirmed };
        }
    }

    /// It is ready again.
    pub(super) fn reload_done(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        match &mut self.reloading {
            Some(Reloading { stage: stage @ ReloadStage::Stale, .. }) => *stage = ReloadStage::Signalled,
            Some(_) => {
                self.reloading = None;
                self.deadline = None;
                // What it did meanwhile was progress.
                self.arm_watchdog(now);
                out.push(WorkerAction::ReportReloaded);
            }
            None => {}
        }
    }

    pub(super) fn reload_overdue(&mut self, out: &mut Vec<WorkerAction>) {
        if self.is_trusted() {
            return out.push(WorkerAction::LookWhetherStopped);
        }
        let why = match self.reloading.take().map(|reloading| reloading.stage) {
            Some(ReloadStage::Confirmed) => "said RELOADING=1, and did not say READY=1 in time",
            Some(ReloadStage::Signalled | ReloadStage::Stale | ReloadStage::Trusted) | None => {
                "did not say in time that it has reloaded"
            }
        };
        out.push(WorkerAction::ReportNotReloaded { why });
    }

    /// Whether it was asked to reload, and has not said yet that it has.
    pub const fn is_reloading(&self) -> bool {
        self.reloading.is_some()
    }
}
