//! What workers that serve are asked from outside, again and again.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::duration::shown_duration;
use super::{ConfigError, Probe, ProbeKind};

/// Whether a worker still lives, and whether it can take work now. Both have a meaning for services only.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct HealthPolicy {
    /// Asked of a worker that is ready; one that fails it is ended, and the restart policy follows. Default: none.
    pub liveness: Option<HealthCheck>,
    /// Asked of every worker, the first time before it is ready; one that fails it later is unready until it passes again, and
    /// is left alive. Default: none.
    pub readiness: Option<HealthCheck>,
}

/// A question that is asked again and again, and how many answers decide.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HealthCheck {
    /// What is asked, how often, and how long one try may take. Default 10 s between two tries, each a tenth longer or shorter by
    /// chance, and 1 s a try. Too short an interval: workers are kept busy with answering. Too long: what fails is noticed late.
    pub probe: Probe,
    /// How many tries in a row have to fail. Default 3. Too low: one slow answer counts. Too high: what fails is noticed late.
    pub failures: NonZeroU32,
    /// How many tries in a row have to pass until a worker is ready. Default 1; of liveness nothing else is possible. Too low: a
    /// worker comes and goes. Too high: one that could serve is missed for longer.
    pub successes: NonZeroU32,
    /// The pause before the first try: of liveness after the worker is ready, of readiness after it would be ready without it.
    /// Default 0. Too low: first tries fail, though nothing is wrong. Too high: what fails is noticed late.
    pub initial_delay: Duration,
}

/// Why a probe of a worker that serves can't listen to it.
const NOT_ITS_HEALTH: &str =
    "a line of its output tells when it was ready, and not how it is; `log` is for start.probe alone";

impl HealthPolicy {
    /// Whether anything is asked.
    pub const fn is_set(&self) -> bool {
        self.liveness.is_some() || self.readiness.is_some()
    }

    /// Checks the probes of an app with this many workers.
    pub(super) fn check(&self, app: &str, workers: u32) -> Result<(), ConfigError> {
        self.liveness.iter().chain(&self.readiness).try_for_each(|check| match check.probe.text() {
            Some(_) => Err(ConfigError::Probe { app: app.to_owned(), fault: NOT_ITS_HEALTH.to_owned() }),
            None => check.probe.check(app, workers),
        })
    }
}

impl HealthCheck {
    /// Asks for this, with the default times and numbers.
    pub const fn new(kind: ProbeKind) -> Self {
        let probe = Probe { kind, interval: Duration::from_secs(10), timeout: Duration::from_secs(1) };
        let failures = NonZeroU32::MIN.saturating_add(2);
        Self { probe, failures, successes: NonZeroU32::MIN, initial_delay: Duration::ZERO }
    }
}

/// As it stands in settings.
impl fmt::Display for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { probe, failures, successes, initial_delay } = self;
        let delay = shown_duration(*initial_delay);
        write!(f, "{probe}, {failures} failures, {successes} successes, first after {delay}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_shows_what_it_asks_and_how_many_answers_decide() {
        let check = HealthCheck::new(ProbeKind::Tcp { addr: "127.0.0.1:{9000+slot}".into() });
        assert_eq!(
            check.to_string(),
            "tcp 127.0.0.1:{9000+slot}, every 10s, at most 1s a try, 3 failures, 1 successes, first after 0s"
        );
    }

    #[test]
    fn values_that_no_check_can_mean_are_refused() {
        let tcp = |addr: &str| HealthCheck::new(ProbeKind::Tcp { addr: addr.to_owned() });
        let liveness = |check| HealthPolicy { liveness: Some(check), readiness: None };
        let two = NonZeroU32::new(2).unwrap();
        for (policy, fault) in [
            (liveness(tcp("a:{x}")), "`{x}` is not a placeholder"),
            (liveness(tcp("a:{65530+slot}")), "`a:65537`"),
            (HealthPolicy { readiness: Some(tcp("a:0")), liveness: None }, "port"),
            (liveness(HealthCheck::new(ProbeKind::Log { text: "ok".to_owned() })), "for start.probe alone"),
        ] {
            let error = policy.check("web", 8).unwrap_err().to_string();
            assert!(error.contains(fault), "{error}");
        }
        let readiness = Some(HealthCheck { successes: two, ..tcp("a:{65528+slot}") });
        assert_eq!(HealthPolicy { readiness, liveness: None }.check("web", 8), Ok(()));
    }
}
