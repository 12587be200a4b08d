//! What the worker is asked to do, and by whom.

use tokio::time::Instant;

/// The request to take no new work, finish what is under way and say
/// [`stopped`](crate::MessageBus::stopped). The process stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopRequest {
    /// Until when the worker is waited for. `None`: nobody named a time.
    pub deadline: Option<Instant>,
    /// Who or what asks.
    pub cause: StopCause,
}

/// Why a worker is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopCause {
    /// The master said so: Stop, or Quit without a Stop before.
    Master,
    /// The connection to the master ended. The process is ended by force at the request's deadline.
    MasterGone,
    /// SIGINT or SIGTERM, in standalone mode.
    Signal,
}

/// The request to leave: release everything, say [`shut_down`](crate::MessageBus::shut_down), exit with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuitRequest {
    /// Until when the worker is waited for. `None`: nobody named a time.
    pub deadline: Option<Instant>,
}

/// What was asked so far. Entries come and never go.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Requests {
    pub(crate) stop: Option<StopRequest>,
    pub(crate) quit: Option<QuitRequest>,
}
