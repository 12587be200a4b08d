//! Why a change could not be planned, begun, or brought about.

use std::sync::Arc;
use std::time::Duration;

use crate::config::ConfigError;
use crate::handle::{BuildError, OperateError};
use crate::supervision::operation::AppError;

/// Why it can't be told what is to be changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// There is nothing to be read again.
    #[error("this master was not started from a file, so there is none to compare with or to apply")]
    NoFile,
    /// The file has mistakes, or can't be read: the user's fault.
    #[error("{text}")]
    Refused {
        /// Every mistake, as it is to be shown.
        text: String,
    },
    /// What the file says can't be run: the user's fault.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No description was applied to it since this master started: there is none to go back to.
    #[error(
        "app `{app}` has no earlier description to go back to: none was applied since this master started"
    )]
    NothingEarlier {
        /// The app.
        app: String,
    },
    /// The disk, or who knows the users, does not answer.
    #[error("the file and what it names could not be read within {limit:?}")]
    Slow {
        /// The bound.
        limit: Duration,
    },
}

/// Why an apply was refused. Nothing has been touched.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// One is under way.
    #[error("another apply is under way, asked by {by}; wait for its end")]
    Busy {
        /// Who asked for that.
        by: Arc<str>,
    },
    /// Everything is being ended.
    #[error("everything is shutting down")]
    Ending,
    /// An app can't be made.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The supervisor has ended, or was let go.
    #[error("the supervisor has ended")]
    Gone,
}

/// Why an app could not be brought to its description.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// It did not start, stop or go.
    #[error(transparent)]
    App(#[from] AppError),
    /// Its workers could not be changed.
    #[error(transparent)]
    Workers(#[from] OperateError),
    /// Its master can't be made.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Somebody has started it meanwhile.
    #[error("app `{app}` was started by somebody else meanwhile")]
    NotAtRest {
        /// The app.
        app: String,
    },
    /// Nor does it start as it was before.
    #[error("{first}; nor does it start as it was before: {again}")]
    Down {
        /// Why the new one did not start.
        first: Box<Self>,
        /// Why the old one does not.
        again: AppError,
    },
}

impl StepError {
    /// The last lines that the failing worker wrote to stderr.
    pub fn last_words(&self) -> &[String] {
        match self {
            Self::App(AppError::Start(error)) => error.last_words(),
            Self::Workers(error) => error.last_words(),
            Self::Down { first, .. } => first.last_words(),
            Self::App(_) | Self::Build(_) | Self::NotAtRest { .. } => &[],
        }
    }
}
