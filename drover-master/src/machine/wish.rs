//! Which signals are one wish. A Ctrl-C reaches a master that a wrapper has started twice: from the terminal, and once more from
//! the wrapper that passes it on. Nobody has pressed it twice.

use std::time::{Duration, Instant};

/// What comes so soon after a signal that counted is the same wish. A wrapper passes a signal on within milliseconds, on a busy
/// machine within tens of them; who is impatient has looked at the screen first.
pub const SAME_WISH: Duration = Duration::from_millis(500);

/// The signals that ask for the end.
#[derive(Debug, Default)]
pub struct Wishes {
    last: Option<Instant>,
}

impl Wishes {
    /// Takes a signal, of whatever kind, and tells whether it is a wish of its own. Counted from the last one that was, so that whoever
    /// keeps pressing makes progress.
    pub fn is_new(&mut self, now: Instant) -> bool {
        let is_new = self.last.is_none_or(|last| now.saturating_duration_since(last) >= SAME_WISH);
        if is_new {
            self.last = Some(now);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test invents the time, and needs one to begin with")]
    fn what_follows_a_signal_within_half_a_second_is_the_same_wish() {
        let start = Instant::now();
        for (name, signals) in [
            ("one press", &[(0, true)][..]),
            ("passed on by a wrapper", &[(0, true), (5, false), (6, false)]),
            ("two presses, each passed on", &[(0, true), (5, false), (700, true), (705, false)]),
            ("a second later", &[(0, true), (1000, true), (2000, true)]),
            ("the limit", &[(0, true), (499, false), (500, true)]),
            ("hammered", &[(0, true), (200, false), (400, false), (600, true), (800, false), (1100, true)]),
        ] {
            let mut wishes = Wishes::default();
            for (at, is_new) in signals {
                assert_eq!(wishes.is_new(start + Duration::from_millis(*at)), *is_new, "{name} at {at}");
            }
        }
    }
}
