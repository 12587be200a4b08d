//! Whether another master follows one that has crashed. A pure machine.
//!
//! ```text
//!  calm ──crash──► the next one begins ──5 more within 60 s──► given up
//!    ▲                     │
//!    └──────60 s pass──────┘
//! ```

use std::collections::VecDeque;
use std::time::Duration;

/// How many crashes of masters are survived within a minute. Fewer would give up what a bad minute has hit; more would only crash on: each costs
/// the workers of the protocol a connection.
const COUNT: usize = 5;

/// The minute.
pub(super) const WITHIN: Duration = Duration::from_secs(60);

/// Another count, for tests that crash masters by the dozen.
const COUNT_FOR_TESTS: &str = "DROVER_KEEPER_CRASHES";

/// When masters crashed, by a monotonic clock.
#[derive(Debug)]
pub(super) struct Crashes {
    newest: VecDeque<Duration>,
    /// How many are survived.
    pub(super) count: usize,
}

impl Crashes {
    /// As the environment says, which only tests do.
    pub(super) fn by_environment() -> Self {
        let count = std::env::var(COUNT_FOR_TESTS).ok().and_then(|count| count.parse().ok());
        Self::of(count.unwrap_or(COUNT))
    }

    fn of(count: usize) -> Self {
        Self { newest: VecDeque::new(), count }
    }

    /// One more; whether there have been too many.
    pub(super) fn is_too_many(&mut self, now: Duration) -> bool {
        while self.newest.front().is_some_and(|then| now.saturating_sub(*then) > WITHIN) {
            self.newest.pop_front();
        }
        self.newest.push_back(now);
        self.newest.len() > self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_crashes_in_a_minute_are_survived_and_the_sixth_is_not() {
        let mut crashes = Crashes::of(COUNT);
        let at = Duration::from_secs;
        for second in 0..5 {
            assert!(!crashes.is_too_many(at(second)));
        }
        assert!(crashes.is_too_many(at(60)));
        let mut slow = Crashes::of(COUNT);
        assert!((0..100).all(|times| !slow.is_too_many(at(times * 13))));
    }
}
