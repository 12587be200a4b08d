//! The files that the output of an app is written to.

use std::path::PathBuf;
use std::time::Duration;

/// Files with what the workers of an app print, besides wherever else it goes. A thread of its own writes them: a slow disk costs
/// lines, which are counted in the file, and never holds up supervision.
///
/// ```
/// use drover_master::config::LogFiles;
///
/// let logs = LogFiles { keep: 10, ..LogFiles::in_dir("/var/log/shop") };
/// assert!(!logs.timestamps);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFiles {
    /// The directory, which is made if there is none. The file of an app is called `APP.log` there, that of a worker `APP/SLOT.log`.
    pub dir: PathBuf,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogOwner {
    /// An app; lines of text begin with `app/slot | `.
    App,
    /// Each slot of it.
    Worker,
}

/// What a line of a log file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// What the worker printed.
    Text,
    /// An object, as `drover logs --json` has it.
    Json,
}

impl LogFiles {
    /// Files in this directory, with all else at its default.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
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
