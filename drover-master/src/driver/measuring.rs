//! The driver looks how much memory workers hold, if some may not hold as much as they like.
//!
//! One deadline for all of them, and none while no app description has such a limit. A round is taken in parts, so that
//! thousands of workers do not hold up what else the driver has to do.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Driver;
use crate::ids::WorkerId;
use crate::machine::fleet::FleetInput;
use crate::machine::gate::Doing;
use crate::machine::phase::Phase;

/// From the beginning of one round to that of the next. Shorter wakes the master up for what grows in hours; longer lets a worker
/// that leaks fast get far beyond its limit.
const ROUND: Duration = Duration::from_secs(10);

/// How many workers are looked at in one turn. At some 10 µs each that is a third of a millisecond in which nothing else is heard.
const PART: usize = 32;

/// The time between two parts of a round. 100,000 workers take 31 s, which is then their round.
const BETWEEN: Duration = Duration::from_millis(10);

/// Where a round stands.
#[derive(Debug, Default)]
pub(super) struct Measuring {
    next: Option<Instant>,
    /// Those that this round has still to look at.
    left: VecDeque<WorkerId>,
    /// When the next round begins.
    next_round: Option<Instant>,
}

impl Measuring {
    /// When [`Driver::measure`] has something to do.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.next
    }
}

impl Driver {
    /// Looks at as many as are due.
    pub(super) fn measure(&mut self, now: Instant) {
        let limited = || self.editions.values().any(|edition| edition.spec.recycle.rss.is_some());
        if !matches!(self.fleet.doing(), Doing::Starting | Doing::Started) || !limited() {
            self.measuring = Measuring::default();
            return;
        }
        let next = *self.measuring.next.get_or_insert(now + ROUND);
        if next > now {
            return;
        }
        if self.measuring.left.is_empty() {
            let is_limited = |worker: &&crate::machine::worker::Worker| {
                worker.phase() == Phase::Started && worker.spec().recycle.rss.is_some()
            };
            let limited = self.fleet.workers().filter(is_limited).map(|worker| worker.identity().id);
            self.measuring.left = limited.collect();
            self.measuring.next_round = Some(now + ROUND);
        }
        for _ in 0..PART {
            let Some(worker) = self.measuring.left.pop_front() else { break };
            let tree = self.contacts.get(&worker).and_then(|contact| contact.tree.as_ref());
            if let Some(rss) = tree.and_then(|tree| tree.resident()) {
                self.feed(now, FleetInput::Measured { worker, rss });
            }
        }
        let is_through = self.measuring.left.is_empty();
        let rest = self.measuring.next_round.filter(|at| is_through && *at > now);
        self.measuring.next = Some(rest.unwrap_or(now + BETWEEN));
    }
}
