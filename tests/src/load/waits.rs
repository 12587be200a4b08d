//! What whoever replaces workers has to wait for, by the workers' own notes: their start, and their end.

use std::time::{Duration, SystemTime};

use super::notes::Life;

/// How long the workers themselves took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// From the moment at which the first new one ran until the last served.
    pub start: Duration,
    /// From the moment at which the first old one took no more connections until the last had ended.
    pub drain: Duration,
}

impl Waits {
    /// Of the notes that were taken meanwhile; zero for what nobody did.
    pub fn of(timeline: &[(SystemTime, Life)]) -> Self {
        let span = |begins: fn(&Life) -> bool, ends: fn(&Life) -> bool| {
            let first = timeline.iter().find(|(_, life)| begins(life)).map(|(when, _)| *when);
            let last = timeline.iter().rev().find(|(_, life)| ends(life)).map(|(when, _)| *when);
            first.zip(last).and_then(|(first, last)| last.duration_since(first).ok()).unwrap_or_default()
        };
        Self {
            start: span(
                |life| matches!(life, Life::Begins { .. }),
                |life| matches!(life, Life::Serves { .. }),
            ),
            drain: span(|life| matches!(life, Life::Ceases { .. }), |life| matches!(life, Life::Ends { .. })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_until_the_last_serves_and_a_drain_until_the_last_has_ended() {
        let serves = |pid| Life::Serves { pid, slot: 0, port: 80, generation: 1 };
        let timeline = [
            (1, Life::Begins { pid: 3 }),
            (2, Life::Begins { pid: 4 }),
            (9, serves(3)),
            (10, Life::Ceases { pid: 1 }),
            (12, serves(4)),
            (13, Life::Ceases { pid: 2 }),
            (15, Life::Ends { pid: 2 }),
            (70, Life::Ends { pid: 1 }),
        ];
        let at = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        let waits = Waits::of(&timeline.map(|(ms, life)| (at(ms), life)));
        assert_eq!((waits.start.as_millis(), waits.drain.as_millis()), (11, 60));
        assert_eq!(Waits::of(&[]), Waits::default());
    }
}
