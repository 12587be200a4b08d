//! What a composite is told.

use std::sync::Arc;
use std::time::Duration;

use super::{AppIndex, CompositeRules, Plan};
use crate::ids::TicketId;
use crate::machine::fleet::Outcome;
use crate::machine::gate::Request;

/// What can happen to a composite.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum CompositeInput {
    /// It is to be started.
    StartRequested,
    /// An app is ready as a whole.
    AppStarted(AppIndex),
    /// An app's start failed before its life began: a port in use, say.
    AppNotStarted(AppIndex),
    /// An app has ended.
    AppEnded(AppIndex, Outcome),
    /// The master of an app has answered what was [passed on](super::CompositeAction::OperateApp) to it.
    AppOperated {
        /// Whoever waits for it.
        ticket: TicketId,
        /// Which one.
        app: AppIndex,
        /// Whether it was done.
        is_done: bool,
    },
    /// A process of an app is still there long after SIGKILL, so the app has not ended; nobody waits for that any longer.
    AppUnkillable {
        /// Which one.
        app: AppIndex,
        /// The process.
        pid: u32,
    },
    /// Somebody wants something done to one app.
    OperationRequested {
        /// Whoever waits for the verdict.
        ticket: TicketId,
        /// Which one.
        app: AppIndex,
        /// What.
        operation: AppOperation,
        /// Who asked.
        by: Arc<str>,
    },
    /// There are other apps, or other rules.
    Reconfigured {
        /// All apps, also those that are to be removed, and what they are to each other from now on. Those that are new
        /// are idle until somebody has them started.
        plan: Plan,
        /// The rules from now on.
        rules: CompositeRules,
    },
    /// Somebody wants the end.
    EndRequested {
        /// How hard.
        how: Request,
        /// Who.
        by: Arc<str>,
    },
    /// [`next_deadline`](super::Composite::next_deadline) may have come.
    TimePassed,
    /// Nobody looked at the deadline for a while.
    WasAway {
        /// By how much it is moved.
        by: Duration,
    },
}

impl CompositeInput {
    /// The app that it is news of.
    pub(super) const fn news_of(&self) -> Option<AppIndex> {
        match self {
            Self::AppStarted(app)
            | Self::AppNotStarted(app)
            | Self::AppEnded(app, _)
            | Self::AppOperated { app, .. }
            | Self::AppUnkillable { app, .. } => Some(*app),
            Self::StartRequested
            | Self::OperationRequested { .. }
            | Self::Reconfigured { .. }
            | Self::EndRequested { .. }
            | Self::TimePassed
            | Self::WasAway { .. } => None,
        }
    }
}

/// What can be asked of one app while the others go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum AppOperation {
    /// Start it, and first what it depends on; of one that runs, the workers that are down.
    Start,
    /// End it and hold it: it stays down until somebody starts it. Those that depend on it are left alone.
    Stop(Request),
    /// Restart its workers; start it, if it does not run.
    Restart,
    /// End it and forget it. Who depends on it has to be removed before.
    Remove,
}
