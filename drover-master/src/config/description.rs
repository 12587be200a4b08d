//! Everything that runs under one roof, and what a change of it takes.

use std::fmt;
use std::time::Duration;

use super::{AppSpec, FixedSettings, Strategy};

/// Everything that a supervisor is to run: the apps, and what holds for all of them.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Description {
    /// The apps; their order decides where dependencies do not.
    pub apps: Vec<AppSpec>,
    /// What follows when an app fails for good.
    pub strategy: Strategy,
    /// From the start of shutdown to SIGKILL for all that is left.
    pub shutdown_timeout: Duration,
    /// What only a restart of the master changes. It is compared and told, no more.
    pub fixed: FixedSettings,
}

/// What it takes to bring a change about. A later one takes more than an earlier one, and does all that those do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ChangeClass {
    /// No process that goes on is touched; of the number of workers, those too many leave and those too few come.
    Live,
    /// New workers take the place of the old ones.
    Reload,
    /// The app is stopped and started.
    Restart,
    /// An app that is new.
    Add,
    /// An app that is to go.
    Remove,
    /// The master has to be ended and started: it can't be brought about while it runs.
    Master,
}

impl ChangeClass {
    /// Every class.
    pub const ALL: [Self; 6] =
        [Self::Live, Self::Reload, Self::Restart, Self::Add, Self::Remove, Self::Master];

    /// Its name, as in the plan.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Reload => "reload",
            Self::Restart => "restart",
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Master => "master",
        }
    }
}

impl fmt::Display for ChangeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
