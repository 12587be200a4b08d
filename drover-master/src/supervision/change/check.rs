//! Checks a description as a whole: each app, and what apps are to each other.

use crate::config::{ConfigError, Description};
use crate::machine::composite::Plan;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AppSpec, Command, Condition, Dependency, FixedSettings, Strategy};

    #[test]
    fn apps_that_wait_for_each_other_are_refused() {
        let app = |name: &str, on: &str| {
            let mut app = AppSpec::new(name, Command::new(name));
            app.depends_on = vec![Dependency { app: on.to_owned(), condition: Condition::Ready }];
            app
        };
        let (strategy, shutdown_timeout) = (Strategy::None, std::time::Duration::from_secs(45));
        let of = |apps| Description { apps, strategy, shutdown_timeout, fixed: FixedSettings::default() };
        assert!(matches!(of(vec![]).check(), Err(ConfigError::NoApp)));
        let twice = of(vec![app("a", "a"), app("a", "a")]).check();
        assert!(matches!(twice, Err(ConfigError::SelfDependency { .. })), "{twice:?}");
        let circle = of(vec![app("a", "b"), app("b", "a")]).check();
        assert!(matches!(circle, Err(ConfigError::DependencyCycle { .. })), "{circle:?}");
    }
}
