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

use super::{AppSpec, ChangeClass, Description};

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

/// Whether two descriptions of an app say the same.
pub(crate) fn is_same_app(one: &AppSpec, other: &AppSpec) -> bool {
    differ::of_app(one, other, &[]).is_empty()
}

/// An app that comes or goes as a whole.
fn whole(app: &AppSpec, class: ChangeClass) -> Change {
    let workers = if app.workers == 1 { "worker" } else { "workers" };
    let shown = Some(format!("{} {workers} of {}", app.workers, app.command));
    let (from, to) = if class == ChangeClass::Add { (None, shown) } else { (shown, None) };
    Change { app: Some(app.name.clone()), key: format!("app.{}", app.name), class, from, to, why: None }
}
