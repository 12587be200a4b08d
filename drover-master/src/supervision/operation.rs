//! An operation on one app of a supervisor: which app, and why it may fail.

use std::sync::Arc;

use crate::handle::{EndError, StartError, Unavailable};
use crate::machine::composite::Fate;
use crate::machine::gate::DenyReason;

/// How many requests may wait for the supervisor. It takes each at once.
pub(super) const REQUESTS: usize = 256;

/// Which app of a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppRef<'a> {
    /// The one of this name.
    Name(&'a str),
    /// The one at this place in the order of [`masters`](super::SupervisorHandle::masters).
    Index(usize),
}

impl<'a> From<&'a str> for AppRef<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl<'a> From<&'a String> for AppRef<'a> {
    fn from(name: &'a String) -> Self {
        Self::Name(name)
    }
}

impl From<usize> for AppRef<'_> {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// Why an operation on one app did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// There is no such app: the caller's fault.
    #[error("there is no app `{name}`; there is {known}")]
    UnknownApp {
        /// The name, or the place, that was given.
        name: String,
        /// The names that there are, separated by commas.
        known: String,
    },
    /// Everything is being ended, so nothing is started any more.
    #[error("everything is shutting down")]
    Ending,
    /// The app, or one that it depends on, can't be started now.
    #[error("app `{app}` can't be started now")]
    Denied {
        /// Which one.
        app: Arc<str>,
        /// Why.
        #[source]
        reason: DenyReason,
    },
    /// It can't go: one that stays depends on it.
    #[error("app `{app}` can't go: `{by}` depends on it")]
    Needed {
        /// Which one.
        app: Arc<str>,
        /// Who depends on it.
        by: Arc<str>,
    },
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It was not even tried to start it.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    /// It did not end.
    #[error(transparent)]
    End(#[from] EndError),
    /// Something stronger came between.
    #[error("the start of app `{app}` was interrupted: {by}")]
    Interrupted {
        /// The app.
        app: Arc<str>,
        /// Who asked for it.
        by: Arc<str>,
    },
    /// More operations wait for their verdict than the supervisor keeps.
    #[error("{limit} operations wait for their verdict already; try again")]
    Busy {
        /// The bound.
        limit: usize,
    },
    /// The supervisor has ended, or was let go.
    #[error("the supervisor has ended")]
    Gone,
}

impl From<Unavailable> for AppError {
    fn from(why: Unavailable) -> Self {
        match why {
            Unavailable::Gone => Self::Gone,
            Unavailable::Busy => Self::Busy { limit: REQUESTS },
        }
    }
}

/// An app was not started, because of one that it depends on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("app `{app}` was not started: `{dependency}`, which it depends on, {fate}")]
#[non_exhaustive]
pub struct NotStarted {
    /// The app.
    pub app: Arc<str>,
    /// The one that it depends on.
    pub dependency: Arc<str>,
    /// What became of that.
    pub fate: Fate,
}
