//! What a composite wants done, and how it ends.

use std::fmt;
use std::sync::Arc;

use super::{AppIndex, AppOperation};
use crate::ids::TicketId;
use crate::machine::gate::{DenyReason, Request};

/// What a composite wants done.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum CompositeAction {
    /// Start an app.
    StartApp(AppIndex),
    /// End an app.
    EndApp {
        /// Which one.
        app: AppIndex,
        /// How hard.
        how: Request,
        /// Who asked.
        by: Arc<str>,
    },
    /// Have the master of an app that runs do this with all its workers. That lets it in or refuses, so there is no
    /// [`Admit`](Self::Admit); answer with
    /// [`AppOperated`](super::CompositeInput::AppOperated).
    OperateApp {
        /// Whoever waits for it.
        ticket: TicketId,
        /// Which one.
        app: AppIndex,
        /// What.
        operation: AppOperation,
        /// Who asked.
        by: Arc<str>,
    },
    /// Tell who asked that the operation is under way; its [`Answer`](Self::Answer) follows.
    Admit {
        /// Who.
        ticket: TicketId,
    },
    /// Tell who waits. Without an [`Admit`](Self::Admit) before it, the operation is refused.
    Answer {
        /// Who.
        ticket: TicketId,
        /// What.
        verdict: AppVerdict,
    },
    /// An app that was to go is gone: nothing of it will be asked any more.
    Forget(AppIndex),
    /// Every app is ready.
    ReportStarted,
    /// Nothing is left.
    Finish(End),
}

/// The answer to an operation on one app.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum AppVerdict {
    /// Carried out, or so already.
    Done,
    /// Refused: everything is being ended.
    Ending,
    /// Refused: this app, it or one that it depends on, can't be started now.
    Denied {
        /// Which one.
        app: AppIndex,
        /// Why.
        reason: DenyReason,
    },
    /// Refused: there is no such app any more.
    Unknown,
    /// Refused: one that stays depends on it.
    Needed {
        /// Which one.
        by: AppIndex,
    },
    /// Its start failed; the app's own answer tells why.
    StartFailed,
    /// Its master did not do it, and the master's own answer tells why.
    NotDone,
    /// It was not started, because of an app that it depends on.
    NotStarted(Missing),
    /// Something stronger came between.
    Interrupted {
        /// Who asked for it.
        by: Arc<str>,
    },
    /// A process of it did not end after SIGKILL.
    Unkillable {
        /// Which one.
        pid: u32,
    },
}

/// A dependency that will not be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Missing {
    /// Which app.
    pub dependency: AppIndex,
    /// What became of it.
    pub fate: Fate,
}

/// What became of an app that does not run any more and is not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Fate {
    /// Its workers ended with a success.
    Completed,
    /// Its end was asked for, but not of the supervisor.
    ShutDown,
    /// It failed for good.
    Failed,
    /// It never began, because of an app that it depends on.
    NotStarted,
}

/// A clause for people that fits after "db": "failed".
impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "completed",
            Self::ShutDown => "was shut down",
            Self::Failed => "failed",
            Self::NotStarted => "was not started",
        })
    }
}

/// How an app stands with its supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// Nobody has asked for it yet.
    Idle,
    /// It is to be started, once these are there: its direct dependencies. None: it waits for those that are stopped with it.
    Waiting {
        /// What is missing, in the order in which it was named.
        on: Vec<AppIndex>,
    },
    /// It is being started.
    Starting,
    /// It runs.
    Started,
    /// It is being ended.
    Stopping,
    /// Somebody has stopped it, and nobody has started it since.
    Held,
    /// It does not run any more.
    Ended(Fate),
}

/// How a composite ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum End {
    /// Every app completed on its own, or one that is essential did.
    Completed,
    /// It was asked to end, and every app drained and left.
    ShutDown,
    /// It was asked to end and then hurried.
    Hurried,
    /// It was killed.
    Killed,
    /// An app did not start.
    StartFailed,
    /// An app failed for good.
    Failed,
    /// Its graceful end took longer than the shutdown timeout; what was left was killed.
    TimedOut,
}

impl End {
    /// Which of two ends is told. Force shows where the end was wished for; a timeout is a failure; what went wrong first
    /// stays the reason.
    pub(super) fn or_worse(self, other: Self) -> Self {
        if other.weight() > self.weight() { other } else { self }
    }

    const fn weight(self) -> u8 {
        match self {
            Self::Completed | Self::ShutDown => 0,
            Self::Hurried => 1,
            Self::Killed => 2,
            Self::TimedOut => 3,
            Self::StartFailed | Self::Failed => 4,
        }
    }
}
