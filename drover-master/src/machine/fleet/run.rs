//! What is known of the runs of an app that runs by a schedule: plain values.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::machine::exit::Exit;

/// How an app stands that runs by a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CronStatus {
    /// By what it runs, as it is configured.
    pub schedule: String,
    /// Whose time that is.
    pub timezone: String,
    /// When it runs next. None: its schedule is held, or the app does not run.
    pub next: Option<SystemTime>,
    /// When the run was due that waits for the end of the one under way.
    pub waiting: Option<SystemTime>,
    /// The number of the last run that began, since the app was first started; 0: none has.
    pub runs: u64,
    /// How many of them have failed.
    pub failed: u64,
    /// How many were skipped.
    pub skipped: u64,
    /// The last ones, oldest first, with the one under way.
    pub history: Vec<Run>,
}

/// One run, or runs that there were not.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// When it was due; none: somebody asked for it.
    #[serde(default, with = "crate::written")]
    pub due: Option<SystemTime>,
    /// What became of it.
    pub fate: RunFate,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum RunFate {
    /// It is under way.
    UnderWay {
        /// Counts them, from 1.
        number: u64,
        /// When it began.
        #[serde(with = "crate::written")]
        began: SystemTime,
    },
    /// It has ended.
    Ended {
        /// Counts them, from 1.
        number: u64,
        /// When it began.
        #[serde(with = "crate::written")]
        began: SystemTime,
        /// When it ended.
        #[serde(with = "crate::written")]
        ended: SystemTime,
        /// How.
        exit: Arc<Exit>,
        /// Whether with a success, or because somebody asked for its end.
        as_wished: bool,
    },
    /// It did not begin.
    Skipped {
        /// Why.
        reason: SkipReason,
        /// How many in a row that were due one after the other; the last one when it says.
        count: u64,
    },
}

/// Why a run did not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum SkipReason {
    /// The one before it was under way.
    UnderWay,
    /// Another one waited already for the end of the one under way.
    Waiting,
    /// The one before it was being stopped.
    Stopping,
    /// The master or the machine did not run when it was due, or the clock was set beyond that.
    Missed,
}

/// A clause for people.
impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnderWay => "the run before it is under way",
            Self::Waiting => "another one waits already for the end of the run under way",
            Self::Stopping => "the run before it is being stopped",
            Self::Missed => "the master or the machine did not run then, or the clock was set beyond it",
        })
    }
}
