//! When the runs of one app are due: by the clock on the wall, which may be set, or by one that only goes on.
//!
//! ```text
//!  the wall clock passes what is due ──► it is due, once; what it passed besides was missed
//!  it is set back by up to 3 hours   ──► what was due is not due again: it waits until the clock is where it was
//!  it is set back further            ──► it was wrong before, and everything begins anew
//! ```

use std::time::{Duration, Instant, SystemTime};

use super::deadlines::after;
use crate::config::{CronPolicy, Schedule, Zone};

/// A clock that is set back by more than this was wrong before; by less, it is corrected a little, or a person has set it for the
/// summer. As cron has it.
const CORRECTION: Duration = Duration::from_secs(3 * 3600);

/// What was missed is counted one by one this far back. A schedule for every minute has 1440 of them.
const COUNTED: Duration = Duration::from_secs(24 * 3600);

/// When the runs of one app are due.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Timetable {
    #[serde(default, with = "crate::written")]
    schedule: Option<Schedule>,
    #[serde(with = "crate::written")]
    timezone: Zone,
    next: NextRun,
}

#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
enum NextRun {
    /// By the clock that only goes on.
    In {
        #[serde(with = "crate::written")]
        at: Instant,
        every: Duration,
    },
    /// By the wall clock, which has shown `seen` already. None: never again.
    At {
        #[serde(default, with = "crate::written")]
        at: Option<SystemTime>,
        #[serde(with = "crate::written")]
        seen: SystemTime,
    },
}

/// A run that is due, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueRun {
    /// When it was due, by the wall clock.
    pub at: SystemTime,
    /// How long ago that is.
    pub late: Duration,
    /// How many were due before it, since the last look; of those that were due more than a day ago, one counts.
    pub missed: u64,
}

impl Timetable {
    /// From this moment on.
    pub fn new(policy: &CronPolicy, now: Instant, wall: SystemTime) -> Self {
        let CronPolicy { schedule, timezone, .. } = policy.clone();
        let next = match schedule.as_ref().and_then(Schedule::every) {
            Some(every) => NextRun::In { at: after(now, every), every },
            None => NextRun::At { at: None, seen: wall },
        };
        let mut new = Self { schedule, timezone, next };
        if let NextRun::At { at, .. } = &mut new.next {
            *at = new.schedule.as_ref().and_then(|schedule| schedule.next_after(wall, &new.timezone));
        }
        new
    }

    /// Whether runs are due by this policy when this says.
    pub fn is_by(&self, policy: &CronPolicy) -> bool {
        self.schedule == policy.schedule && self.timezone == policy.timezone
    }

    /// What is due by now, if anything is.
    pub fn look(&mut self, now: Instant, wall: SystemTime) -> Option<DueRun> {
        match self.next {
            NextRun::In { at, every } => {
                let late = now.checked_duration_since(at)?;
                let missed = (late.as_nanos() / every.as_nanos()) as u64;
                // A second at least, so that 136 years are fewer than what a u32 counts.
                let late = late - every * u32::try_from(missed).unwrap_or(u32::MAX);
                self.next = NextRun::In { at: after(now, every - late), every };
                Some(DueRun { at: wall.checked_sub(late).unwrap_or(wall), late, missed })
            }
            NextRun::At { seen, .. } if seen.duration_since(wall).is_ok_and(|back| back > CORRECTION) => {
                self.next = NextRun::At { at: self.next_after(wall), seen: wall };
                None
            }
            NextRun::At { at, seen } => {
                let seen = seen.max(wall);
                self.next = NextRun::At { at, seen };
                let first = at.filter(|at| *at <= wall)?;
                let (at, missed) = self.last_until(wall, first);
                self.next = NextRun::At { at: self.next_after(wall), seen };
                Some(DueRun { at, late: wall.duration_since(at).unwrap_or_default(), missed })
            }
        }
    }

    /// The last one that is due by now, and how many are before it, from the first one on.
    fn last_until(&self, wall: SystemTime, first: SystemTime) -> (SystemTime, u64) {
        let due_after = |time| self.next_after(time).filter(|next| *next <= wall);
        let (mut last, mut missed) = (first, 0);
        let counted_from = wall.checked_sub(COUNTED).filter(|from| *from > first);
        if let Some(next) = counted_from.and_then(due_after) {
            (last, missed) = (next, 1);
        }
        while let Some(next) = due_after(last) {
            (last, missed) = (next, missed + 1);
        }
        (last, missed)
    }

    /// When it is due next, as far as is known now.
    pub fn next(&self, now: Instant, wall: SystemTime) -> Option<SystemTime> {
        match self.next {
            NextRun::In { at, .. } => wall.checked_add(at.saturating_duration_since(now)),
            NextRun::At { at, .. } => at,
        }
    }

    /// When to look again, by the clock that only goes on.
    pub const fn deadline(&self) -> Option<Instant> {
        match self.next {
            NextRun::In { at, .. } => Some(at),
            NextRun::At { .. } => None,
        }
    }

    fn next_after(&self, time: SystemTime) -> Option<SystemTime> {
        self.schedule.as_ref()?.next_after(time, &self.timezone)
    }

    /// When to look again, by the wall clock, and whenever that is set.
    pub const fn wall_deadline(&self) -> Option<SystemTime> {
        match self.next {
            NextRun::In { .. } => None,
            NextRun::At { at, .. } => at,
        }
    }
}

#[cfg(test)]
#[path = "timetable_tests.rs"]
mod tests;
