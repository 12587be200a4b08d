//! Policies that make a test short where it waits for a deadline, and change nothing where it does not.

use std::time::Duration;

use drover_master::config::{
    Backoff, FailureLimit, LimitReached, OnStartFailure, RestartPolicy, RestartWhen, StartPolicy, StopPolicy,
};

/// A deadline that is there to be missed.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// A plain worker is ready nearly at once.
pub(crate) fn soon() -> StartPolicy {
    StartPolicy { min_uptime: Duration::from_millis(20), ..StartPolicy::default() }
}

/// A worker that fails at its first start is treated as a later one.
pub(crate) fn keep_going() -> StartPolicy {
    StartPolicy { on_failure: OnStartFailure::KeepGoing, ..soon() }
}

/// No second try.
pub(crate) fn never() -> RestartPolicy {
    RestartPolicy::new(RestartWhen::Never)
}

/// Tries again at once, as often as it takes.
pub(crate) fn at_once() -> RestartPolicy {
    RestartPolicy {
        backoff: Backoff { initial: Duration::ZERO, ..Backoff::default() },
        ..RestartPolicy::default()
    }
}

/// Tries again at once, this often.
pub(crate) fn at_most(count: u32, then: LimitReached) -> RestartPolicy {
    let count = count.try_into().expect("a limit is at least 1");
    RestartPolicy { limit: FailureLimit { count, then, ..FailureLimit::default() }, ..at_once() }
}

/// The time to drain is there to be missed.
pub(crate) fn short_drain() -> StopPolicy {
    StopPolicy { drain_timeout: SHORT, ..StopPolicy::default() }
}
