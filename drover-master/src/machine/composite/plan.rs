//! What depends on what, checked: the order of start, and who has to be gone before whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::AppIndex;
use crate::config::{AppSpec, Condition, ConfigError};

/// The apps of a composite and their order.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Plan {
    apps: BTreeMap<AppIndex, PlannedApp>,
    /// Dependencies before dependents, else in the order given.
    order: Vec<AppIndex>,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct PlannedApp {
    name: Arc<str>,
    dependencies: Vec<(AppIndex, Condition)>,
    /// All that depend on it, directly or by others.
    dependents: Vec<AppIndex>,
    is_essential: bool,
}

impl Plan {
    /// Orders apps, each of which has passed its own [`check`](AppSpec::check).
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: an app that depends on one that there is not, or in a circle.
    pub fn of<'a>(specs: impl IntoIterator<Item = &'a AppSpec>) -> Result<Self, ConfigError> {
        Self::numbered(specs.into_iter().enumerate())
    }

    /// Orders apps by numbers of their own; the smaller comes first where dependencies do not decide.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn numbered<'a>(
        specs: impl IntoIterator<Item = (AppIndex, &'a AppSpec)>,
    ) -> Result<Self, ConfigError> {
        let specs: BTreeMap<AppIndex, &AppSpec> = specs.into_iter().collect();
        let plan = |(app, spec): (&AppIndex, &&AppSpec)| Ok((*app, planned(spec, &specs)?));
        let apps = specs.iter().map(plan).collect::<Result<_, _>>()?;
        let mut plan = Self { apps, order: Vec::new() };
        plan.sort()?;
        plan.find_dependents();
        Ok(plan)
    }

    /// Forgets an app that nothing depends on.
    pub(super) fn remove(&mut self, app: AppIndex) {
        self.apps.remove(&app);
        self.order.retain(|other| *other != app);
        for planned in self.apps.values_mut() {
            planned.dependents.retain(|other| *other != app);
        }
    }

    /// How many apps there are.
    pub fn len(&self) -> usize {
        self.apps.len()
    }

    /// Every app, dependencies before dependents.
    pub fn order(&self) -> &[AppIndex] {
        &self.order
    }

    /// An app's name.
    pub fn name(&self, app: AppIndex) -> &Arc<str> {
        &self.apps[&app].name
    }

    /// What an app waits for.
    pub fn dependencies(&self, app: AppIndex) -> &[(AppIndex, Condition)] {
        &self.apps[&app].dependencies
    }

    /// Who depends on an app, directly or by others.
    pub fn dependents(&self, app: AppIndex) -> &[AppIndex] {
        &self.apps[&app].dependents
    }

    /// Whether the others end with it.
    pub fn is_essential(&self, app: AppIndex) -> bool {
        self.apps[&app].is_essential
    }

    fn sort(&mut self) -> Result<(), ConfigError> {
        let mut placed = BTreeSet::new();
        while self.order.len() < self.apps.len() {
            let may_come = |app: &AppIndex| {
                !placed.contains(app)
                    && self.dependencies(*app).iter().all(|(other, _)| placed.contains(other))
            };
            let Some(next) = self.apps.keys().copied().find(may_come) else {
                return Err(ConfigError::DependencyCycle { cycle: self.cycle(&placed) });
            };
            placed.insert(next);
            self.order.push(next);
        }
        Ok(())
    }

    /// A circle among the apps that have no place. Each of them waits for one of them, so following the first of those leads
    /// round.
    fn cycle(&self, placed: &BTreeSet<AppIndex>) -> String {
        let unplaced = |app: AppIndex| !placed.contains(&app);
        let mut path: Vec<AppIndex> =
            self.apps.keys().copied().filter(|app| unplaced(*app)).take(1).collect();
        while let Some(&last) = path.last() {
            let mut others = self.dependencies(last).iter().map(|(other, _)| *other);
            let Some(next) = others.find(|other| unplaced(*other)) else { break };
            if let Some(begin) = path.iter().position(|app| *app == next) {
                path.drain(..begin);
                path.push(next);
                break;
            }
            path.push(next);
        }
        path.iter().map(|app| &*self.apps[app].name).collect::<Vec<_>>().join(" → ")
    }

    fn find_dependents(&mut self) {
        // From the last in order: the dependents of an app's dependents are known by then.
        for app in self.order.clone().into_iter().rev() {
            let mut all: Vec<AppIndex> = vec![app];
            all.extend(self.dependents(app));
            for (dependency, _) in self.dependencies(app).to_vec() {
                if let Some(PlannedApp { dependents: known, .. }) = self.apps.get_mut(&dependency) {
                    known.extend(&all);
                    known.sort_unstable();
                    known.dedup();
                }
            }
        }
    }
}

fn planned(spec: &AppSpec, specs: &BTreeMap<AppIndex, &AppSpec>) -> Result<PlannedApp, ConfigError> {
    let mut dependencies = Vec::with_capacity(spec.depends_on.len());
    for dependency in &spec.depends_on {
        let found = specs.iter().find(|(_, other)| other.name == dependency.app);
        let Some((&at, _)) = found else {
            return Err(ConfigError::UnknownDependency {
                app: spec.name.clone(),
                dependency: dependency.app.clone(),
                known: specs.values().map(|other| other.name.as_str()).collect::<Vec<_>>().join(", "),
            });
        };
        dependencies.push((at, dependency.condition));
    }
    Ok(PlannedApp {
        name: spec.name.as_str().into(),
        dependencies,
        dependents: Vec::new(),
        is_essential: spec.essential,
    })
}
