//! What a worker that speaks `sd_notify(3)` says of itself.
//!
//! ```text
//!  Starting ──Ready──► Checking ──────► Started ──Reloading, Ready──► Started
//!      └──────Stopping─────┴──────────────┴────► ShuttingDown(Asked), though nobody asked
//! ```
//!
//! A word that has no place in a state is passed over: there is nobody to answer, and programs say READY=1 as they like.

use std::sync::Arc;
use std::time::Instant;

use super::{DeadlineKind, Notice, Rung, Worker, WorkerAction, WorkerState};
use crate::machine::deadlines::after;

/// What it reported of what went wrong, to be shown with its exit.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Evidence {
    errno: Option<i32>,
    exit_status: Option<i32>,
}

impl Evidence {
    /// A clause for people.
    pub(super) fn sentence(&self) -> Option<Arc<str>> {
        let errno = self.errno.map(|errno| {
            let meaning = nix::errno::Errno::from_raw(errno);
            format!("errno {errno} ({})", meaning.desc())
        });
        let status = self.exit_status.map(|code| format!("exit status {code}"));
        let told: Vec<String> = errno.into_iter().chain(status).collect();
        (!told.is_empty()).then(|| format!("it reported {}", told.join(" and ")).into())
    }
}

impl Worker {
    pub(super) fn notified(&mut self, now: Instant, notice: Notice, out: &mut Vec<WorkerAction>) {
        match notice {
            Notice::Ready => match self.state {
                WorkerState::Starting => self.come_up(now, out),
                WorkerState::Started => self.reload_done(now, out),
                _ => {}
            },
            Notice::Reloading { since } => self.reload_begun(since),
            // The dead have left already.
            Notice::Stopping if self.is_dead => {}
            Notice::Stopping => self.leaves_by_itself(now, out),
            Notice::Status { text } => self.status_text = text,
            Notice::KeepAlive => self.arm_watchdog(now),
            Notice::Trigger => self.watchdog_triggered(now, out),
            Notice::WatchdogEvery { every } => self.watch_every(now, every),
            Notice::Extend { by } => {
                let is_starting = matches!(self.state, WorkerState::Starting | WorkerState::Checking);
                let is_reloading = matches!(self.deadline, Some((DeadlineKind::Reload, _)));
                let leaves = matches!(self.state, WorkerState::ShuttingDown { rung: Rung::Asked });
                if is_starting || leaves || is_reloading {
                    self.extend(now, by);
                }
            }
            Notice::Errno { errno } => self.evidence.errno = Some(errno).filter(|errno| *errno != 0),
            Notice::ExitStatus { code } => self.evidence.exit_status = Some(code),
            // Evidence only: its start deadline decides.
            Notice::Unsaid { how } => {
                if self.state == WorkerState::Starting {
                    self.unready = Some(how);
                }
            }
        }
    }

    /// It has the time that one has which is asked; its end is judged by its code, as one that nobody asked for.
    fn leaves_by_itself(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        match self.state {
            WorkerState::Starting
            | WorkerState::Checking
            | WorkerState::Started
            | WorkerState::Lingering
            | WorkerState::Stopped => {}
            _ => return,
        }
        self.extendable_until = after(now, self.spec.stop.max_timeout);
        let until = after(now, self.spec.stop.drain_timeout);
        self.set_deadline(DeadlineKind::Drain, until);
        self.drained_by = Some(until);
        self.enter(WorkerState::ShuttingDown { rung: Rung::Asked }, out);
    }
}
