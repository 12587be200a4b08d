//! When workers that serve well are replaced by fresh ones.

use std::time::Duration;

/// When a worker has served enough, and another takes its place. A worker is over as soon as one of its limits is.
///
/// For programs that get worse with time: memory that is never given back, caches that fragment, connections that should be
/// balanced anew. It hides such a fault and does not mend it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct RecyclePolicy {
    /// How long a worker serves, from when it was ready. More than zero. Default: for ever. Too low: the app is always busy with
    /// starting workers, and one that takes longer to start than it serves makes no progress. Too high: what grows slowly grows
    /// on.
    pub age: Option<Duration>,
    /// How much memory its process may hold, in bytes: its resident set, looked at every 10 s. More than zero. Default: no limit.
    /// Pages that it shares with others count in full, processes that it started do not count. Too low: a worker that is merely
    /// warm is replaced again and again. Too high: the kernel kills it first.
    pub rss: Option<u64>,
    /// How many requests it may answer, by its own report (`MessageBus::in_flight` or `serve_axum` of the SDK, `Status.requests`
    /// of the protocol). More than zero. Default: no limit. It is reported some times a second, so a busy worker gets some
    /// further. Without the protocol it has no meaning.
    pub requests: Option<u64>,
    /// The part of each limit that is drawn by chance, 0 to 1, to either side, once for each worker; so that workers that were
    /// started together are not over together. Default 0.1. Too low: they are, and the last of them waits for all others. Too
    /// high: the limits say little.
    #[serde(with = "crate::written")]
    pub jitter: f64,
}

impl Default for RecyclePolicy {
    fn default() -> Self {
        Self { age: None, rss: None, requests: None, jitter: 0.1 }
    }
}

impl RecyclePolicy {
    /// Whether there is any limit.
    pub const fn is_set(&self) -> bool {
        self.age.is_some() || self.rss.is_some() || self.requests.is_some()
    }
}
