//! How long a verb waits: by its `--timeout`, or by its kind.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Intent, Verb};

/// Who looks at a master that is busy is told so soon.
const TO_LOOK: Duration = Duration::from_secs(5);

/// Who wants something done would ask again. A master that is only busy takes a connection long before that; one that is stopped does not,
/// and somebody waits for the answer.
const TO_CHANGE: Duration = Duration::from_secs(30);

/// The time of a verb. It begins with the first look at it.
#[derive(Debug)]
pub(crate) struct Time {
    /// What was typed.
    limit: Option<Duration>,
    /// How long the master may take to answer, where nothing was typed.
    to_reach: Duration,
    begun: Mutex<Option<Instant>>,
}

impl Default for Time {
    fn default() -> Self {
        Self { limit: None, to_reach: TO_LOOK, begun: Mutex::default() }
    }
}

impl Time {
    /// That of a verb as it was typed.
    pub(crate) fn of(verb: &Verb) -> Self {
        let waits = verb.intent() != Intent::Looks || matches!(verb, Verb::Wait(_) | Verb::Up(_));
        let to_reach = if waits { TO_CHANGE } else { TO_LOOK };
        Self { limit: timeout(verb), to_reach, begun: Mutex::default() }
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

/// The timeout that was typed for a verb that asks a master.
fn timeout(verb: &Verb) -> Option<Duration> {
    match verb {
        Verb::Start(args) | Verb::Suspend(args) | Verb::Resume(args) => args.waiting.timeout,
        Verb::Stop(args) => args.operate.waiting.timeout,
        Verb::Restart(args) => args.operate.waiting.timeout,
        Verb::Reload(args) => args.waiting.timeout,
        Verb::Scale(args) => args.waiting.timeout,
        Verb::Apply(args) => args.waiting.timeout,
        Verb::Wait(args) => args.timeout,
        Verb::Send(args) => args.timeout,
        Verb::Up(args) => args.timeout,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::Cli;
    use super::*;

    #[test]
    fn a_busy_master_is_waited_for_as_long_as_the_verb_says() {
        let time = |line: &str| {
            let words = ["drover"].into_iter().chain(line.split(' '));
            Time::of(&Cli::try_parse_from(words).unwrap().verb)
        };
        for (line, seconds) in [
            ("status", 5),
            ("logs web", 5),
            ("diff", 30),
            ("down", 30),
            ("stop web", 30),
            ("wait web", 30),
            ("stop web --timeout 90s", 90),
            ("start web --timeout 90s", 90),
            ("restart web --timeout 90s", 90),
            ("scale web=1 --timeout 90s", 90),
            ("reload web --timeout 90s", 90),
            ("apply --timeout 90s", 90),
            ("wait web --timeout 90s", 90),
            ("send web hello --request --timeout 90s", 90),
        ] {
            let time = time(line);
            assert_eq!(time.to_reach(), Duration::from_secs(seconds), "{line}");
            assert_eq!(time.left().is_some(), line.contains("--timeout"), "{line}");
        }
    }

    #[test]
    fn all_that_a_verb_waits_for_has_one_time_which_begins_anew_after_a_question() {
        let time = Time { limit: Some(Duration::from_secs(60)), ..Time::default() };
        *time.begun.lock().unwrap() = Instant::now().checked_sub(Duration::from_secs(59));
        assert!(time.to_reach() <= Duration::from_secs(1));
        *time.begun.lock().unwrap() = Instant::now().checked_sub(Duration::from_secs(61));
        assert_eq!(time.left(), Some(Duration::ZERO));
        time.begin_again();
        assert_eq!(time.left(), Some(Duration::from_secs(60)));
    }
}
