//! When an app of the kind `cron` runs.

mod calendar;
mod fields;
mod schedule;
mod zone;

pub use schedule::{Schedule, ScheduleError};
pub use zone::{Zone, ZoneError};

/// When runs begin, and what becomes of those that can't begin in time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CronPolicy {
    /// When a run is due. None, the default: never; an app of the kind [`Cron`](super::Kind::Cron) has to have one.
    #[serde(default, with = "crate::written")]
    pub schedule: Option<Schedule>,
    /// Whose time the schedule is read in. Default: UTC; of an app that a file describes, the local time of the machine.
    #[serde(with = "crate::written")]
    pub timezone: Zone,
    /// What becomes of a run that is due while the one before it is under way. Default: it is skipped.
    pub overlap: Overlap,
    /// Whether one run makes up for those that fell due while the master or the machine did not run. Default: yes. They are told
    /// as skipped in any case, but for the last one.
    pub catch_up: bool,
}

impl Default for CronPolicy {
    fn default() -> Self {
        Self { schedule: None, timezone: Zone::UTC, overlap: Overlap::default(), catch_up: true }
    }
}

/// What becomes of a run that is due while the one before it is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Overlap {
    /// It is skipped.
    #[default]
    Skip,
    /// It begins when the one before it has ended; one waits at the most, later ones are skipped.
    Queue,
    /// The one before it is stopped, and it begins when that is gone.
    Replace,
}
