//! Why an operation on a master did not succeed.

use std::sync::Arc;

use crate::config::ConfigError;
use crate::link::DirectoryError;
use crate::listener::ListenError;
use crate::machine::fleet::{NotReloaded, ReloadFailure, StartFailure, Verdict};
use crate::machine::gate::DenyReason;

/// Why a master could not be built. Nothing has been started.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An invalid value: the caller's fault.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// SIGCHLD is ignored, so the kernel would throw away how workers end: the environment's fault, by inheritance.
    #[error("SIGCHLD is ignored, so nobody could tell how a worker ended; call restore_child_signal() first")]
    ChildSignalIgnored,
    /// `build` was called outside a tokio runtime: the caller's fault.
    #[error("a master is built inside a tokio runtime, with its I/O and time enabled")]
    NoRuntime,
}

/// Why a start did not succeed. Nothing of it runs any more, and the app can be started again.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A listener could not be opened: misuse or environment.
    #[error("app `{app}` can't listen")]
    Listen {
        /// The app.
        app: Arc<str>,
        /// Which listener, and why.
        #[source]
        source: Arc<ListenError>,
    },
    /// There is no place for the socket that workers speak on: the environment's fault.
    #[error("app `{app}` can't open the socket for its workers")]
    Link {
        /// The app.
        app: Arc<str>,
        /// Why.
        #[source]
        source: Arc<DirectoryError>,
    },
    /// A worker ended before it was ready: its fault.
    #[error("app `{app}` failed to start: {failure}")]
    Worker {
        /// The app.
        app: Arc<str>,
        /// Which worker, and how it ended.
        failure: StartFailure,
    },
    /// Something stronger came between.
    #[error("the start of app `{app}` was interrupted: {by}")]
    Interrupted {
        /// The app.
        app: Arc<str>,
        /// Who asked for it.
        by: Arc<str>,
    },
    /// A process of it is still there long after SIGKILL; the app has not ended.
    #[error("app `{app}` did not start, and its process {pid} does not end, even by SIGKILL")]
    Unkillable {
        /// The app.
        app: Arc<str>,
        /// The process.
        pid: u32,
    },
    /// It can't be done now.
    #[error("app `{app}` can't be started now")]
    Denied {
        /// The app.
        app: Arc<str>,
        /// Why.
        #[source]
        reason: DenyReason,
    },
    /// The master's task is gone or too busy.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a generation could not be opened.
#[derive(Debug, Clone)]
pub(crate) enum OpenError {
    Listen(Arc<ListenError>),
    Link(Arc<DirectoryError>),
}

/// What may have to be found out before it is told.
pub(crate) trait Opening: Sized {
    /// The error, if a port is in use and nobody has looked by whom.
    fn lacking_holder(&self) -> Option<Arc<ListenError>>;

    /// The same with what was found.
    fn with(self, found: Arc<ListenError>) -> Self;
}

macro_rules! opening {
    ($error:ident) => {
        impl Opening for $error {
            fn lacking_holder(&self) -> Option<Arc<ListenError>> {
                match self {
                    Self::Listen { source, .. } if source.lacks_holder() => Some(Arc::clone(source)),
                    _ => None,
                }
            }

            fn with(self, found: Arc<ListenError>) -> Self {
                match self {
                    Self::Listen { app, .. } => Self::Listen { app, source: found },
                    other => other,
                }
            }
        }
    };
}

opening!(StartError);
opening!(OperateError);

impl StartError {
    pub(crate) fn opening(app: Arc<str>, error: OpenError) -> Self {
        match error {
            OpenError::Listen(source) => Self::Listen { app, source },
            OpenError::Link(source) => Self::Link { app, source },
        }
    }

    pub(crate) fn of(app: Arc<str>, verdict: Verdict) -> Result<(), Self> {
        match verdict {
            Verdict::Done => Ok(()),
            Verdict::Denied(reason) => Err(Self::Denied { app, reason }),
            Verdict::StartFailed(failure) => Err(Self::Worker { app, failure }),
            // A start waits for no rollout.
            Verdict::RolledBack(failure) | Verdict::Paused(failure) => {
                Err(Self::Interrupted { app, by: failure.to_string().into() })
            }
            Verdict::NotReloaded(failure) => Err(Self::Interrupted { app, by: failure.to_string().into() }),
            Verdict::Interrupted { by } => Err(Self::Interrupted { app, by }),
            Verdict::Unkillable { pid } => Err(Self::Unkillable { app, pid }),
        }
    }

    /// The last lines that the failing worker wrote to stderr.
    pub fn last_words(&self) -> &[String] {
        match self {
            Self::Worker { failure, .. } => &failure.exit.stderr_tail,
            Self::Listen { .. }
            | Self::Link { .. }
            | Self::Interrupted { .. }
            | Self::Unkillable { .. }
            | Self::Denied { .. }
            | Self::Unavailable(_) => &[],
        }
    }
}

/// Why an end did not come about.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EndError {
    /// A process is still there long after SIGKILL: it waits in the kernel, for a dead disk perhaps.
    #[error("process {pid} does not end, even by SIGKILL; it waits in the kernel")]
    Unkillable {
        /// The process.
        pid: u32,
    },
    /// The master's task is gone or too busy.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl EndError {
    pub(crate) fn of(verdict: Verdict) -> Result<(), Self> {
        match verdict {
            Verdict::Unkillable { pid } => Err(Self::Unkillable { pid }),
            Verdict::Done
            | Verdict::Denied(_)
            | Verdict::StartFailed(_)
            | Verdict::RolledBack(_)
            | Verdict::Paused(_)
            | Verdict::NotReloaded(_)
            | Verdict::Interrupted { .. } => Ok(()),
        }
    }
}

/// Why an operation on some workers of an app did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OperateError {
    /// It can't be done: there is no such worker, or not now.
    #[error("app `{app}`: {reason}")]
    Denied {
        /// The app.
        app: Arc<str>,
        /// Why.
        reason: DenyReason,
    },
    /// A new worker ended before it was ready: its fault. The restart policy goes on trying.
    #[error("app `{app}`: {failure}")]
    Worker {
        /// The app.
        app: Arc<str>,
        /// Which worker, and how it ended.
        failure: StartFailure,
    },
    /// A reload failed, and every worker is as it was before.
    #[error("app `{app}`: rolled back: {failure}")]
    RolledBack {
        /// The app.
        app: Arc<str>,
        /// Why.
        failure: ReloadFailure,
    },
    /// A reload failed and stays as it is, as its policy says: promote it or abort it.
    #[error("app `{app}`: the reload is paused: {failure}")]
    Paused {
        /// The app.
        app: Arc<str>,
        /// Why.
        failure: ReloadFailure,
    },
    /// A worker did not read its configuration again when it was told to; those after it were not told. All that live serve on.
    #[error("app `{app}`: not reloaded: {failure}")]
    NotReloaded {
        /// The app.
        app: Arc<str>,
        /// Which worker, and why.
        failure: NotReloaded,
    },
    /// A new listener could not be opened: misuse or environment. Nothing has changed.
    #[error("app `{app}` can't listen")]
    Listen {
        /// The app.
        app: Arc<str>,
        /// Which listener, and why.
        #[source]
        source: Arc<ListenError>,
    },
    /// There is no place for the socket that new workers speak on: the environment's fault. Nothing has changed.
    #[error("app `{app}` can't open the socket for its new workers")]
    Link {
        /// The app.
        app: Arc<str>,
        /// Why.
        #[source]
        source: Arc<DirectoryError>,
    },
    /// The new description is invalid: the caller's fault. Nothing has changed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something stronger came between.
    #[error("app `{app}`: interrupted, {by} came between")]
    Interrupted {
        /// The app.
        app: Arc<str>,
        /// Who asked for it.
        by: Arc<str>,
    },
    /// A process is still there long after SIGKILL.
    #[error("app `{app}`: process {pid} does not end, even by SIGKILL; it waits in the kernel")]
    Unkillable {
        /// The app.
        app: Arc<str>,
        /// The process.
        pid: u32,
    },
    /// The master's task is gone or too busy.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl OperateError {
    pub(crate) fn opening(app: Arc<str>, error: OpenError) -> Self {
        match error {
            OpenError::Listen(source) => Self::Listen { app, source },
            OpenError::Link(source) => Self::Link { app, source },
        }
    }

    pub(crate) fn of(app: Arc<str>, verdict: Verdict) -> Result<(), Self> {
        match verdict {
            Verdict::Done => Ok(()),
            Verdict::Denied(reason) => Err(Self::Denied { app, reason }),
            Verdict::StartFailed(failure) => Err(Self::Worker { app, failure }),
            Verdict::RolledBack(failure) => Err(Self::RolledBack { app, failure }),
            Verdict::Paused(failure) => Err(Self::Paused { app, failure }),
            Verdict::NotReloaded(failure) => Err(Self::NotReloaded { app, failure }),
            Verdict::Interrupted { by } => Err(Self::Interrupted { app, by }),
            Verdict::Unkillable { pid } => Err(Self::Unkillable { app, pid }),
        }
    }

    /// The last lines that the failing worker wrote to stderr.
    pub fn last_words(&self) -> &[String] {
        match self {
            Self::Worker { failure, .. } => &failure.exit.stderr_tail,
            Self::RolledBack { failure, .. } | Self::Paused { failure, .. } => failure.last_words(),
            Self::NotReloaded { failure, .. } => &failure.last_words,
            Self::Listen { .. }
            | Self::Link { .. }
            | Self::Config(_)
            | Self::Denied { .. }
            | Self::Interrupted { .. }
            | Self::Unkillable { .. }
            | Self::Unavailable(_) => &[],
        }
    }
}

/// The master's task can't be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// Its runtime was shut down.
    #[error("the master's task is gone: its runtime was shut down")]
    Gone,
    /// More requests wait than it keeps.
    #[error("the master has too many requests waiting; try again")]
    Busy,
}
