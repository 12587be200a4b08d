//! How apps are started: each once what it depends on is there.

use std::time::Instant;

use super::{
    App, AppIndex, AppState, AppVerdict, Cause, Composite, CompositeAction, CompositeState, End, Fate,
    Missing, Next,
};
use crate::config::Condition;
use crate::machine::fleet::FAILED_START;
use crate::machine::gate::Request;

/// How a dependency stands.
enum DependencyState {
    Satisfied,
    /// It may come yet.
    Pending,
    Lost(Fate),
}

impl Composite {
    pub(super) fn start_all(&mut self) {
        if self.state != CompositeState::Idle {
            return;
        }
        self.state = CompositeState::Starting;
        for app in self.apps.values_mut() {
            if app.state == AppState::Idle {
                app.state = AppState::Waiting;
                app.cause = Cause::First;
            }
        }
    }

    /// Starts every app that waits for nothing more, and gives up those that wait in vain.
    pub(super) fn start_waiting(&mut self, now: Instant) {
        // Dependencies come first in the order, so what a loss means for those behind is known when it is their turn.
        for at in 0..self.plan.len() {
            let app = self.plan.order()[at];
            // One that is recycled waits for its group; at the end none is started.
            let is_due = self.apps[app].state == AppState::Waiting && self.apps[app].next == Next::Judge;
            if self.is_ending() || !is_due {
                continue;
            }
            let (mut missing, mut is_satisfied) = (None, true);
            for &(dependency, condition) in self.plan.dependencies(app) {
                match self.dependency(dependency, condition) {
                    DependencyState::Satisfied => {}
                    DependencyState::Pending => is_satisfied = false,
                    DependencyState::Lost(fate) => missing = missing.or(Some(Missing { dependency, fate })),
                }
            }
            if let Some(missing) = missing {
                self.give_up(now, app, missing);
            } else if is_satisfied {
                self.apps[app].state = AppState::Starting;
                self.apps[app].missing = None;
                self.actions.push(CompositeAction::StartApp(app));
            }
        }
    }

    fn dependency(&self, dependency: AppIndex, condition: Condition) -> DependencyState {
        let app = &self.apps[dependency];
        if app.next != Next::Judge {
            return DependencyState::Pending;
        }
        match (app.state, condition) {
            (AppState::Started, Condition::Ready) | (AppState::Ended(Fate::Completed), _) => {
                DependencyState::Satisfied
            }
            (AppState::Ended(fate), _) => DependencyState::Lost(fate),
            (
                AppState::Idle
                | AppState::Waiting
                | AppState::Starting
                | AppState::Started
                | AppState::Stopping
                | AppState::Held,
                _,
            ) => DependencyState::Pending,
        }
    }

    /// The dependencies that an app still waits for.
    pub(super) fn waits_on(&self, app: AppIndex) -> Vec<AppIndex> {
        let is_missing = |(dependency, condition): &(AppIndex, Condition)| {
            !matches!(self.dependency(*dependency, *condition), DependencyState::Satisfied)
        };
        self.plan.dependencies(app).iter().filter(|known| is_missing(known)).map(|(at, _)| *at).collect()
    }

    fn give_up(&mut self, now: Instant, app: AppIndex, missing: Missing) {
        self.apps[app].state = AppState::Ended(Fate::NotStarted);
        self.apps[app].missing = Some(missing);
        self.apps[app].is_kept = self.apps[app].is_by_request();
        self.answer_starts(app, &AppVerdict::NotStarted(missing));
        let why = format!(
            "app {} was not started: {}, which it depends on, {}",
            self.plan.name(app),
            self.plan.name(missing.dependency),
            missing.fate
        );
        match self.apps[app].cause {
            Cause::First if !self.rules.keep_going || self.plan.is_essential(app) => {
                self.end_all(now, Request::Shutdown, &FAILED_START.into(), End::StartFailed, why);
            }
            Cause::Strategy if self.plan.is_essential(app) => {
                self.end_all(now, Request::Shutdown, &self.essential(app), End::Failed, why);
            }
            Cause::First | Cause::Strategy | Cause::Start => {}
        }
    }

    pub(super) fn app_started(&mut self, app: AppIndex) {
        if self.apps[app].state != AppState::Starting {
            return;
        }
        self.apps[app].state = AppState::Started;
        if self.apps[app].next == Next::Judge {
            self.answer_starts(app, &AppVerdict::Done);
        }
    }

    pub(super) fn check_started(&mut self) {
        if self.state != CompositeState::Starting || self.apps.values().any(App::is_coming) {
            return;
        }
        self.state = CompositeState::Started;
        let runs = self.apps.values().any(|app| app.state == AppState::Started);
        if runs || !self.has_failures() {
            self.actions.push(CompositeAction::ReportStarted);
        }
    }
}
