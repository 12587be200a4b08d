//! Whether deadlines are looked at in time, or whoever looks was away: stopped, or starved of CPU.
//!
//! ```text
//!        looked          planned look                        looked, late
//!  ────────┼──────────────────┼─────────────────────────────────┼──────────► time
//!          │◄──── planned ───►│◄─────────── late ──────────────►│
//!          │ counted │◄─────────────── away ───────────────────►│   every deadline is moved by that
//! ```
//!
//! A process that is stopped does not know it, and `CLOCK_MONOTONIC` goes on meanwhile. How late the planned look came tells it. Where
//! in the planned step the absence began is not known, so half of the step counts. Somebody who is late all the time still judges
//! in the end: by half of the time that was planned, and in full where that is short.

use std::time::{Duration, Instant};

/// The longest step while somebody has to do something in time. Longer leaves more of an absence unknown that ends before any
/// deadline; shorter wakes the master up more often.
const STEP: Duration = Duration::from_secs(1);

/// A look that comes this much too late was late. Some hundred milliseconds go by on a machine that is busy.
const LATE: Duration = Duration::from_millis(250);

/// A step that is shorter counts in full, or a deadline would be approached for ever and never reached.
const SHORT: Duration = Duration::from_millis(100);

/// Remembers when deadlines were looked at, and when they were to be.
#[derive(Debug, Default)]
pub struct Attention {
    looked: Option<Instant>,
    planned: Option<Instant>,
}

impl Attention {
    /// When to look next: at the next deadline, and after a step at the latest while somebody `is_timed`.
    pub fn plan(&mut self, deadline: Option<Instant>, is_timed: bool) -> Option<Instant> {
        let step = self.looked.filter(|_| is_timed).map(|looked| looked + STEP);
        self.planned = deadline.into_iter().chain(step).min();
        self.planned
    }

    /// Somebody looks. Tells by how much every deadline is to be moved, if the look was late; then all news that is there comes
    /// before the next judgement.
    pub fn look(&mut self, now: Instant) -> Option<Duration> {
        let (looked, planned) = (self.looked.replace(now)?, self.planned.take()?);
        if now.saturating_duration_since(planned) < LATE {
            return None;
        }
        let step = planned.saturating_duration_since(looked);
        let counted = (step / 2).max(SHORT).min(step);
        Some(now.saturating_duration_since(looked).saturating_sub(counted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::origin;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_late_look_moves_deadlines_by_the_time_away_and_a_punctual_one_does_not() {
        // When the deadline is, whether somebody is timed, when the look comes, and by how much deadlines move.
        let cases = [
            // In time, or late by what a busy machine is late.
            (Some(20_000), true, 1_000, None),
            (Some(20_000), true, 1_249, None),
            (Some(400), true, 649, None),
            // News comes before the planned look.
            (Some(20_000), true, 3, None),
            // Away from somewhere in the first step on.
            (Some(4_000), true, 6_000, Some(5_500)),
            (Some(20_000), true, 18_000, Some(17_500)),
            (Some(500), true, 10_000, Some(9_750)),
            // Of a short step all counts.
            (Some(80), true, 10_000, Some(9_920)),
            (Some(0), true, 10_000, Some(10_000)),
            // Nobody is timed: what is due is looked at when it is due.
            (Some(20_000), false, 20_000, None),
            (Some(20_000), false, 30_000, Some(20_000)),
            // Nothing was planned.
            (None, false, 60_000, None),
        ];
        for (deadline, is_timed, comes, moved) in cases {
            let start = origin();
            let mut attention = Attention::default();
            assert_eq!(attention.look(start), None, "the first look is never late");
            attention.plan(deadline.map(|at| start + ms(at)), is_timed);
            let case = format!("due after {deadline:?} ms, looked at after {comes} ms, timed: {is_timed}");
            assert_eq!(attention.look(start + ms(comes)), moved.map(ms), "{case}");
        }
    }

    #[test]
    fn whoever_is_always_late_still_comes_to_judge() {
        let mut now = origin();
        let (start, mut due) = (now, now + ms(4_000));
        let mut attention = Attention::default();
        attention.look(now);
        let mut looks = 0;
        while due > now {
            now = attention.plan(Some(due), true).unwrap() + ms(400);
            due += attention.look(now).unwrap_or_default();
            looks += 1;
            assert!(looks < 30, "{:?} of 4 s are still left after {:?}", due - now, now - start);
        }
    }

    #[test]
    fn while_somebody_is_timed_the_next_look_is_never_far() {
        let start = origin();
        let mut attention = Attention::default();
        attention.look(start);
        assert_eq!(attention.plan(None, false), None, "an idle master sleeps");
        assert_eq!(attention.plan(Some(start + ms(9_000)), false), Some(start + ms(9_000)));
        assert_eq!(attention.plan(Some(start + ms(9_000)), true), Some(start + STEP));
        assert_eq!(attention.plan(Some(start + ms(9)), true), Some(start + ms(9)));
    }
}
