//! In which order apps are brought to their descriptions. Pure: what is asked and answered is in `run`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{AppSpec, Change, ChangeClass, Description, class_of};
use crate::machine::composite::Plan;

/// An app to be brought to its description.
#[derive(Debug, Clone)]
pub(super) struct AppChange {
    /// What it takes.
    pub(super) class: ChangeClass,
    /// What it is to be.
    pub(super) spec: Arc<AppSpec>,
}

/// Everything that is to be done for the apps.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Wave after wave: the apps of one have nothing to do with each other, and need none of a later one.
    pub(super) waves: Vec<Vec<AppChange>>,
    /// The apps that go, dependents first.
    pub(super) removals: Vec<String>,
}

impl Order {
    /// `old` and `wanted` have passed their checks.
    pub(super) fn of(old: &Description, wanted: &Description, changes: &[Change]) -> Self {
        let mut order = Self::default();
        let mut levels: HashMap<&str, usize> = HashMap::new();
        for app in in_order(&wanted.apps) {
            let below = app.depends_on.iter().filter_map(|other| levels.get(other.app.as_str()));
            let level = below.max().map_or(0, |level| level + 1);
            levels.insert(&app.name, level);
            if let Some(class) = class_of(changes, &app.name) {
                if order.waves.len() <= level {
                    order.waves.resize_with(level + 1, Vec::new);
                }
                order.waves[level].push(AppChange { class, spec: Arc::new(app.clone()) });
            }
        }
        order.waves.retain(|wave| !wave.is_empty());
        let goes = |app: &&AppSpec| class_of(changes, &app.name) == Some(ChangeClass::Remove);
        let gone = in_order(&old.apps).into_iter().rev().filter(goes);
        order.removals = gone.map(|app| app.name.clone()).collect();
        order
    }

    /// How many steps there are.
    pub(super) fn len(&self) -> usize {
        self.waves.iter().map(Vec::len).sum::<usize>() + self.removals.len()
    }
}

/// Dependencies before dependents.
fn in_order(apps: &[AppSpec]) -> Vec<&AppSpec> {
    match Plan::of(apps) {
        Ok(plan) => plan.order().iter().map(|app| &apps[*app]).collect(),
        // It was checked. What runs may be a mixture that waits for each other, after an apply that failed halfway.
        Err(_) => apps.iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Command;
    use crate::config::{Condition, Dependency, FixedSettings, Strategy, changes};

    fn app(name: &str, depends_on: &[&str]) -> AppSpec {
        let mut app = AppSpec::new(name, Command::new(name));
        let on = |name: &&str| Dependency { app: (*name).to_owned(), condition: Condition::Ready };
        app.depends_on = depends_on.iter().map(on).collect();
        app
    }

    fn of(apps: Vec<AppSpec>) -> Description {
        let (strategy, shutdown_timeout) = (Strategy::None, std::time::Duration::from_secs(45));
        Description { apps, strategy, shutdown_timeout, fixed: FixedSettings::default() }
    }

    fn shown(old: &[AppSpec], wanted: &[AppSpec]) -> String {
        let (old, wanted) = (of(old.to_vec()), of(wanted.to_vec()));
        let changes = changes(&old, &wanted);
        let order = Order::of(&old, &wanted, &changes);
        let task = |task: &AppChange| format!("{} {}", task.class, task.spec.name);
        let wave = |wave: &Vec<AppChange>| wave.iter().map(task).collect::<Vec<_>>().join(", ");
        let mut waves: Vec<String> = order.waves.iter().map(wave).collect();
        waves.extend(order.removals.iter().map(|app| format!("remove {app}")));
        assert_eq!(order.len(), waves.iter().map(|wave| wave.split(", ").count()).sum::<usize>());
        waves.join(" | ")
    }

    #[test]
    fn dependencies_come_before_who_needs_them_and_what_goes_comes_last() {
        let mut web = app("web", &["db"]);
        assert_eq!(shown(&[app("db", &[]), web.clone()], &[app("db", &[]), web.clone()]), "");
        web.command = web.command.env("A", "1");
        assert_eq!(
            shown(
                &[app("cache", &[]), app("old", &["cache"]), app("web", &["old"]), app("log", &[])],
                &[web, app("queue", &[]), app("log", &[]), app("db", &[])],
            ),
            "add queue, add db | reload web | remove old | remove cache"
        );
    }
}
