//! What is checked, and what came of it. Plain values.

use std::io;
use std::time::Duration;

/// A case, apart from how it is played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    /// Its number, such as `W-HS-01`: the side under test, the group, a number.
    pub(crate) id: &'static str,
    /// The sentence of docs/protocol.md that it checks, word by word.
    pub(crate) sentence: &'static str,
    /// What is done, in a few words.
    pub(crate) done: &'static str,
    /// The capability that it needs of the side under test.
    pub(crate) needs: Option<&'static str>,
}

/// Why a case did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The side under test is at fault.
    Failed(String),
    /// It does not apply.
    Skipped(String),
}

/// The side under test is at fault.
pub(crate) fn failed(why: impl Into<String>) -> Fault {
    Fault::Failed(why.into())
}

/// What came of a case.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) about: About,
    /// `Ok`: passed.
    pub(crate) verdict: Result<(), Fault>,
    pub(crate) took: Duration,
    /// What was said, of a case that failed.
    pub(crate) transcript: Vec<String>,
    /// The last lines that the side under test printed, of a case that failed.
    pub(crate) printed: Vec<String>,
}

/// How many came out how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    pub(crate) fn count(&mut self, verdict: &Result<(), Fault>) {
        match verdict {
            Ok(()) => self.passed += 1,
            Err(Fault::Failed(_)) => self.failed += 1,
            Err(Fault::Skipped(_)) => self.skipped += 1,
        }
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) tally: Tally,
    /// Whether all that was to be told could be written.
    pub(crate) written: io::Result<()>,
    pub(crate) is_interrupted: bool,
}
