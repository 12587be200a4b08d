//! The requests of one worker that are not answered yet: those it has made, and those that were put to it.
//!
//! ```text
//!              asked                      answered, refused
//!  (nothing) ────────► open at the asker ──────────────────► (nothing)     whoever takes the entry answers, so there is one
//!                                           late, gone                      answer
//!
//!              sent                       replied
//!  (nothing) ────────► owed by the asked ──────────► (nothing)
//!                              │ the asker does not wait any more        replied
//!                              └────────────────────────────────► late ─────────► (nothing)
//! ```
//!
//! An answer to what is neither owed nor late answers nothing.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::answer::Answer;

/// How many requests a worker may have open. Each costs about 200 bytes; one that asks more than this at a time does not wait for
/// its answers.
pub(super) const OPEN: usize = 1024;

/// How many requests are remembered whose answers would come too late. Fewer: such an answer looks like a worker's mistake.
const LATE: usize = 1024;

/// Whoever waits for the answer to a request.
#[derive(Debug)]
pub(super) enum Asker<P> {
    /// The program.
    Program(oneshot::Sender<Answer>),
    /// A worker, which calls it by this number.
    Worker(P, u64),
}

/// A request that a worker has made.
#[derive(Debug)]
pub(super) struct Open<P> {
    /// When it is answered with DEADLINE.
    pub(super) deadline: Instant,
    /// Whom it was put to, and how it is called there. None: the program.
    pub(super) asked: Option<(P, u64)>,
}

/// An open request with its number.
type NumberedOpen<P> = (u64, Open<P>);

/// Why a request can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotOpened {
    /// The worker has [`OPEN`] already.
    TooMany,
    /// One with this number is open.
    Twice,
}

/// What an answer was to.
#[derive(Debug)]
pub(super) enum Answered<P> {
    Owed(Asker<P>),
    /// It comes too late; nobody is to blame.
    Late,
    Nothing,
}

/// Both books of one worker. `P` is what finds another worker.
#[derive(Debug)]
pub(super) struct Ledger<P> {
    open: HashMap<u64, Open<P>>,
    owed: HashMap<u64, Asker<P>>,
    late: VecDeque<u64>,
}

impl<P> Default for Ledger<P> {
    fn default() -> Self {
        Self { open: HashMap::new(), owed: HashMap::new(), late: VecDeque::new() }
    }
}

impl<P> Ledger<P> {
    /// The worker asks something.
    pub(super) fn open(&mut self, seq: u64, open: Open<P>) -> Result<(), NotOpened> {
        if self.open.contains_key(&seq) {
            return Err(NotOpened::Twice);
        }
        if self.open.len() >= OPEN {
            return Err(NotOpened::TooMany);
        }
        self.open.insert(seq, open);
        Ok(())
    }

    /// It is to be answered by whoever gets this.
    pub(super) fn close(&mut self, seq: u64) -> Option<Open<P>> {
        self.open.remove(&seq)
    }

    /// Moves the deadline of the request with this number, if it is this one; tells whether it was.
    pub(super) fn postpone(&mut self, seq: u64, until: Instant, by: Duration) -> bool {
        let open = self.open.get_mut(&seq).filter(|open| open.deadline == until);
        open.is_some_and(|open| {
            open.deadline += by;
            true
        })
    }

    /// The worker is asked something.
    pub(super) fn owe(&mut self, seq: u64, asker: Asker<P>) {
        self.owed.insert(seq, asker);
    }

    /// The worker answers.
    pub(super) fn answered(&mut self, seq: u64) -> Answered<P> {
        if let Some(asker) = self.owed.remove(&seq) {
            return Answered::Owed(asker);
        }
        match self.late.iter().position(|late| *late == seq) {
            Some(at) => {
                self.late.remove(at);
                Answered::Late
            }
            None => Answered::Nothing,
        }
    }

    /// Nobody waits any more for what the worker was asked.
    pub(super) fn give_up(&mut self, seq: u64) {
        if self.owed.remove(&seq).is_some() {
            if self.late.len() >= LATE {
                self.late.pop_front();
            }
            self.late.push_back(seq);
        }
    }

    /// The worker was not asked after all.
    pub(super) fn take_back(&mut self, seq: u64) {
        self.owed.remove(&seq);
    }

    /// The worker is gone: whoever waits for it, and what it waited for.
    pub(super) fn settle(&mut self) -> (Vec<Asker<P>>, Vec<NumberedOpen<P>>) {
        let (owed, open) = (std::mem::take(&mut self.owed), std::mem::take(&mut self.open));
        (owed.into_values().collect(), open.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Open<()> {
        Open { deadline: Instant::now(), asked: None }
    }

    fn program() -> Asker<()> {
        Asker::Program(oneshot::channel().0)
    }

    #[tokio::test]
    async fn a_request_is_closed_once_and_its_number_is_free_again() {
        let mut ledger = Ledger::<()>::default();
        assert_eq!(ledger.open(7, open()), Ok(()));
        assert_eq!(ledger.open(7, open()), Err(NotOpened::Twice));
        assert!(ledger.close(7).is_some());
        assert!(ledger.close(7).is_none());
        assert_eq!(ledger.open(7, open()), Ok(()));
    }

    #[tokio::test]
    async fn so_many_are_open_and_no_more() {
        let mut ledger = Ledger::<()>::default();
        for seq in 0..OPEN as u64 {
            assert_eq!(ledger.open(seq, open()), Ok(()));
        }
        assert_eq!(ledger.open(OPEN as u64, open()), Err(NotOpened::TooMany));
        ledger.close(3);
        assert_eq!(ledger.open(OPEN as u64, open()), Ok(()));
    }

    #[test]
    fn an_answer_is_owed_or_late_once_and_then_answers_nothing() {
        let mut ledger = Ledger::<()>::default();
        ledger.owe(1, program());
        ledger.owe(2, program());
        ledger.give_up(2);
        ledger.owe(3, program());
        ledger.take_back(3);
        let mut kinds = [1, 1, 2, 2, 3, 4].map(|seq| match ledger.answered(seq) {
            Answered::Owed(_) => "owed",
            Answered::Late => "late",
            Answered::Nothing => "nothing",
        });
        assert_eq!(kinds, ["owed", "nothing", "late", "nothing", "nothing", "nothing"]);
        // What is given up twice, or after its answer, is not late.
        ledger.give_up(1);
        kinds[0] = if matches!(ledger.answered(1), Answered::Nothing) { "nothing" } else { "late" };
        assert_eq!(kinds[0], "nothing");
    }

    #[test]
    fn only_the_newest_late_ones_are_remembered() {
        let mut ledger = Ledger::<()>::default();
        for seq in 0..=LATE as u64 {
            ledger.owe(seq, program());
            ledger.give_up(seq);
        }
        assert!(matches!(ledger.answered(0), Answered::Nothing));
        assert!(matches!(ledger.answered(1), Answered::Late));
    }

    #[tokio::test]
    async fn whoever_waits_for_a_worker_that_is_gone_is_known() {
        let mut ledger = Ledger::<()>::default();
        ledger.owe(1, program());
        ledger.open(9, open()).unwrap();
        let (askers, opened) = ledger.settle();
        assert_eq!((askers.len(), opened[0].0), (1, 9));
        assert!(matches!(ledger.answered(1), Answered::Nothing));
    }
}
