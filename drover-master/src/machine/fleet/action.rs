//! What an app's machine wants done, and what it answers.

use std::fmt;
use std::sync::Arc;

use super::{ExitDecision, FleetEvent, NotReloaded, ReloadFailure};
use crate::ids::{SlotIndex, TicketId, WorkerId};
use crate::machine::exit::Exit;
use crate::machine::gate::DenyReason;
use crate::machine::restart::LeaveReason;
use crate::machine::worker::{Identity, WorkerAction};

/// Who asked for an end that a failed start brought about.
pub const FAILED_START: &str = "a failed start";

/// One thing to be done for an app.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum FleetAction {
    /// Create the process of this worker.
    Spawn(Identity),
    /// Do this for a worker.
    Worker {
        /// Which one.
        id: WorkerId,
        /// What.
        action: WorkerAction,
    },
    /// The worker is gone: let go of all that belonged to it.
    Forget {
        /// Which one.
        id: WorkerId,
    },
    /// Ask the program's hook what follows this end; answer with
    /// [`ExitDecided`](super::FleetInput::ExitDecided).
    AskPolicy {
        /// Who ended.
        worker: Identity,
        /// How.
        exit: Arc<Exit>,
        /// What the restart policy would do.
        proposed: ExitDecision,
    },
    /// Tell everybody.
    Publish(FleetEvent),
    /// Tell who waits.
    Answer {
        /// Who.
        ticket: TicketId,
        /// What.
        verdict: Verdict,
    },
    /// The app has ended; close its listeners.
    End(Outcome),
}

/// The answer to an operation.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Verdict {
    /// Carried out, or so already.
    Done,
    /// Refused.
    Denied(DenyReason),
    /// The start failed: of the app, or of a worker in one of the slots that were asked for.
    StartFailed(StartFailure),
    /// A rollout failed, and everything is as it was before.
    RolledBack(ReloadFailure),
    /// A rollout failed, and stays as it is until somebody promotes or aborts it.
    Paused(ReloadFailure),
    /// A worker did not read its configuration again, and those after it were not asked to.
    NotReloaded(NotReloaded),
    /// Something stronger came between.
    Interrupted {
        /// Who asked for it.
        by: Arc<str>,
    },
    /// A process did not end after SIGKILL.
    Unkillable {
        /// Which one.
        pid: u32,
    },
}

/// How the life of an app ended.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Outcome {
    /// Every worker ended with a success, and none was to be restarted.
    Completed,
    /// It was asked to end.
    ShutDown {
        /// By whom.
        by: Arc<str>,
    },
    /// It was killed.
    Killed {
        /// By whom.
        by: Arc<str>,
    },
    /// It never came to be ready.
    StartFailed(StartFailure),
    /// Its workers failed, and the policy ended it.
    Failed {
        /// Why it was not tried again.
        reason: LeaveReason,
        /// Whether the policy asks for the end of all apps.
        stop_all: bool,
    },
}

impl Outcome {
    /// Whether it ended as somebody wished, or completed.
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Completed | Self::ShutDown { .. } | Self::Killed { .. })
    }
}

/// A clause for people that fits after "app web": "completed".
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::ShutDown { by } => write!(f, "shut down, asked by {by}"),
            Self::Killed { by } => write!(f, "killed, asked by {by}"),
            Self::StartFailed(failure) => write!(f, "failed to start: {failure}"),
            Self::Failed { reason, .. } => write!(f, "failed: {}", reason.text()),
        }
    }
}

/// The worker that made a start fail.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct StartFailure {
    /// Its slot.
    pub slot: SlotIndex,
    /// Its id.
    pub worker: WorkerId,
    /// How it ended.
    pub exit: Arc<Exit>,
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} {}", self.slot, self.exit)
    }
}
