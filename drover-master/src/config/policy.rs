//! The policies of an app: how its workers start, stop and come back.

use crate::signal::Signal;
use std::num::NonZeroU32;
use std::time::Duration;

use super::{Kind, Probe};

/// How workers become ready, and how long they may take.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct StartPolicy {
    /// From spawn to ready. Default 30 s. Too low: a slow start is killed as a failed one. Too high: a worker that
    /// hangs at its start is noticed late.
    pub timeout: Duration,
    /// How far a worker may extend `timeout` by itself, counted from spawn. Default 5 min.
    pub max_timeout: Duration,
    /// Workers without the protocol: alive for this long means ready. Default 1 s. Too low: a program that fails
    /// in its first moments counts as ready before. Too high: every start takes at least this long.
    pub min_uptime: Duration,
    /// Workers without the protocol: ready when this passes, instead of by `min_uptime`. Default: none.
    pub probe: Option<Probe>,
    /// How many protocol workers may be starting at once. Default: one a CPU. Too low: starts queue up. Too high:
    /// they slow each other down and may miss `timeout`. Workers without the protocol merely wait, so they are
    /// not counted.
    pub parallel: NonZeroU32,
    /// What a worker that fails before the app was first ready means.
    pub on_failure: OnStartFailure,
}

/// What a worker that fails before the app was first ready means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum OnStartFailure {
    /// The start as a whole fails at once; what was started is stopped.
    FailFast,
    /// The restart policy applies as it does later; the start waits.
    KeepGoing,
}

impl Default for StartPolicy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            max_timeout: Duration::from_secs(5 * 60),
            min_uptime: Duration::from_secs(1),
            probe: None,
            parallel: NonZeroU32::new(super::cpus()).unwrap_or(NonZeroU32::MIN),
            on_failure: OnStartFailure::FailFast,
        }
    }
}

/// How workers end, rung by rung.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct StopPolicy {
    /// How long a worker that is ready serves on after its end was asked for, before it is told. Default 0. For a load
    /// balancer that learns late: too low, and it sends requests to whoever is leaving; too high, and every stop takes that
    /// long. Hurrying skips it.
    pub pre_delay: Duration,
    /// From Stop (or the stop signal, for workers without the protocol) to drained. Default 20 s. Too low: requests
    /// under way are cut. Too high: a worker that hangs holds up every stop.
    pub drain_timeout: Duration,
    /// From Quit to the end of the process. Default 5 s. Then SIGTERM follows.
    pub quit_timeout: Duration,
    /// From SIGTERM to SIGKILL. Default 5 s.
    pub term_timeout: Duration,
    /// How far a worker may extend `drain_timeout` or `quit_timeout` by itself. Default 5 min.
    pub max_timeout: Duration,
    /// The signal that asks a worker without the protocol to drain and leave. Default SIGTERM (15).
    pub signal: Signal,
    /// Who gets `signal` first. Default: the main process alone.
    pub to: StopTo,
}

/// Who gets the stop signal first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum StopTo {
    /// The main process alone; what it leaves behind gets it once it is gone. A program that forks its own workers stops them
    /// itself, and their work is not cut off.
    #[default]
    Process,
    /// The whole process group at once, as a terminal does.
    Group,
}

impl StopTo {
    /// Its name in a description.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Group => "group",
        }
    }
}

impl Default for StopPolicy {
    fn default() -> Self {
        Self {
            pre_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(20),
            quit_timeout: Duration::from_secs(5),
            term_timeout: Duration::from_secs(5),
            max_timeout: Duration::from_secs(5 * 60),
            signal: Signal::TERM,
            to: StopTo::default(),
        }
    }
}

/// How a protocol worker that is ready is asked for a sign of life.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Heartbeat {
    /// From one Ping to the next. Default 5 s. Too low: wakeups of master and workers. Too high: a worker that hangs is
    /// noticed late.
    pub interval: Duration,
    /// After so many unanswered Pings the worker is ended. Default 3. Too low: a worker that is busy for a moment is
    /// ended. Too high: as with the interval.
    pub misses: NonZeroU32,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { interval: Duration::from_secs(5), misses: NonZeroU32::new(3).unwrap_or(NonZeroU32::MIN) }
    }
}

/// The signals by which workers without the protocol are suspended and resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SuspendSignals {
    /// Tells a worker to take no new work, such as SIGUSR1, if it knows that; SIGSTOP halts any program, with what it has in
    /// flight.
    pub signal: Signal,
    /// Tells it to take work again, such as SIGUSR2; SIGCONT after SIGSTOP.
    pub resume_signal: Signal,
}

/// Whether and when an ended worker is started again.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// After which ends. Default: failures only; a service that a file describes comes back after every end
    /// ([`RestartPolicy::of`]).
    pub when: RestartWhen,
    /// How long the pauses are.
    pub backoff: Backoff,
    /// When to give up on workers that fail after they were ready.
    pub limit: FailureLimit,
    /// When to give up on workers that fail before they are ready. Default: the numbers of `limit`. Either way they are
    /// counted by themselves: a worker that can't start need not be tried as often as one that does its work and crashes now
    /// and then.
    pub start_limit: Option<FailureLimit>,
    /// A worker that was ready for this long clears the count of failures. Default 1 min. Too low: a worker that
    /// crashes once a minute is restarted for ever. Too high: two crashes a day apart count together.
    pub reset_after: Duration,
    /// Exit codes that are a success. Default: 0.
    pub success_codes: Vec<i32>,
    /// Exit codes after which trying again is useless. Default: none.
    pub fatal_codes: Vec<i32>,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            when: RestartWhen::OnFailure,
            backoff: Backoff::default(),
            limit: FailureLimit::default(),
            start_limit: None,
            reset_after: Duration::from_secs(60),
            success_codes: vec![0],
            fatal_codes: Vec::new(),
        }
    }
}

impl RestartPolicy {
    /// What fits this kind of app: a service is to run, so it comes back after every end that nobody asked for; a oneshot is
    /// tried again after a failure only.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Service => Self::new(RestartWhen::Always),
            // A run of a cron is not repeated anyway.
            Kind::Oneshot | Kind::Cron => Self::new(RestartWhen::OnFailure),
        }
    }

    /// The default policy after these ends.
    pub fn new(when: RestartWhen) -> Self {
        Self { when, ..Self::default() }
    }
}

/// After which ends a worker is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum RestartWhen {
    /// After every end that was not asked for.
    Always,
    /// After failures; a success leaves the slot completed.
    OnFailure,
    /// Never.
    Never,
}

/// The pauses between tries: they grow from `initial` to `max`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Backoff {
    /// The first pause. Default 200 ms. Zero restarts at once, as often as the limit allows.
    pub initial: Duration,
    /// The longest pause. Default 30 s.
    pub max: Duration,
    /// What each pause is multiplied by. Default 2, at least 1.
    #[serde(with = "crate::written")]
    pub factor: f64,
    /// The part of a pause that is drawn by chance, 0 to 1, to either side; so that workers that failed together do
    /// not come back together. Default 0.2.
    #[serde(with = "crate::written")]
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial: Duration::from_millis(200), max: Duration::from_secs(30), factor: 2.0, jitter: 0.2 }
    }
}

/// How many failures are too many.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FailureLimit {
    /// More failures of a slot than this within `within` break the circuit. Default 10.
    pub count: NonZeroU32,
    /// The window. Default 5 min.
    pub within: Duration,
    /// What follows.
    pub then: LimitReached,
}

impl Default for FailureLimit {
    fn default() -> Self {
        Self {
            count: NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN),
            within: Duration::from_secs(5 * 60),
            then: LimitReached::GiveUp,
        }
    }
}

/// What follows when a slot has failed too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum LimitReached {
    /// The slot stays empty; the others go on.
    GiveUp,
    /// The app is shut down.
    StopApp,
    /// The app and all others beside it are shut down.
    StopAll,
}
