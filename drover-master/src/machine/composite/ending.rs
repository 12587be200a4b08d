//! How apps and the whole come to their ends.

use std::sync::Arc;
use std::time::Instant;

use super::{
    App, AppIndex, AppState, AppVerdict, Cause, Composite, CompositeAction, CompositeState, End, Fate, Next,
};
use crate::machine::deadlines;
use crate::machine::fleet::{FAILED_START, Outcome};
use crate::machine::gate::Request;

/// Whoever asks when the shutdown timeout has passed.
const TIMEOUT: &str = "the shutdown timeout";

impl Composite {
    pub(super) fn end_requested(&mut self, now: Instant, how: Request, by: Arc<str>) {
        let end = match how {
            Request::Kill => End::Killed,
            Request::Hurry => End::Hurried,
            Request::Start | Request::Shutdown => End::ShutDown,
        };
        let why = format!("asked by {by}");
        self.end_all(now, how, &by, end, why);
    }

    /// Begins the end of everything, or hurries it.
    pub(super) fn end_all(&mut self, now: Instant, how: Request, by: &Arc<str>, end: End, why: String) {
        match &mut self.state {
            CompositeState::Ended => return,
            CompositeState::Ending { end: known, .. } => *known = known.or_worse(end),
            CompositeState::Idle | CompositeState::Starting | CompositeState::Started => {
                self.state = CompositeState::Ending { end, by: Arc::clone(by) };
                self.why = Some(why.into());
                self.deadline = Some(deadlines::after(now, self.rules.shutdown_timeout));
                for app in self.plan.order().to_vec() {
                    let interrupted = AppVerdict::Interrupted { by: Arc::clone(by) };
                    self.answer_starts(app, &interrupted);
                    self.answer_passed(app, &interrupted);
                    if !self.apps[app].is_alive() {
                        // It was to be forgotten, once those that depend on it are.
                        self.answer_ends(app, &interrupted);
                    }
                    if self.apps[app].state == AppState::Waiting {
                        self.apps[app].state = AppState::Idle;
                    }
                }
            }
        }
        if how == Request::Kill {
            self.deadline = None;
        }
        if matches!(how, Request::Hurry | Request::Kill) {
            // A second request does not wait for the order.
            for at in (0..self.plan.len()).rev() {
                let app = self.plan.order()[at];
                if self.apps[app].is_alive() {
                    self.end_app(app, how, by);
                }
            }
        }
    }

    /// At the end, asks every app that no living one depends on.
    pub(super) fn ask_to_end(&mut self) {
        let CompositeState::Ending { by, .. } = &self.state else { return };
        let by = Arc::clone(by);
        for at in (0..self.plan.len()).rev() {
            let app = self.plan.order()[at];
            let runs = matches!(self.apps[app].state, AppState::Starting | AppState::Started);
            if runs && !self.has_living_dependents(app) {
                self.end_app(app, Request::Shutdown, &by);
            }
        }
    }

    pub(super) fn end_app(&mut self, app: AppIndex, how: Request, by: &Arc<str>) {
        self.apps[app].state = AppState::Stopping;
        self.answer_passed(app, &AppVerdict::Interrupted { by: Arc::clone(by) });
        self.actions.push(CompositeAction::EndApp { app, how, by: Arc::clone(by) });
    }

    pub(super) fn time_passed(&mut self, now: Instant) {
        if self.deadline.is_some_and(|at| at <= now) {
            let why = "the shutdown timeout passed".to_owned();
            self.end_all(now, Request::Kill, &TIMEOUT.into(), End::TimedOut, why);
        }
    }

    pub(super) fn app_not_started(&mut self, now: Instant, app: AppIndex) {
        self.app_gone(app, Fate::Failed, |composite, was| composite.judge_failure(now, app, was, true));
    }

    pub(super) fn app_ended(&mut self, now: Instant, app: AppIndex, outcome: &Outcome) {
        match outcome {
            Outcome::Completed => self.app_gone(app, Fate::Completed, |composite, _| {
                composite.answer_starts(app, &AppVerdict::Done);
                if composite.plan.is_essential(app) {
                    let why = format!("app {}, which is essential, completed", composite.plan.name(app));
                    let by = composite.essential(app);
                    composite.end_all(now, Request::Shutdown, &by, End::Completed, why);
                }
            }),
            // Somebody who holds the app's own master asked.
            Outcome::ShutDown { by } | Outcome::Killed { by } => {
                let by = Arc::clone(by);
                self.app_gone(app, Fate::ShutDown, |composite, _| {
                    composite.answer_starts(app, &AppVerdict::Interrupted { by });
                });
            }
            Outcome::StartFailed(_) => self.app_not_started(now, app),
            Outcome::Failed { stop_all: true, .. } => {
                let is_news = self.apps[app].is_alive() && !self.is_ending();
                self.app_gone(app, Fate::Failed, |_, _| {});
                if is_news {
                    self.answer_starts(app, &AppVerdict::StartFailed);
                    let why = format!("app {} failed, and its policy ends everything", self.plan.name(app));
                    self.end_all(now, Request::Shutdown, &"the restart limit".into(), End::Failed, why);
                }
            }
            Outcome::Failed { stop_all: false, .. } => {
                self.app_gone(app, Fate::Failed, |composite, was| {
                    composite.judge_failure(now, app, was, false);
                });
            }
        }
    }

    /// An app that was alive is gone. What that means is for `judge` to say, unless it is known what comes next.
    fn app_gone(&mut self, app: AppIndex, fate: Fate, judge: impl FnOnce(&mut Self, AppState)) {
        let was = self.apps[app].state;
        if !self.apps[app].is_alive() {
            return;
        }
        self.apps[app].state = AppState::Ended(fate);
        self.apps[app].is_kept = false;
        self.apps[app].stuck = None;
        let by = format!("{} {fate}", self.plan.name(app)).into();
        self.answer_passed(app, &AppVerdict::Interrupted { by });
        if self.is_ending() || self.apps[app].next != Next::Leave {
            self.answer_ends(app, &AppVerdict::Done);
        }
        if self.is_ending() {
            return;
        }
        match self.apps[app].next {
            Next::Judge => judge(self, was),
            Next::Hold => {
                self.apps[app].state = AppState::Held;
                self.apps[app].next = Next::Judge;
            }
            Next::Recycle | Next::Leave => {}
        }
    }

    /// Nobody waits for what may never come. The app ends once its process is gone.
    pub(super) fn app_unkillable(&mut self, app: AppIndex, pid: u32) {
        if matches!(self.apps[app].state, AppState::Starting | AppState::Stopping) {
            self.apps[app].stuck = Some(pid);
            self.answer_starts(app, &AppVerdict::Unkillable { pid });
            self.answer_ends(app, &AppVerdict::Unkillable { pid });
        }
    }

    /// An app failed for good, and nobody had asked for its end.
    fn judge_failure(&mut self, now: Instant, app: AppIndex, was: AppState, did_not_start: bool) {
        self.answer_starts(app, &AppVerdict::StartFailed);
        let is_essential = self.plan.is_essential(app);
        let name = Arc::clone(self.plan.name(app));
        let cause = (was == AppState::Starting).then_some(self.apps[app].cause);
        self.apps[app].is_kept = cause.is_some() && self.apps[app].is_by_request();
        match cause {
            Some(Cause::First) => {
                if did_not_start && !self.rules.keep_going || is_essential {
                    let why = format!("app {name} failed to start");
                    self.end_all(now, Request::Shutdown, &FAILED_START.into(), End::StartFailed, why);
                }
            }
            None | Some(Cause::Strategy) if self.rules.strategy.intensity().is_some() => {
                self.use_strategy(now, app);
            }
            None | Some(Cause::Strategy) if is_essential => {
                let why = format!("app {name}, which is essential, failed for good");
                self.end_all(now, Request::Shutdown, &self.essential(app), End::Failed, why);
            }
            None | Some(Cause::Strategy | Cause::Start) => {}
        }
    }

    /// Whoever asks for the end when an essential app has ended.
    pub(super) fn essential(&self, app: AppIndex) -> Arc<str> {
        format!("the end of {}, which is essential", self.plan.name(app)).into()
    }

    pub(super) fn has_failures(&self) -> bool {
        let is_failure = |state| matches!(state, AppState::Ended(Fate::Failed | Fate::NotStarted));
        self.apps.values().any(|app| is_failure(app.state))
    }

    /// It is over once nothing runs, nothing will, and nobody holds anything.
    pub(super) fn check_over(&mut self) {
        let is_over = |app: &App| match app.state {
            AppState::Idle => true,
            AppState::Ended(_) => !app.is_kept || self.is_ending(),
            AppState::Held => self.is_ending(),
            AppState::Waiting | AppState::Starting | AppState::Started | AppState::Stopping => false,
        };
        if !self.apps.values().all(is_over) {
            return;
        }
        let end = match &self.state {
            CompositeState::Idle | CompositeState::Ended => return,
            CompositeState::Ending { end, .. } => *end,
            CompositeState::Starting | CompositeState::Started if self.has_failures() => End::Failed,
            CompositeState::Starting | CompositeState::Started => {
                let was_asked = self.apps.values().any(|app| app.state == AppState::Ended(Fate::ShutDown));
                if was_asked { End::ShutDown } else { End::Completed }
            }
        };
        self.state = CompositeState::Ended;
        self.deadline = None;
        self.actions.push(CompositeAction::Finish(end));
    }
}
