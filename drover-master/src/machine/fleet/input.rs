//! What can happen to an app: facts, in the past tense.

use crate::signal::Signal;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Count, Release, ReloadPlan, SocketRenewal, Target};
use crate::ids::{SlotIndex, TicketId, WorkerId};
use crate::machine::gate;
use crate::machine::restart::{Decision, LeaveReason};
use crate::machine::worker::{Identity, WorkerInput};

/// One fact about an app.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum FleetInput {
    /// Somebody wants it started.
    StartRequested {
        /// Who waits.
        ticket: TicketId,
    },
    /// Somebody wants some of its workers started, stopped or restarted.
    OperationRequested {
        /// Who waits.
        ticket: TicketId,
        /// What is wanted.
        request: gate::SlotRequest,
        /// Which workers.
        target: Target,
        /// Who asked, for people.
        by: Arc<str>,
    },
    /// Somebody wants it to have more or fewer workers.
    ScaleRequested {
        /// Who waits.
        ticket: TicketId,
        /// How many.
        count: Count,
        /// The slots in whose own queues connections wait.
        queued: BTreeSet<SlotIndex>,
        /// Who asked, for people.
        by: Arc<str>,
    },
    /// Somebody wants every worker replaced by one of another generation.
    ReloadRequested {
        /// Who waits.
        ticket: TicketId,
        /// How.
        reload: Box<ReloadPlan>,
        /// Who asked, for people.
        by: Arc<str>,
    },
    /// Somebody wants some workers replaced by others of their own generation, each before it leaves if the policy says so.
    RenewalRequested {
        /// Who waits.
        ticket: TicketId,
        /// Which workers.
        target: Target,
        /// Who asked, for people.
        by: Arc<str>,
    },
    /// Somebody wants other policies, with effect from each worker's next step on.
    AdjustmentRequested {
        /// Who waits.
        ticket: TicketId,
        /// The policies, in a release of the generation that there is.
        release: Release,
    },
    /// Somebody wants a rollout that is held to go on, or one with canaries not to be held.
    PromotionRequested {
        /// Who waits.
        ticket: TicketId,
        /// Who asked, for people.
        by: Arc<str>,
    },
    /// Somebody wants everything as it was before the rollout.
    AbortRequested {
        /// Who waits.
        ticket: TicketId,
        /// Who asked, for people.
        by: Arc<str>,
    },
    /// Somebody wants a signal sent to some of its workers: to their processes alone, not to their trees.
    SignalRequested {
        /// Who waits.
        ticket: TicketId,
        /// Which workers.
        target: Target,
        /// The signal's number.
        signal: Signal,
        /// Who asked, for people.
        by: Arc<str>,
    },
    /// Somebody wants what failed before to be forgotten.
    ResetRequested {
        /// Who waits.
        ticket: TicketId,
        /// Which slots.
        target: Target,
        /// Who asked, for people.
        by: Arc<str>,
    },
    /// Somebody wants it ended.
    EndRequested {
        /// Who waits.
        ticket: TicketId,
        /// How hard: [`Shutdown`](gate::Request::Shutdown), [`Hurry`](gate::Request::Hurry) or
        /// [`Kill`](gate::Request::Kill).
        how: gate::Request,
        /// Who asked, for people.
        by: Arc<str>,
    },
    /// Something happened to a worker.
    Worker {
        /// Which one.
        id: WorkerId,
        /// What.
        input: WorkerInput,
    },
    /// Somebody has looked how much memory a worker's process holds.
    Measured {
        /// Whose.
        worker: WorkerId,
        /// Its resident set, in bytes.
        rss: u64,
    },
    /// A socket of the app was lost, and made again if that was possible.
    SocketRenewed {
        /// Which one, and how.
        renewal: Box<SocketRenewal>,
        /// Whether the workers that there are have one that nobody reaches any more.
        outdates_workers: bool,
    },
    /// The program's hook answered [`AskPolicy`](super::FleetAction::AskPolicy).
    ExitDecided {
        /// Who ended, as it was asked.
        worker: Identity,
        /// The answer.
        decision: ExitDecision,
    },
    /// Somebody has looked at the wall clock, which may have been set since.
    ClockRead {
        /// What it shows.
        #[serde(with = "crate::written")]
        wall: SystemTime,
    },
    /// The time of [`Fleet::next_deadline`](super::Fleet::next_deadline) has come.
    TimePassed,
    /// Nobody looked at deadlines for a while.
    WasAway {
        /// By how much they are moved.
        by: Duration,
    },
    /// Another master has taken over from one that is gone.
    MasterReplaced {
        /// How long there was none.
        by: Duration,
    },
}

/// What follows the end of a worker that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum ExitDecision {
    /// Start another one at once.
    Restart,
    /// Start another one after a pause.
    RestartAfter(Duration),
    /// Leave the slot empty.
    Leave,
    /// Shut the app down.
    StopApp,
    /// Shut the app down, and all others beside it.
    StopAll,
}

impl From<Decision> for ExitDecision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Restart { after } if after.is_zero() => Self::Restart,
            Decision::Restart { after } => Self::RestartAfter(after),
            Decision::Leave(_) => Self::Leave,
            Decision::StopApp(_) => Self::StopApp,
            Decision::StopAll(_) => Self::StopAll,
        }
    }
}

impl From<ExitDecision> for Decision {
    fn from(decision: ExitDecision) -> Self {
        match decision {
            ExitDecision::Restart => Self::Restart { after: Duration::ZERO },
            ExitDecision::RestartAfter(after) => Self::Restart { after },
            ExitDecision::Leave => Self::Leave(LeaveReason::Hook),
            ExitDecision::StopApp => Self::StopApp(LeaveReason::Hook),
            ExitDecision::StopAll => Self::StopAll(LeaveReason::Hook),
        }
    }
}
