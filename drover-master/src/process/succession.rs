//! The threads that make processes: one does, and who is stuck is replaced. A pure machine; `spawner.rs` runs it.
//!
//! ```text
//!            stuck for 10 s: its child is killed
//!            for 1 s more: replaced                    comes back
//!   active ─────────────────────────────────► stuck ──────────────► spare
//!     ▲                                                               │
//!     └────────────────── another one is stuck ───────────────────────┘
//! ```
//!
//! A thread never ends: the parent-death signal of what it has made would be sent.

use std::time::Instant;

use crate::sys::{DISCARD_WITHIN, EXEC_WITHIN, MAKERS};

/// Who makes processes. Each thread is known by its place, a number below [`MAKERS`].
#[derive(Debug, Default)]
pub(super) struct Succession {
    /// How many threads there are.
    count: usize,
    active: Option<usize>,
    /// Were stuck, and wait for their turn.
    spares: Vec<usize>,
    /// What the active one is at.
    work: Option<Work>,
}

#[derive(Debug, Clone, Copy)]
struct Work {
    began: Instant,
    is_killed: bool,
}

/// What has to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    /// Kill the child of this one.
    Kill(usize),
    /// Start a thread with this place. If that fails, say [`Succession::not_started`].
    Start(usize),
    /// Wake this spare: it is its turn.
    Wake(usize),
    /// All are stuck.
    Everyone,
}

impl Succession {
    /// For tests that run beside others.
    #[cfg(test)]
    pub(super) fn with_places_from(first: usize) -> Self {
        Self { count: first, ..Self::default() }
    }

    /// Sees to it that one is active.
    pub(super) fn fill(&mut self) -> Need {
        if self.active.is_some() {
            return Need::Nothing;
        }
        self.work = None;
        if let Some(spare) = self.spares.pop() {
            self.active = Some(spare);
            return Need::Wake(spare);
        }
        if self.count == MAKERS {
            return Need::Everyone;
        }
        let place = self.count;
        self.count += 1;
        self.active = Some(place);
        Need::Start(place)
    }

    /// The thread that was just asked for could not be started.
    pub(super) fn not_started(&mut self) {
        self.count -= 1;
        self.active = None;
    }

    /// The active one begins to make a process.
    pub(super) fn begin(&mut self, now: Instant) {
        self.work = Some(Work { began: now, is_killed: false });
    }

    /// One is done with its process. Tells whether the child was killed, because it took too long.
    pub(super) fn end(&mut self, place: usize) -> bool {
        if self.active == Some(place) {
            return self.work.take().is_some_and(|work| work.is_killed);
        }
        match self.active {
            Some(_) => self.spares.push(place),
            None => self.active = Some(place),
        }
        true
    }

    pub(super) fn is_active(&self, place: usize) -> bool {
        self.active == Some(place)
    }

    /// Looks whether the active one is stuck.
    pub(super) fn look(&mut self, now: Instant) -> Need {
        let (Some(place), Some(work)) = (self.active, &mut self.work) else { return Need::Nothing };
        let passed = now.saturating_duration_since(work.began);
        match work.is_killed {
            false if passed >= EXEC_WITHIN => {
                work.is_killed = true;
                Need::Kill(place)
            }
            true if passed >= EXEC_WITHIN + DISCARD_WITHIN => {
                self.active = None;
                self.fill()
            }
            _ => Need::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::machine::testing::origin;

    const SECOND: Duration = Duration::from_secs(1);

    /// Lets the active one hang, and tells what comes of it.
    fn hang(succession: &mut Succession, now: &mut Instant) -> Need {
        let active = succession.active.expect("one is active");
        succession.begin(*now);
        assert_eq!(succession.look(*now + EXEC_WITHIN - SECOND / 2), Need::Nothing);
        assert_eq!(succession.look(*now + EXEC_WITHIN), Need::Kill(active));
        assert_eq!(succession.look(*now + EXEC_WITHIN), Need::Nothing, "it is given time to die");
        *now += EXEC_WITHIN + DISCARD_WITHIN;
        succession.look(*now)
    }

    #[test]
    fn who_is_done_in_time_is_left_alone() {
        let (mut succession, now) = (Succession::default(), origin());
        assert_eq!(succession.fill(), Need::Start(0));
        succession.begin(now);
        assert!(!succession.end(0));
        assert_eq!(succession.look(now + 60 * SECOND), Need::Nothing, "nobody is at work");
        succession.begin(now + 60 * SECOND);
        assert_eq!(succession.look(now + 61 * SECOND), Need::Nothing, "what counts is this child");
    }

    #[test]
    fn a_child_that_dies_of_the_kill_costs_no_thread() {
        let (mut succession, now) = (Succession::default(), origin());
        succession.fill();
        succession.begin(now);
        assert_eq!(succession.look(now + EXEC_WITHIN), Need::Kill(0));
        assert!(succession.end(0), "and its maker knows why it died");
        assert!(succession.is_active(0));
        assert_eq!(succession.look(now + 60 * SECOND), Need::Nothing);
    }

    #[test]
    fn who_comes_back_is_the_next_to_take_over() {
        let (mut succession, mut now) = (Succession::default(), origin());
        succession.fill();
        assert_eq!(hang(&mut succession, &mut now), Need::Start(1));
        assert!(succession.end(0));
        assert!(!succession.is_active(0), "one of them works");
        assert_eq!(hang(&mut succession, &mut now), Need::Wake(0));
        assert!(succession.is_active(0));
    }

    #[test]
    fn threads_are_bounded_and_the_first_to_come_back_goes_on() {
        let (mut succession, mut now) = (Succession::default(), origin());
        succession.fill();
        for place in 1..MAKERS {
            assert_eq!(hang(&mut succession, &mut now), Need::Start(place));
        }
        assert_eq!(hang(&mut succession, &mut now), Need::Everyone);
        assert_eq!(succession.fill(), Need::Everyone);
        assert!(succession.end(4));
        assert!(succession.is_active(4));
        assert_eq!(succession.fill(), Need::Nothing);
    }

    #[test]
    fn a_thread_that_could_not_be_started_is_asked_for_again() {
        let mut succession = Succession::default();
        assert_eq!(succession.fill(), Need::Start(0));
        succession.not_started();
        assert_eq!(succession.fill(), Need::Start(0));
    }
}
