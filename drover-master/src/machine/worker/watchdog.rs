//! Whether a worker that is ready makes progress, by its own word.
//!
//! The heartbeat asks whether the process answers, which a thread that does nothing else may do for a program that hangs. Here
//! the program itself has to speak up, at least once in each interval. Nothing is judged before it is ready, nor once it is on
//! its way out.

use std::time::{Duration, Instant};

use super::{Worker, WorkerAction, WorkerState};
use crate::machine::deadlines::after;
use crate::machine::exit::KillCause;

/// The watchdog of one worker.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Watchdog {
    every: Option<Duration>,
    #[serde(default, with = "crate::written")]
    due: Option<Instant>,
}

impl Watchdog {
    pub(super) fn every(every: Option<Duration>) -> Self {
        Self { every, due: None }
    }

    pub(super) fn disarm(&mut self) {
        self.due = None;
    }

    pub(super) fn move_by(&mut self, by: Duration) {
        self.due = self.due.map(|due| after(due, by));
    }

    /// When it judges next.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }
}

impl Worker {
    /// The worker made progress, or has just become ready.
    pub(super) fn arm_watchdog(&mut self, now: Instant) {
        let is_judged = self.state == WorkerState::Started && !self.is_dead;
        self.watchdog.due = self.watchdog.every.filter(|_| is_judged).map(|every| after(now, every));
    }

    /// It changes its interval itself; zero: it does not want to be watched any more.
    pub(super) fn watch_every(&mut self, now: Instant, every: Duration) {
        self.watchdog.every = Some(every).filter(|every| !every.is_zero());
        self.arm_watchdog(now);
    }

    /// Judges, if it is time; whether it was.
    pub(super) fn watchdog_passed(&mut self, now: Instant, out: &mut Vec<WorkerAction>) -> bool {
        let is_due = self.watchdog.due.is_some_and(|due| due <= now);
        if is_due {
            self.bite("it did not say in time that it makes progress", out, now);
        }
        is_due
    }

    /// It asks to be ended: it knows that something is wrong.
    pub(super) fn watchdog_triggered(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        if matches!(self.state, WorkerState::Starting | WorkerState::Checking | WorkerState::Started)
            && !self.is_dead
        {
            self.bite("it asked its watchdog to end it", out, now);
        }
    }

    fn bite(&mut self, missed: &'static str, out: &mut Vec<WorkerAction>, now: Instant) {
        out.push(WorkerAction::ReportDeadline { missed });
        self.blame(KillCause::Watchdog);
        self.terminate(now, out);
    }
}
