//! How long a verb waits: by its `--timeout`, or by its kind.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A verb that only looks at a busy master says so soon.
const TO_LOOK: Duration = Duration::from_secs(5);

/// A verb that changes something waits longer, since its user would only ask again. A master that is merely busy takes a connection long
/// before that; one that is stopped does not, and somebody waits for the answer.
const TO_CHANGE: Duration = Duration::from_secs(30);

/// The time of a verb. It begins with the first look at it.
#[derive(Debug)]
pub(crate) struct VerbTime {
    /// What was typed.
    limit: Option<Duration>,
    /// How long the master may take to answer, where nothing was typed.
    to_reach: Duration,
    begun: Mutex<Option<Instant>>,
}

impl Default for VerbTime {
    fn default() -> Self {
        Self { limit: None, to_reach: TO_LOOK, begun: Mutex::default() }
    }
}

impl VerbTime {
    /// That of a verb with this timeout; `is_patient`: it changes something, or waits for it.
    pub(super) fn new(limit: Option<Duration>, is_patient: bool) -> Self {
        let to_reach = if is_patient { TO_CHANGE } else { TO_LOOK };
        Self { limit, to_reach, begun: Mutex::default() }
    }

    /// What is left of the timeout that was typed; none: there is none.
    pub(crate) fn left(&self) -> Option<Duration> {
        let limit = self.limit?;
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(begun) = *begun else {
            *begun = Some(Instant::now());
            return Some(limit);
        };
        // It is shown: a fraction of a millisecond says nothing.
        let left = limit.saturating_sub(begun.elapsed()).as_millis();
        Some(Duration::from_millis(u64::try_from(left).unwrap_or(u64::MAX)))
    }

    /// How long the master may take to answer from now on.
    pub(crate) fn to_reach(&self) -> Duration {
        self.left().unwrap_or(self.to_reach)
    }

    /// Whether waiting for the master is as long as the user said.
    pub(crate) const fn is_typed(&self) -> bool {
        self.limit.is_some()
    }

    /// Begins anew: the user was asked, and may have thought for long.
    pub(crate) fn begin_again(&self) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_has_one_time_for_all_its_waits_and_it_begins_again_after_a_question() {
        let time = VerbTime { limit: Some(Duration::from_secs(60)), ..VerbTime::default() };
        *time.begun.lock().unwrap() = Instant::now().checked_sub(Duration::from_secs(59));
        assert!(time.to_reach() <= Duration::from_secs(1));
        *time.begun.lock().unwrap() = Instant::now().checked_sub(Duration::from_secs(61));
        assert_eq!(time.left(), Some(Duration::ZERO));
        time.begin_again();
        assert_eq!(time.left(), Some(Duration::from_secs(60)));
    }
}
