//! What depends on what, checked: the order of start, and who has to be gone before whom.

use std::sync::Arc;

use super::AppIndex;
use crate::config::{AppSpec, Condition, ConfigError};

/// The apps of a composite and their order.
#[derive(Debug, Clone)]
pub struct Plan {
    apps: Vec<Planned>,
    /// Dependencies before dependents, else in the order given.
    order: Vec<AppIndex>,
}

#[derive(Debug, Clone)]
struct Planned {
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
        let specs: Vec<&AppSpec> = specs.into_iter().collect();
        let apps = specs.iter().map(|spec| planned(spec, &specs)).collect::<Result<_, _>>()?;
        let mut plan = Self { apps, order: Vec::new() };
        plan.sort()?;
        plan.find_dependents();
        Ok(plan)
    }

    /// How many apps there are.
    pub fn len(&self) -> usize {
        self.apps.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.apps.is_empty()
    }

    /// Every app, dependencies before dependents.
    pub fn order(&self) -> &[AppIndex] {
        &self.order
    }

    /// An app's name.
    pub fn name(&self, app: AppIndex) -> &Arc<str> {
        &self.apps[app].name
    }

    /// What an app waits for.
    pub fn dependencies(&self, app: AppIndex) -> &[(AppIndex, Condition)] {
        &self.apps[app].dependencies
    }

    /// Who depends on an app, directly or by others.
    pub fn dependents(&self, app: AppIndex) -> &[AppIndex] {
        &self.apps[app].dependents
    }

    /// Whether the others end with it.
    pub fn is_essential(&self, app: AppIndex) -> bool {
        self.apps[app].is_essential
    }

    fn sort(&mut self) -> Result<(), ConfigError> {
        let mut is_placed = vec![false; self.apps.len()];
        while self.order.len() < self.apps.len() {
            let may_come = |app: &AppIndex| {
                !is_placed[*app] && self.dependencies(*app).iter().all(|(other, _)| is_placed[*other])
            };
            let Some(next) = (0..self.apps.len()).find(may_come) else {
                return Err(ConfigError::DependencyCycle { cycle: self.cycle(&is_placed) });
            };
            is_placed[next] = true;
            self.order.push(next);
        }
        Ok(())
    }

    /// A circle among the apps that have no place. Each of them waits for one of them, so following the first of those leads
    /// round.
    fn cycle(&self, is_placed: &[bool]) -> String {
        let unplaced = |app: AppIndex| !is_placed[app];
        let mut path: Vec<AppIndex> = (0..self.apps.len()).filter(|app| unplaced(*app)).take(1).collect();
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
        path.iter().map(|app| &*self.apps[*app].name).collect::<Vec<_>>().join(" → ")
    }

    fn find_dependents(&mut self) {
        // From the last in order: the dependents of an app's dependents are known by then.
        for &app in self.order.iter().rev() {
            let mut all: Vec<AppIndex> = vec![app];
            all.extend(&self.apps[app].dependents);
            for (dependency, _) in self.apps[app].dependencies.clone() {
                let known = &mut self.apps[dependency].dependents;
                known.extend(&all);
                known.sort_unstable();
                known.dedup();
            }
        }
    }
}

fn planned(spec: &AppSpec, specs: &[&AppSpec]) -> Result<Planned, ConfigError> {
    let mut dependencies = Vec::with_capacity(spec.depends_on.len());
    for dependency in &spec.depends_on {
        let Some(at) = specs.iter().position(|other| other.name == dependency.app) else {
            return Err(ConfigError::UnknownDependency {
                app: spec.name.clone(),
                dependency: dependency.app.clone(),
                known: specs.iter().map(|other| other.name.as_str()).collect::<Vec<_>>().join(", "),
            });
        };
        dependencies.push((at, dependency.condition));
    }
    Ok(Planned {
        name: spec.name.as_str().into(),
        dependencies,
        dependents: Vec::new(),
        is_essential: spec.essential,
    })
}
