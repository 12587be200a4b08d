//! Which files of an app are watched, and what follows a change of them.

use std::path::PathBuf;
use std::time::Duration;

/// Watches files, for whoever works on them. Under a [`Supervisor`](crate::supervisor::Supervisor) only.
///
/// What editors, version control and builds leave about is ignored by itself: `.git`, `target`, `node_modules`, `*.log`, `*~` and
/// their like.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WatchPolicy {
    /// Files, and directories with all below them; they may come later. None, the default: the app's directory.
    #[serde(with = "crate::written")]
    pub paths: Vec<PathBuf>,
    /// What is ignored besides, as globs: one with a `/` is of the whole path below what is watched, one without of a name
    /// at any depth. A directory is ignored with all below it. Default: nothing.
    pub ignore: Vec<String>,
    /// How long nothing may change before anything is done. Default 300 ms. Too low: one save, or one build, has the app restarted
    /// more than once, and half-way. Too high: whoever works waits that long.
    pub debounce: Duration,
    /// What is done then. Default: a restart.
    pub action: WatchAction,
}

/// What follows a change of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum WatchAction {
    /// All workers are restarted at once.
    Restart,
    /// They are reloaded: by the rules of [`update`](crate::config::AppSpec::update), with no request lost.
    Reload,
}

impl WatchAction {
    /// Its name in a description.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Reload => "reload",
        }
    }
}

impl Default for WatchPolicy {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            ignore: Vec::new(),
            debounce: Duration::from_millis(300),
            action: WatchAction::Restart,
        }
    }
}
