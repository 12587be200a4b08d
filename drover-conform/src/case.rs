//! A case: what it checks, how it is played, and its outcome.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// What a case checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct About {
    /// Its number, such as `W-HS-01`: the side under test, the group, a number.
    pub id: &'static str,
    /// The sentence of docs/reference/protocol.md that it checks, word for word.
    pub sentence: &'static str,
    /// What it does, in a few words.
    pub done: &'static str,
    /// The capability that the side under test needs for it.
    pub needs: Option<&'static str>,
}

impl About {
    /// The group, such as `HS` of `W-HS-01`.
    pub fn group(&self) -> &'static str {
        self.id.split('-').nth(1).unwrap_or_default()
    }
}

/// Why a case did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The side under test is at fault.
    Failed(String),
    /// The case does not apply.
    Skipped(String),
}

impl Fault {
    /// The reason.
    pub fn why(&self) -> &str {
        match self {
            Self::Failed(why) | Self::Skipped(why) => why,
        }
    }
}

/// The side under test is at fault.
pub(crate) fn failed(why: impl Into<String>) -> Fault {
    Fault::Failed(why.into())
}

/// How a case came out.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// Which case.
    pub about: About,
    /// `Ok`: it passed.
    pub verdict: Result<(), Fault>,
    /// How long it took.
    pub took: Duration,
    /// What was said on the connection, if the case failed.
    pub transcript: Vec<String>,
    /// The last lines that the side under test printed, if the case failed.
    pub printed: Vec<String>,
}

impl Outcome {
    /// An outcome without evidence.
    pub fn new(about: About, verdict: Result<(), Fault>, took: Duration) -> Self {
        Self { about, verdict, took, transcript: Vec::new(), printed: Vec::new() }
    }
}

/// How many cases came out which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// They passed.
    pub passed: usize,
    /// The side under test is at fault.
    pub failed: usize,
    /// They do not apply, or were interrupted.
    pub skipped: usize,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Played {
    /// How its cases came out.
    pub tally: Tally,
    /// Whether it was interrupted before the last of them.
    pub is_interrupted: bool,
}

/// A case under way.
pub(crate) type Playing<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'a>>;

/// A case that is played on a stage of this kind.
pub(crate) struct Case<S> {
    pub(crate) about: About,
    pub(crate) play: for<'a> fn(&'a mut S) -> Playing<'a>,
}

impl<S> Case<S> {
    pub(crate) const fn new(
        id: &'static str,
        done: &'static str,
        sentence: &'static str,
        play: for<'a> fn(&'a mut S) -> Playing<'a>,
    ) -> Self {
        Self { about: About { id, sentence, done, needs: None }, play }
    }

    /// Only where the side under test has this capability.
    pub(crate) const fn needs(mut self, capability: &'static str) -> Self {
        self.about.needs = Some(capability);
        self
    }
}

// By hand: a case is copied whatever its stage is.
impl<S> Clone for Case<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Case<S> {}

impl<S> fmt::Debug for Case<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.about.fmt(f)
    }
}
