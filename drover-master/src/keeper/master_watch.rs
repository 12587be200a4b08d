//! A master that hangs. Where the service manager wants to hear that the service makes progress, the keeper listens too, and acts first:
//! the service manager could only end everything.
//!
//! ```text
//!  silent ── WATCHDOG=1 ──► alive ── nothing for 3/4 of the interval ──► SIGABRT ── 1/8 later, still there ──► SIGKILL
//!    ▲                       │  ▲                                          │
//!    │                       └──┘ WATCHDOG=1                               ▼
//!    └─────────────────────────────────────────────────────────── another master
//! ```

use std::time::Duration;

use nix::sys::signal::{Signal as Number, kill};
use nix::unistd::Pid;

use super::surroundings::{monotonic, tell, tell_service_manager};

/// What a master says of its progress (`sd_notify(3)`).
const PROGRESS: &[u8] = b"WATCHDOG=1";

#[derive(Debug)]
pub(super) struct MasterWatch {
    /// How often the service manager wants to hear something at least. A master says it twice as often.
    interval: Duration,
    state: Liveliness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Liveliness {
    /// This master has said nothing yet: nobody knows how long its start takes.
    Silent,
    /// Its last word came at this time.
    Alive(Duration),
    /// It was told to abort, at this time. A process that is stopped does so only when it goes on.
    Aborted(Duration),
    /// It was killed.
    Killed,
}

/// What is to be done with the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastResort {
    Abort,
    Kill,
}

impl MasterWatch {
    /// None if the service manager does not want to hear anything (`sd_watchdog_enabled(3)`).
    pub(super) fn by_environment() -> Option<Self> {
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let is_meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let interval = number("WATCHDOG_USEC").filter(|interval| is_meant && *interval > 0)?;
        Some(Self { interval: Duration::from_micros(interval), state: Liveliness::Silent })
    }

    /// Another master begins.
    pub(super) fn begin(&mut self) {
        self.state = Liveliness::Silent;
    }

    /// The master has said this to the service manager.
    pub(super) fn hear(&mut self, text: &[u8]) {
        self.take(text, monotonic());
    }

    fn take(&mut self, text: &[u8], now: Duration) {
        let is_progress = text.split(|byte| *byte == b'\n').any(|line| line == PROGRESS);
        if is_progress && matches!(self.state, Liveliness::Silent | Liveliness::Alive(_)) {
            self.state = Liveliness::Alive(now);
        }
    }

    /// When it has to be [looked at](Self::look) again.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.state {
            Liveliness::Silent | Liveliness::Killed => None,
            // A word that is late by half of its time is not late yet.
            Liveliness::Alive(at) => Some(at + self.interval * 3 / 4),
            Liveliness::Aborted(at) => Some(at + self.interval / 8),
        }
    }

    /// Ends the master if it hangs, which is not reaped.
    pub(super) fn look(&mut self, master: i32) {
        let signal = match self.judge(monotonic()) {
            None => return,
            Some(LastResort::Abort) => {
                let after = self.interval * 3 / 4;
                tell(&format!(
                    "the master (pid {master}) hangs: it made no progress for {after:?}; another one follows"
                ));
                // Time for that one.
                tell_service_manager(PROGRESS, None);
                // The core tells where it hung.
                Number::SIGABRT
            }
            Some(LastResort::Kill) => Number::SIGKILL,
        };
        let _ = kill(Pid::from_raw(master), signal);
    }

    fn judge(&mut self, now: Duration) -> Option<LastResort> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        let (next, act) = match self.state {
            Liveliness::Alive(_) => (Liveliness::Aborted(now), LastResort::Abort),
            Liveliness::Aborted(_) => (Liveliness::Killed, LastResort::Kill),
            Liveliness::Silent | Liveliness::Killed => return None,
        };
        self.state = next;
        Some(act)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_master_is_ended_once_it_has_said_nothing_for_too_long_and_killed_if_that_does_not_help() {
        let mut dog = MasterWatch { interval: at(8), state: Liveliness::Silent };
        assert_eq!((dog.judge(at(100)), dog.deadline()), (None, None), "it has not begun");
        dog.take(b"READY=1\nSTATUS=WATCHDOG=1", at(100));
        assert_eq!(dog.state, Liveliness::Silent, "that says nothing of progress");
        for now in [100, 104, 109] {
            dog.take(b"STATUS=fine\nWATCHDOG=1", at(now));
            assert_eq!((dog.judge(at(now + 5)), dog.deadline()), (None, Some(at(now + 6))));
        }
        assert_eq!(dog.judge(at(115)), Some(LastResort::Abort));
        dog.take(PROGRESS, at(115));
        assert_eq!((dog.judge(at(115)), dog.deadline()), (None, Some(at(116))), "too late");
        assert_eq!(dog.judge(at(116)), Some(LastResort::Kill));
        assert_eq!((dog.judge(at(200)), dog.deadline()), (None, None), "it is told to end only once");
        dog.begin();
        dog.take(PROGRESS, at(201));
        assert_eq!(dog.deadline(), Some(at(207)));
    }
}
