//! How an apply begins, and what the supervisor's task does for it.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::error::{ApplyError, StepError};
use super::order::Order;
use super::request::{ApplyReply, Take, TakeHow};
use super::resume::ChangeMemory;
use super::run::Runner;
use super::step::{Step, StepOutcome, Steps};
use crate::config::{AppSpec, ChangeClass, Description, changes};
use crate::handle::BuildError;
use crate::machine::composite::{AppIndex, CompositeInput, CompositeRules, Plan, Standing};
use crate::supervision::driver::Running;
use crate::supervision::news::AppNews;
use crate::supervision::past::Past;
use crate::supervision::roster::Entry;

impl Running {
    pub(in crate::supervision) fn begin_change(
        &mut self,
        wanted: Description,
        by: Arc<str>,
        begun: ApplyReply,
    ) -> Option<CompositeInput> {
        let (answer, input) = match self.try_begin(wanted, by) {
            Ok((steps, input)) => (Ok(steps), Some(input)),
            Err(refusal) => (Err(refusal), None),
        };
        // Who asked may be gone: it goes on all the same.
        let _ = begun.send(answer);
        input
    }

    fn try_begin(
        &mut self,
        wanted: Description,
        by: Arc<str>,
    ) -> Result<(Steps, CompositeInput), ApplyError> {
        if self.composite.is_ending() {
            return Err(ApplyError::Ending);
        }
        if let Some(by) = &self.changed_by {
            return Err(ApplyError::Busy { by: Arc::clone(by) });
        }
        let old = self.handle.roster.description();
        let changes = changes(&old, &wanted);
        let order = Order::of(&old, &wanted, &changes);
        let added = self.build_added(&wanted)?;
        // Those that are to go are in it until they are gone, with what they depend on.
        let of = |entry: &Entry| {
            let found = wanted.apps.iter().find(|app| app.name == entry.spec.name);
            found.unwrap_or(&entry.spec).clone()
        };
        let all: Vec<(AppIndex, AppSpec)> =
            self.apps.values().chain(&added).map(|entry| (entry.index, of(entry))).collect();
        let plan = Plan::numbered(all.iter().map(|(app, spec)| (*app, spec)))
            .map_err(|error| ApplyError::Build(BuildError::from(error)))?;

        // From here on nothing can fail.
        self.last_index += added.len();
        self.apps.extend(added.into_iter().map(|entry| (entry.index, entry)));
        self.list();
        let is_reset = changes.iter().any(|change| change.app.is_none() && change.class == ChangeClass::Live);
        // What only a restart changes stays what it was, and so a difference.
        self.handle.roster.set(Description { fixed: old.fixed, ..wanted.clone() });
        let rules = self.rules();
        let left = order.len() + usize::from(is_reset);
        let (told, steps) = mpsc::channel(left.max(1));
        if is_reset {
            let step = Step { app: None, class: ChangeClass::Live, outcome: StepOutcome::Done };
            // There is room for every step.
            let _ = told.try_send(step);
        }
        let runs = |app: &str| {
            let found = self.handle.roster.find(app);
            found.is_some_and(|(_, standing)| matches!(standing, Standing::Starting | Standing::Started))
        };
        self.change_under_way = Some(ChangeMemory::new(wanted, Arc::clone(&by), &changes, runs));
        let names: Vec<String> = changes.iter().map(|change| change.key.clone()).collect();
        tracing::info!(target: "drover::supervisor", by = &*by, keys = names.join(" "), "apply");
        self.changed_by = Some(Arc::clone(&by));
        let runner = Runner { handle: self.handle.clone(), by, told };
        self.tasks.spawn(async move {
            runner.run(order).await;
            AppNews::Changed
        });
        Ok((Steps { steps, left }, CompositeInput::Reconfigured { plan, rules }))
    }

    fn build_added(&self, wanted: &Description) -> Result<Vec<Entry>, BuildError> {
        let is_known = |app: &&AppSpec| self.apps.values().any(|entry| entry.spec.name == app.name);
        let new = wanted.apps.iter().filter(|app| !is_known(app));
        let entry = |(at, app): (usize, &AppSpec)| {
            let master = self.workshop.build(app.clone())?;
            Ok(Entry {
                index: self.last_index + 1 + at,
                master,
                spec: Arc::new(app.clone()),
                past: Past::default(),
            })
        };
        new.enumerate().map(entry).collect()
    }

    fn rules(&self) -> CompositeRules {
        let Description { strategy, shutdown_timeout, .. } = self.handle.roster.description();
        CompositeRules { keep_going: self.composite.keeps_going(), strategy, shutdown_timeout }
    }

    /// What apps are to each other by the descriptions that they were brought to. None if those are a mixture that waits for
    /// each other: then what the file says stays in force.
    pub(in crate::supervision) fn replan(&self) -> Option<CompositeInput> {
        let all = self.apps.values().map(|entry| (entry.index, &*entry.spec));
        let plan = Plan::numbered(all).ok()?;
        Some(CompositeInput::Reconfigured { plan, rules: self.rules() })
    }

    pub(in crate::supervision) fn take(&mut self, take: Take) {
        let Take { app, spec, how, taken } = take;
        // The runner waits for the answer as long as this task lives.
        let _ = taken.send(self.try_take(app, spec, how));
    }

    fn try_take(&mut self, app: String, spec: Arc<AppSpec>, how: TakeHow) -> Result<(), StepError> {
        let found = self.apps.values().find(|entry| entry.spec.name == app).map(|entry| entry.index);
        let Some(index) = found else {
            return Err(StepError::App(crate::supervision::operation::AppError::Gone));
        };
        let is_alive = matches!(
            self.composite.standing(index),
            Some(Standing::Starting | Standing::Started | Standing::Stopping)
        );
        let master = match how {
            TakeHow::Replace if is_alive => return Err(StepError::NotAtRest { app }),
            TakeHow::Replace => Some(self.workshop.build(AppSpec::clone(&spec))?),
            TakeHow::Record => None,
        };
        if let Some(entry) = self.apps.get_mut(&index) {
            // As it ran, with the number of workers that it was scaled to.
            let ran =
                AppSpec { workers: entry.master.snapshot().status.desired, ..AppSpec::clone(&entry.spec) };
            entry.past.go(ran, &spec);
            entry.spec = spec;
            entry.master = master.unwrap_or_else(|| entry.master.clone());
        }
        self.list();
        Ok(())
    }

    pub(in crate::supervision) fn forget(&mut self, app: AppIndex) {
        let gone = self.apps.remove(&app);
        if let Some(entry) = gone {
            self.workshop.forget(&entry.spec.name);
        }
        self.failures.retain(|(failed, _)| *failed != app);
        self.start_errors.remove(&app);
        self.list();
    }

    fn list(&mut self) {
        self.is_changed = true;
        self.watch_surroundings();
        self.handle.roster.list(self.apps.values().cloned().collect(), &self.composite);
    }
}
