//! What apps under one supervisor are to each other.

use std::time::Duration;

/// Another app that has to be there, or to be done, before this one starts.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Dependency {
    /// Its name.
    pub app: String,
    /// What it waits for.
    pub condition: Condition,
}

/// What a dependency has to come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Condition {
    /// It is started; an app that ends by itself may have completed already.
    Ready,
    /// It has ended with [`Outcome::Completed`](crate::Outcome::Completed).
    Completed,
}

/// What an app is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Kind {
    /// It serves until it is asked to end: started once its workers are ready.
    #[default]
    Service,
    /// It does one thing and ends: started, and completed with that, once all its workers have ended with a success. A plain
    /// one is never ready by its uptime; for its whole work it has [`StartPolicy::timeout`](super::StartPolicy::timeout),
    /// which [`MasterBuilder::kind`](crate::MasterBuilder::kind) lifts.
    Oneshot,
    /// It runs whenever its [schedule](super::CronPolicy) says, one run at a time: started once its schedule is on, and never completed.
    /// A run ends by itself; it may take [`StartPolicy::timeout`](super::StartPolicy::timeout), which
    /// [`MasterBuilder::schedule`](crate::MasterBuilder::schedule) lifts. One that fails is not repeated before it is due again.
    Cron,
}

/// What follows when an app fails for good while it runs: its workers have used up their own tries.
///
/// An app that is started again begins with a full budget of tries. Without a pause, so choose `intensity` and `period` to
/// tell a fault that passes from one that does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Strategy {
    /// It stays as it is; the others go on.
    #[default]
    None,
    /// It is started again; the others go on.
    OneForOne(Intensity),
    /// All apps that run are stopped, dependents first, and everything is started again in order: also what had completed.
    OneForAll(Intensity),
    /// As [`OneForAll`](Self::OneForAll), for the app and those after it in the order of start.
    RestForOne(Intensity),
}

/// How often a [`Strategy`] may be used before everything ends, as in OTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Intensity {
    /// This many failures within `period` are borne; one more ends everything. Default 1. Too low: a fault that would have
    /// passed ends everything. Too high: a fault that stays is tried for long.
    pub count: u32,
    /// The window in which failures count. Default 5 s. Too low: an app that takes longer than this to fail is tried for
    /// ever. Too high: faults that have nothing to do with each other add up.
    pub period: Duration,
}

impl Intensity {
    pub(crate) const DEFAULT: Self = Self { count: 1, period: Duration::from_secs(5) };
}

impl Default for Intensity {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Strategy {
    /// The same, used as often as this says.
    pub(crate) const fn with(self, intensity: Intensity) -> Self {
        match self {
            Self::None => Self::None,
            Self::OneForOne(_) => Self::OneForOne(intensity),
            Self::OneForAll(_) => Self::OneForAll(intensity),
            Self::RestForOne(_) => Self::RestForOne(intensity),
        }
    }

    /// How often it may be used; none if it never is.
    pub const fn intensity(&self) -> Option<Intensity> {
        match self {
            Self::None => None,
            Self::OneForOne(intensity) | Self::OneForAll(intensity) | Self::RestForOne(intensity) => {
                Some(*intensity)
            }
        }
    }
}
