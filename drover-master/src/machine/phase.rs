//! The data-free twin of every state: what events, status and logs show.

use std::fmt;

/// Where a worker, a slot or an app stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Phase {
    /// Known, but no process yet.
    Initialized,
    /// A process that is not ready yet.
    Starting,
    /// Ready: it said so, or was alive for `min_uptime`.
    Started,
    /// Asked to cease taking work; draining.
    Stopping,
    /// Drained, alive, takes no work.
    Stopped,
    /// Asked to leave, or being ended.
    ShuttingDown,
    /// Ended as asked, or with a success under the restart policy.
    ShutDown,
    /// Ended otherwise.
    Failed,
    /// A slot without a worker that waits for its next try.
    BackingOff,
}

impl Phase {
    /// Every phase, in the order of a life.
    pub const ALL: [Self; 9] = [
        Self::Initialized,
        Self::Starting,
        Self::Started,
        Self::Stopping,
        Self::Stopped,
        Self::ShuttingDown,
        Self::ShutDown,
        Self::Failed,
        Self::BackingOff,
    ];

    /// The phase as JSON shows it, such as `backing_off`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown => "shutting_down",
            Self::ShutDown => "shut_down",
            Self::Failed => "failed",
            Self::BackingOff => "backing_off",
        }
    }

    /// The word that people read for it, such as `backing off`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Initialized => "not started",
            Self::Starting => "starting",
            Self::Started => "ready",
            Self::Stopping => "draining",
            Self::Stopped => "drained",
            Self::ShuttingDown => "quitting",
            Self::ShutDown => "stopped",
            Self::Failed => "failed",
            Self::BackingOff => "backing off",
        }
    }

    /// Whether nothing follows without a new start.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::ShutDown | Self::Failed)
    }
}

/// The phase in capitals, as the statuses of the Node module were printed: `STARTED`.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Initialized => "INITIALIZED",
            Self::Starting => "STARTING",
            Self::Started => "STARTED",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::ShutDown => "SHUT_DOWN",
            Self::Failed => "FAILED",
            Self::BackingOff => "BACKING_OFF",
        })
    }
}
