//! Whether to try once more to reach a master, and when: pure, without I/O and without a clock.
//!
//! ```text
//!  nobody holds the socket ──► pauses of 10, 50, 100, 200, 200 … ms, for 1 s ──► the master is dead
//!  somebody holds it ────────► its answer is awaited, until the grace is over ──► the master is dead
//! ```

use std::time::{Duration, Instant};

/// Before the next try, in this order; the last for all that follow. Shorter: a socket that is being mended is knocked at for nothing. Longer:
/// a worker is away from its master for longer than it need be.
pub(super) const PAUSES: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
];

/// How long nobody may be found to hold the socket, half of the grace at most. Shorter: a socket whose path was swept away is not mended in time. Longer: a
/// worker whose master is dead takes work for so long.
const NOBODY: Duration = Duration::from_secs(1);

/// What came of a try to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nobody holds the socket.
    Nobody,
    /// It can't be told: the queue of the socket is full, or this process lacks something.
    Unclear,
    /// Somebody holds the socket, and the connection ended without a verdict.
    Ended,
}

impl Outcome {
    /// What this error of `connect(2)` tells.
    pub(super) fn of_errno(errno: Option<i32>) -> Self {
        match errno {
            Some(libc::EAGAIN | libc::EINTR | libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS) => {
                Self::Unclear
            }
            _ => Self::Nobody,
        }
    }
}

/// The search for a master after the end of a connection.
#[derive(Debug)]
pub(super) struct Comeback {
    ended: Instant,
    grace: Duration,
    tries: usize,
    is_held: bool,
    nobody_since: Option<Instant>,
}

impl Comeback {
    pub(super) fn new(ended: Instant, grace: Duration) -> Self {
        Self { ended, grace, tries: 0, is_held: false, nobody_since: None }
    }

    /// Somebody holds the socket.
    pub(super) fn connected(&mut self) {
        self.is_held = true;
        self.nobody_since = None;
    }

    /// Until when an answer is awaited; `None`: longer than a clock can tell.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ended.checked_add(self.grace)
    }

    /// After how long the next try is due; `None`: the master is dead.
    pub(super) fn pause_after(&mut self, outcome: Outcome, now: Instant) -> Option<Duration> {
        let pause = PAUSES[self.tries.min(PAUSES.len() - 1)];
        self.tries += 1;
        let mut deadline = self.deadline();
        if outcome == Outcome::Nobody {
            let since = *self.nobody_since.get_or_insert(now);
            let patience = since + NOBODY.min(self.grace / 2);
            deadline = Some(deadline.map_or(patience, |deadline| deadline.min(patience)));
        } else {
            self.nobody_since = None;
        }
        let is_in_time = deadline.is_none_or(|deadline| now + pause <= deadline);
        is_in_time.then_some(pause)
    }

    /// Until when the process may live on, given up at `now`. Counted from the end of the connection where nobody ever held the socket.
    pub(super) fn end_of_process(&self, now: Instant) -> Option<Instant> {
        if self.is_held { now } else { self.ended }.checked_add(self.grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(25);

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// The moments of the tries after the first, and the one of giving up, in milliseconds; each try has this outcome.
    fn tries(comeback: &mut Comeback, outcome: Outcome, start: Instant) -> (Vec<u128>, u128) {
        let (mut now, mut moments) = (start, Vec::new());
        while let Some(pause) = comeback.pause_after(outcome, now) {
            now += pause;
            moments.push((now - start).as_millis());
        }
        (moments, (now - start).as_millis())
    }

    #[test]
    fn a_socket_that_nobody_holds_is_tried_for_a_second_or_half_of_a_short_grace() {
        let start = now();
        for (grace, expected) in [
            (GRACE, &[10, 60, 160, 360, 560, 760, 960][..]),
            (Duration::from_secs(1), &[10, 60, 160, 360]),
            (millis(200), &[10, 60]),
            (Duration::ZERO, &[]),
            (Duration::MAX, &[10, 60, 160, 360, 560, 760, 960]),
        ] {
            let mut comeback = Comeback::new(start, grace);
            assert_eq!(tries(&mut comeback, Outcome::Nobody, start).0, expected, "{grace:?}");
            assert_eq!(comeback.end_of_process(start + millis(960)), start.checked_add(grace));
        }
    }

    #[test]
    fn a_socket_that_somebody_holds_is_tried_until_the_grace_is_over() {
        let start = now();
        for outcome in [Outcome::Ended, Outcome::Unclear] {
            let mut comeback = Comeback::new(start, GRACE);
            comeback.connected();
            let (moments, given_up) = tries(&mut comeback, outcome, start);
            assert_eq!(moments[..5], [10, 60, 160, 360, 560]);
            assert!(given_up > 24_700 && given_up <= 25_000, "{given_up}");
            let now = start + GRACE;
            assert_eq!(comeback.end_of_process(now), Some(now + GRACE), "as long again");
        }
    }

    #[test]
    fn the_second_without_anybody_begins_when_the_last_who_held_the_socket_is_gone() {
        let start = now();
        let mut comeback = Comeback::new(start, GRACE);
        comeback.pause_after(Outcome::Nobody, start).unwrap();
        let later = start + Duration::from_secs(10);
        comeback.connected();
        comeback.pause_after(Outcome::Ended, later).unwrap();
        assert_eq!(comeback.pause_after(Outcome::Nobody, later), Some(millis(100)));
        assert_eq!(comeback.pause_after(Outcome::Nobody, later + millis(800)), Some(millis(200)));
        assert_eq!(comeback.pause_after(Outcome::Nobody, later + millis(801)), None);
    }

    #[test]
    fn what_an_error_tells() {
        for (errno, outcome) in [
            (libc::ECONNREFUSED, Outcome::Nobody),
            (libc::ENOENT, Outcome::Nobody),
            (libc::ENOTDIR, Outcome::Nobody),
            (libc::EACCES, Outcome::Nobody),
            (libc::EAGAIN, Outcome::Unclear),
            (libc::EMFILE, Outcome::Unclear),
        ] {
            assert_eq!(Outcome::of_errno(Some(errno)), outcome);
        }
    }
}
