//! What is different between two descriptions of everything, and what each difference costs to bring about.
//!
//! ```text
//!  what runs ──┐
//!              ├─► changes ──► the most that any of an app's keys needs ──► one step for each app
//!  the file ───┘
//! ```

mod differ;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use super::{AppSpec, ConfigError, Strategy};
use crate::machine::composite::Plan;

/// Everything that a supervisor is to run: the apps, and what holds for all of them.
#[derive(Debug, Clone)]
pub struct Description {
    /// The apps; their order decides where dependencies do not.
    pub apps: Vec<AppSpec>,
    /// What follows when an app fails for good.
    pub strategy: Strategy,
    /// From the start of shutdown to SIGKILL for all that is left.
    pub shutdown_timeout: Duration,
    /// What only a restart of the master changes, by key: its name, say. It is compared and told, no more.
    pub fixed: Vec<(&'static str, String)>,
}

impl Description {
    /// Checks every app, looks up its user and group, and checks what apps are to each other.
    ///
    /// # Errors
    ///
    /// The first [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.apps.is_empty() {
            return Err(ConfigError::NoApp);
        }
        for (at, app) in self.apps.iter().enumerate() {
            if self.apps[..at].iter().any(|other| other.name == app.name) {
                return Err(ConfigError::DuplicateApp { name: app.name.clone() });
            }
            app.check()?;
        }
        Plan::of(&self.apps).map(drop)
    }
}

/// One difference.
///
/// Values of the environment are left out: they may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Change {
    /// The app that it is of; none if it is of all of them. A socket that several apps have makes a change of each.
    pub app: Option<String>,
    /// The key as in `drover.toml`, such as `app.web.stop.drain_timeout`.
    pub key: String,
    /// What it takes.
    pub class: ChangeClass,
    /// What it was, for people; none: nothing.
    pub from: Option<String>,
    /// What it is to be, for people; none: nothing.
    pub to: Option<String>,
    /// Why it takes that much, where it takes more than new workers.
    pub why: Option<&'static str>,
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

/// What is different: first what holds for all, then the apps of `new` in their order, then those that go.
pub fn changes(old: &Description, new: &Description) -> Vec<Change> {
    let mut found = differ::of_all(old, new);
    for app in &new.apps {
        match old.apps.iter().find(|known| known.name == app.name) {
            Some(known) => found.extend(differ::of_app(known, app, &old.apps)),
            None => found.push(whole(app, ChangeClass::Add)),
        }
    }
    let is_gone = |app: &&AppSpec| !new.apps.iter().any(|other| other.name == app.name);
    found.extend(old.apps.iter().filter(is_gone).map(|app| whole(app, ChangeClass::Remove)));
    found
}

/// What an app needs as a whole: the most that any of its changes does; none if it has none.
pub fn class_of(changes: &[Change], app: &str) -> Option<ChangeClass> {
    changes.iter().filter(|change| change.app.as_deref() == Some(app)).map(|change| change.class).max()
}

/// An app that comes or goes as a whole.
fn whole(app: &AppSpec, class: ChangeClass) -> Change {
    let workers = if app.workers == 1 { "worker" } else { "workers" };
    let shown = Some(format!("{} {workers} of {}", app.workers, app.command));
    let (from, to) = if class == ChangeClass::Add { (None, shown) } else { (shown, None) };
    Change { app: Some(app.name.clone()), key: format!("app.{}", app.name), class, from, to, why: None }
}
