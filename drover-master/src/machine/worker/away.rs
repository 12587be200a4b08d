//! What becomes of a worker's deadlines when nobody looked at them.
//!
//! A master that was stopped, or starved of CPU, has news to read that it has not seen, and the worker may have been stopped with
//! it. So every deadline is moved by the time that the master was away, whatever it is about, and news comes before judgement.

use std::time::{Duration, Instant};

use super::{DeadlineKind, Worker};
use crate::machine::deadlines::after;

impl Worker {
    pub(super) fn master_was_away(&mut self, by: Duration) {
        let moved = |at: Instant| after(at, by);
        self.deadline = self.deadline.map(|(kind, at)| (kind, moved(at)));
        self.drained_by = self.drained_by.map(moved);
        self.extendable_until = moved(self.extendable_until);
        self.watchdog.move_by(by);
        self.health.move_by(by);
        // It may have answered all of them.
        self.unanswered = 0;
    }

    /// Whether it has to do something in time. A ping that is answered, and the next question, are no limits.
    pub fn is_timed(&self) -> bool {
        let is_limited = match self.deadline {
            Some((DeadlineKind::Heartbeat, _)) => self.unanswered > 0,
            Some(_) => true,
            None => false,
        };
        is_limited || self.watchdog.due().is_some() || self.health.is_asking()
    }
}
