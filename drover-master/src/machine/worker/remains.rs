//! What the main process leaves behind when it ends: the rest of its tree.
//!
//! ```text
//!            Died, on its way out                    rung by rung, as far as its deadlines go
//!  ShuttingDown(rung) ─────────────► ShuttingDown(rung), dead ──────────────────────────────┐
//!            Died, nobody asked                                                             ▼
//!  any state ──────────────────────► the same state, dead; the rest gets SIGKILL ────► Exited
//! ```
//!
//! A wrapper (`npm start`, `sh -c`) often ends at once while the server behind it drains. So what is left after an end that
//! was asked for has the rest of the time. After a crash nothing may stay: the port has to be free for the successor.

use crate::signal::Signal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{DeadlineKind, Rung, Worker, WorkerAction, WorkerState};
use crate::config::StopTo;
use crate::machine::deadlines::after;
use crate::machine::exit::ExitStatus;

/// How long the rest of a tree may take to be gone after SIGKILL, before it is reported instead of waited for.
const GONE_AFTER_KILL: Duration = Duration::from_secs(2);

impl Worker {
    pub(super) fn died(&mut self, now: Instant, status: ExitStatus, out: &mut Vec<WorkerAction>) {
        self.is_dead = true;
        let was_due = self.deadline.take().map(|(_, at)| at);
        self.watchdog.disarm();
        let rung = match self.state {
            WorkerState::ShuttingDown { rung } => rung,
            _ if self.asked_by.is_some() => Rung::Asked,
            // One that leaves on its own with a success may be a daemon's launcher: what it left is looked at before it is killed.
            _ if status == ExitStatus::Code(0) => return,
            _ => return self.kill_rest(now, out),
        };
        // Only here: one that nobody asked may have said before its end that it is ready, which is still on its way.
        self.died_during = Some(self.phase());
        self.enter(WorkerState::ShuttingDown { rung }, out);
        let stop = &self.spec.stop;
        match rung {
            Rung::Asked => {
                let until = self.drained_by.unwrap_or_else(|| after(now, stop.drain_timeout)).max(now);
                let signal = stop.signal;
                self.set_deadline(DeadlineKind::Drain, until);
                if !self.told_tree.contains(&signal) {
                    self.signal(signal, out);
                }
            }
            Rung::Terminated => {
                self.set_deadline(
                    DeadlineKind::Term,
                    was_due.unwrap_or_else(|| after(now, stop.term_timeout)),
                );
            }
            Rung::Killed => self.kill_rest(now, out),
        }
    }

    /// Whether it has ended though nobody wanted that. What it left behind may be meant to stay then, as what a daemon's launcher
    /// leaves, and is looked for everywhere.
    pub fn has_left_by_itself(&self) -> bool {
        self.is_dead && !matches!(self.state, WorkerState::ShuttingDown { .. } | WorkerState::Exited { .. })
    }

    pub(super) fn rest_found(&mut self, now: Instant, pids: &[u32], out: &mut Vec<WorkerAction>) {
        if !self.is_dead || matches!(self.state, WorkerState::ShuttingDown { .. }) || self.deadline.is_some()
        {
            return;
        }
        let was_ended = if pids.len() == 1 { "which was ended" } else { "which were ended" };
        let sentence = format!(
            "it put itself into the background and left {} behind, {was_ended}; run it in the foreground, by an option such as \
             `--nodaemon` or `daemon off;`",
            shown(pids)
        );
        self.trouble.get_or_insert(sentence.into());
        self.kill_rest(now, out);
    }

    pub(super) fn rest_survived(&mut self, pids: &[u32]) {
        self.trouble = Some(Arc::from(format!("{} of its tree could not be ended", shown(pids))));
    }

    /// SIGKILL to what is left, which is gone then, or told.
    pub(super) fn kill_rest(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        self.set_deadline(DeadlineKind::Kill, after(now, GONE_AFTER_KILL));
        if !self.told_tree.contains(&Signal::KILL) {
            self.signal(Signal::KILL, out);
        }
    }

    /// The stop signal, to whom it goes first.
    pub(super) fn signal_first(&mut self, signal: Signal, out: &mut Vec<WorkerAction>) {
        match self.spec.stop.to {
            StopTo::Process => {
                self.intent.sent.push(signal);
                out.push(WorkerAction::SignalMain { signal });
            }
            StopTo::Group => self.signal(signal, out),
        }
    }
}

fn shown(pids: &[u32]) -> String {
    let shown: Vec<String> = pids.iter().map(ToString::to_string).collect();
    let word = if pids.len() == 1 { "process" } else { "processes" };
    format!("{word} {}", shown.join(", "))
}
