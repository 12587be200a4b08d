//! A case and how it is played.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::case::{About, Fault};

/// A case that is under way.
pub(crate) type Playing<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'a>>;

/// A case, played on a stage of this kind.
pub(crate) struct Case<S> {
    pub(crate) about: About,
    pub(super) play: for<'a> fn(&'a mut S) -> Playing<'a>,
}

impl<S> Case<S> {
    pub(super) const fn new(
        id: &'static str,
        done: &'static str,
        sentence: &'static str,
        play: for<'a> fn(&'a mut S) -> Playing<'a>,
    ) -> Self {
        Self { about: About { id, sentence, done, needs: None }, play }
    }

    /// Only where the side under test has this capability.
    pub(super) const fn needs(mut self, capability: &'static str) -> Self {
        self.about.needs = Some(capability);
        self
    }
}

// By hand, because a case is copied whatever its stage is.
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
