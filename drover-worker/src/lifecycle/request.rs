//! What the worker is asked to do, and by whom.

use std::time::{Duration, Instant};

/// The request to take no new work, finish what is under way and say
/// [`stopped`](crate::MessageBus::stopped). The process stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopRequest {
    /// Until when the master waits for the worker. `None`: nobody named a time. For tokio's timers: `sleep_until(deadline.into())`.
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
    /// The connection to the master ended, and no other followed. The process is ended by force at the request's deadline.
    MasterGone,
    /// SIGINT or SIGTERM in standalone mode; under a master, SIGTERM that it has not sent.
    Signal,
}

/// The request to leave: release everything, say [`shut_down`](crate::MessageBus::shut_down), exit with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuitRequest {
    /// Until when the master waits for the worker. `None`: nobody named a time. For tokio's timers: `sleep_until(deadline.into())`.
    pub deadline: Option<Instant>,
}

/// The request to take work again, after [`stopped`](crate::MessageBus::stopped). Answered by
/// [`started`](crate::MessageBus::started).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResumeRequest {
    /// Until when the master waits for the worker. `None`: nobody named a time. For tokio's timers: `sleep_until(deadline.into())`.
    pub deadline: Option<Instant>,
}

/// What is asked by now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Requests {
    /// Of this round: a resume takes it back.
    pub(crate) stop: Option<StopRequest>,
    /// Until the worker says the first word of the new round.
    pub(crate) resume: Option<ResumeRequest>,
    pub(crate) quit: Option<QuitRequest>,
    /// How often the worker was resumed.
    pub(crate) round: u64,
    /// The newest of any round: for whoever waited for the end of a round that is over.
    last_stop: Option<StopRequest>,
    /// When it came.
    stop_came: Option<tokio::time::Instant>,
}

impl Requests {
    /// The request to stop that ended this round, even if the worker was resumed since.
    pub(crate) fn stop_of(&self, round: u64) -> Option<StopRequest> {
        if self.round > round { self.last_stop } else { self.stop }
    }

    /// This long after the newest request to stop; now, if there was none.
    pub(crate) fn after_stop(&self, pause: Duration) -> tokio::time::Instant {
        self.stop_came.unwrap_or_else(tokio::time::Instant::now) + pause
    }

    pub(crate) fn stop(&mut self, stop: StopRequest) {
        self.stop = Some(stop);
        self.last_stop = Some(stop);
        self.stop_came = Some(tokio::time::Instant::now());
    }

    pub(crate) fn resume(&mut self, resume: ResumeRequest) {
        self.stop = None;
        self.resume = Some(resume);
        self.round += 1;
    }
}
