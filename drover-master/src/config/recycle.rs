//! When workers that serve well are replaced by fresh ones.

use std::time::Duration;

use super::ConfigError;

/// When a worker has served enough, and another takes its place. A worker is over as soon as one of its limits is.
///
/// For programs that get worse with time: memory that is never given back, caches that fragment, connections that should be
/// balanced anew. It hides such a fault and does not mend it.
#[derive(Debug, Clone, PartialEq)]
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

    pub(super) fn check(&self, app: &str) -> Result<(), ConfigError> {
        let limits = [
            ("age", self.age.is_some_and(|age| age.is_zero())),
            ("rss", self.rss == Some(0)),
            ("requests", self.requests == Some(0)),
        ];
        if let Some((limit, _)) = limits.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(ConfigError::RecycleLimit { app: app.to_owned(), limit });
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(ConfigError::RecycleJitter { app: app.to_owned(), got: self.jitter });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;
    use crate::config::{AppSpec, Kind};

    fn checked(recycle: RecyclePolicy) -> String {
        let spec = AppSpec { recycle, ..AppSpec::new("web", Command::new("web")) };
        spec.check().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_limit_of_nothing_and_a_jitter_that_is_no_part_are_refused() {
        let none = RecyclePolicy::default;
        let zero = |limit| format!("app `web`: recycle.{limit} is zero; to have no such limit, set none");
        assert_eq!(checked(RecyclePolicy { age: Some(Duration::ZERO), ..none() }), zero("age"));
        assert_eq!(checked(RecyclePolicy { rss: Some(0), ..none() }), zero("rss"));
        assert_eq!(checked(RecyclePolicy { requests: Some(0), ..none() }), zero("requests"));
        for got in [-0.1, 1.1, f64::NAN] {
            let expected = format!("app `web`: the jitter of recycle is {got}, expected 0 to 1");
            assert_eq!(checked(RecyclePolicy { jitter: got, ..none() }), expected);
        }
        assert_eq!(checked(RecyclePolicy { age: Some(Duration::from_millis(1)), jitter: 1.0, ..none() }), "");
    }

    #[test]
    fn a_oneshot_is_not_recycled() {
        let mut spec = AppSpec { kind: Kind::Oneshot, ..AppSpec::new("once", Command::new("once")) };
        assert_eq!(spec.check(), Ok(()));
        spec.recycle.requests = Some(1);
        let expected = "app `once`: a oneshot is not recycled: it ends by itself";
        assert_eq!(spec.check().unwrap_err().to_string(), expected);
    }
}
