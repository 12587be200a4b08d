//! Whether another master follows one that has crashed. A pure machine.
//!
//! ```text
//!  calm ──crash──► the next one begins ──5 more within 60 s──► given up
//!    ▲                     │
//!    └──────60 s pass──────┘
//! ```

use std::collections::VecDeque;
use std::time::Duration;

/// How many crashes of masters, and within which time, are too many. Fewer would give up what a bad minute has hit; more would only crash on:
/// each costs the workers of the protocol a connection.
pub(super) const LIMIT: (usize, Duration) = (5, Duration::from_secs(60));

/// When masters crashed, by a monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Crashes(VecDeque<Duration>);

impl Crashes {
    /// One more; whether there have been too many.
    pub(super) fn is_too_many(&mut self, now: Duration) -> bool {
        let (count, within) = LIMIT;
        while self.0.front().is_some_and(|then| now.saturating_sub(*then) > within) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        self.0.len() > count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_crashes_in_a_minute_are_survived_and_the_sixth_is_not() {
        let mut crashes = Crashes::default();
        let at = Duration::from_secs;
        for second in 0..5 {
            assert!(!crashes.is_too_many(at(second)));
        }
        assert!(crashes.is_too_many(at(60)));
        let mut slow = Crashes::default();
        assert!((0..100).all(|times| !slow.is_too_many(at(times * 13))));
    }
}
