//! Where the output of an app is written to besides.

use std::path::PathBuf;
use std::time::Duration;

/// Files with what the workers of an app print, and the system's journal, besides wherever else it goes. Threads of their own write to
/// them: a slow disk or journal costs lines, which are counted there, and never holds up supervision.
///
/// ```
/// use drover_master::config::LogPolicy;
///
/// let logs = LogPolicy { keep: 10, ..LogPolicy::in_dir("/var/log/shop") };
/// assert!(!logs.journald);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogPolicy {
    /// The directory of the files, which is made if there is none. The file of an app is called `APP.log` there, that of a worker
    /// `APP/SLOT.log`. None: there are no files, and what follows has no meaning but `journald`.
    #[serde(default, with = "crate::written")]
    pub dir: Option<PathBuf>,
    /// Whether each line becomes an entry of the system's journal, by its native protocol. Default: no.
    pub journald: bool,
    /// What has a file of its own. Default: the app.
    pub per: LogOwner,
    /// What a line of a file is. Default: text.
    pub format: LogFormat,
    /// Whether a line of text begins with its time. Default: no. Lines of JSON have it always.
    pub timestamps: bool,
    /// How large a file may get before another takes its place, in bytes; more than zero. Default: 64 MiB. Too low: what happened this
    /// morning is gone. Too high: the disk fills, `keep` and one times over.
    pub max_size: u64,
    /// How old a file may get. More than zero. Default: as old as its size allows.
    pub max_age: Option<Duration>,
    /// How many old files are kept, as `APP.log.1` and so on, the newest first. Default: 5.
    pub keep: u32,
    /// Whether old files are compressed, and end in `.gz`. Default: no. It takes the feature `compress`; without it they stay as they
    /// are.
    pub compress: bool,
}

/// What has a log file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum LogOwner {
    /// An app; lines of text begin with `app/slot | `.
    App,
    /// Each slot of it.
    Worker,
}

/// What a line of a log file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum LogFormat {
    /// What the worker printed.
    Text,
    /// An object, as `drover logs --json` has it.
    Json,
}

impl LogPolicy {
    /// Files in this directory, with all else at its default.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self { dir: Some(dir.into()), ..Self::nowhere() }
    }

    /// The system's journal, and no files.
    pub fn in_journal() -> Self {
        Self { journald: true, ..Self::nowhere() }
    }

    pub(crate) const fn nowhere() -> Self {
        Self {
            dir: None,
            journald: false,
            per: LogOwner::App,
            format: LogFormat::Text,
            timestamps: false,
            max_size: 64 * 1024 * 1024,
            max_age: None,
            keep: 5,
            compress: false,
        }
    }
}
