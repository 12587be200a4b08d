//! Several apps as one: started in order, kept by a strategy, ended in reverse.
//!
//! ```text
//!  Idle ──StartRequested──► Starting ──every app started, or settled──► Started
//!                              │                                           │
//!                              │ an app failed to start           EndRequested; an app's policy stops all; an
//!                              │                                  essential app ended; too many failures
//!                              ▼                                           ▼
//!                           Ending ◄───────────────────────────────────────┘
//!                              │ every app ended          (after the shutdown timeout: killed)
//!                              ▼
//!                           Ended(end)      (also from Starting and Started, once every app has ended and none is held)
//! ```
//!
//! An app:
//!
//! ```text
//!            what it depends on is there
//!   Waiting ─────────────────────────────► Starting ───────────► Started ──┐
//!    │ ▲ │                                     │                    │      │ by itself
//!    │ │ │ a dependency is lost         asked  ▼                    ▼      │
//!    │ │ ▼                              to end Stopping ◄────────────      │
//!    │ │ Ended(NotStarted)              ┌──────────┼──────────┐            ▼
//!    │ │                       by a stop│ strategy │  the end │   Ended(Completed, Failed, ShutDown)
//!    ▼ │                                ▼          │          ▼            │
//!   Held ◄──────────────────────────── Held        │       Ended           │ a strategy, a request
//!      └───────────────────────────────────────────┴───────────────────────┘
//! ```
//!
//! From each of these it may be removed: see `leaving`.
//!
//! The supervisor's driver feeds it and carries out its actions; masters know nothing of each other. News of one app comes
//! in the order of its life: after [`StartApp`](CompositeAction::StartApp) either that it did not start, or at most once
//! that it started and then once that it ended.

mod action;
mod app;
mod apps;
mod ending;
mod input;
mod leaving;
mod operation;
mod plan;
mod starting;
mod strategy;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use action::{AppVerdict, CompositeAction, End, Fate, Missing, Standing};
pub use input::{AppOperation, CompositeInput};
pub use plan::Plan;

use self::app::{App, AppState, Cause, Next};
use self::apps::Apps;
use super::deadlines::after;
use crate::config::Strategy;
use crate::ids::TicketId;

/// Which app, by a number that is never given twice. Of those that are there from the start it is the place in the order given.
pub type AppIndex = usize;

/// The rules of a composite.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct CompositeRules {
    /// Go on with the other apps when one fails to start.
    pub keep_going: bool,
    /// What follows when an app fails for good.
    pub strategy: Strategy,
    /// From the start of shutdown to the kill of what is left.
    pub shutdown_timeout: Duration,
}

/// Several apps as one.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Composite {
    plan: Plan,
    rules: CompositeRules,
    apps: Apps,
    state: CompositeState,
    /// What began the end.
    why: Option<Arc<str>>,
    /// When what has not ended is killed.
    #[serde(default, with = "crate::written")]
    deadline: Option<Instant>,
    /// The recent failures that the strategy has answered: at most one more than its intensity.
    #[serde(with = "crate::written")]
    failures: VecDeque<Instant>,
    /// Whoever asks the apps to end that are recycled.
    recycled_by: Arc<str>,
    /// Whoever asks the apps to end that are to go.
    removed_by: Arc<str>,
    actions: Vec<CompositeAction>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum CompositeState {
    Idle,
    Starting,
    Started,
    Ending { end: End, by: Arc<str> },
    Ended,
}

impl Composite {
    /// A composite that does nothing yet.
    pub fn new(plan: Plan, rules: CompositeRules) -> Self {
        Self {
            apps: Apps::new(plan.order().iter().copied()),
            plan,
            rules,
            state: CompositeState::Idle,
            why: None,
            deadline: None,
            failures: VecDeque::new(),
            recycled_by: "nobody".into(),
            removed_by: "nobody".into(),
            actions: Vec::new(),
        }
    }

    /// Whether the start was asked for, or the end before that.
    pub fn has_begun(&self) -> bool {
        self.state != CompositeState::Idle
    }

    /// Takes one input and tells what is to be done. After [`Finish`](CompositeAction::Finish) nothing is any more.
    pub fn handle(&mut self, now: Instant, input: CompositeInput) -> Vec<CompositeAction> {
        if self.state == CompositeState::Ended {
            return Vec::new();
        }
        if input.news_of().is_some_and(|app| !self.apps.contains(app)) {
            return Vec::new();
        }
        match input {
            CompositeInput::StartRequested => self.start_all(),
            CompositeInput::AppStarted(app) => self.app_started(app),
            CompositeInput::AppNotStarted(app) => self.app_not_started(now, app),
            CompositeInput::AppEnded(app, outcome) => self.app_ended(now, app, &outcome),
            CompositeInput::AppOperated { ticket, app, is_done } => self.app_operated(ticket, app, is_done),
            CompositeInput::AppUnkillable { app, pid } => self.app_unkillable(app, pid),
            CompositeInput::OperationRequested { ticket, app, operation, by } => {
                self.operation_requested(ticket, app, operation, by);
            }
            CompositeInput::Reconfigured { plan, rules } => self.reconfigured(plan, rules),
            CompositeInput::EndRequested { how, by } => self.end_requested(now, how, by),
            CompositeInput::TimePassed => self.time_passed(now),
            CompositeInput::WasAway { by } => self.deadline = self.deadline.map(|at| after(at, by)),
        }
        self.recycle();
        self.let_go();
        self.start_waiting(now);
        self.ask_to_end();
        self.check_started();
        self.check_over();
        std::mem::take(&mut self.actions)
    }

    /// When [`CompositeInput::TimePassed`] is due.
    pub const fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// What began the end, in words; none while it lives, and when every app ended on its own.
    pub const fn why(&self) -> Option<&Arc<str>> {
        self.why.as_ref()
    }

    /// The apps that were not started because of one that they depend on, and of which.
    pub fn not_started(&self) -> impl Iterator<Item = (AppIndex, Missing)> {
        let is_so = |app: &App| app.missing.filter(|_| app.state == AppState::Ended(Fate::NotStarted));
        self.apps.iter().filter_map(move |(index, app)| Some((index, is_so(app)?)))
    }

    /// How an app stands; none of one that there is not.
    pub fn standing(&self, app: AppIndex) -> Option<Standing> {
        self.apps.contains(app).then(|| self.standing_of(app))
    }

    fn standing_of(&self, app: AppIndex) -> Standing {
        match self.apps[app].state {
            AppState::Idle => Standing::Idle,
            AppState::Waiting => Standing::Waiting { on: self.waits_on(app) },
            AppState::Starting => Standing::Starting,
            AppState::Started => Standing::Started,
            AppState::Stopping => Standing::Stopping,
            AppState::Held => Standing::Held,
            AppState::Ended(_) if self.apps[app].next == Next::Recycle => {
                Standing::Waiting { on: Vec::new() }
            }
            AppState::Ended(fate) => Standing::Ended(fate),
        }
    }

    /// Whether the others go on when one fails to start.
    pub const fn keeps_going(&self) -> bool {
        self.rules.keep_going
    }

    /// Whether everything is being ended.
    pub const fn is_ending(&self) -> bool {
        matches!(self.state, CompositeState::Ending { .. } | CompositeState::Ended)
    }

    /// Whether one that depends on it, directly or by others, is not gone yet.
    fn has_living_dependents(&self, app: AppIndex) -> bool {
        self.plan.dependents(app).iter().any(|other| self.apps[*other].is_alive())
    }

    fn answer(&mut self, ticket: TicketId, verdict: AppVerdict) {
        self.actions.push(CompositeAction::Answer { ticket, verdict });
    }

    /// Answers all who wait for the start of an app.
    fn answer_starts(&mut self, app: AppIndex, verdict: &AppVerdict) {
        for ticket in std::mem::take(&mut self.apps[app].starts) {
            self.answer(ticket, verdict.clone());
        }
    }

    /// Answers all who wait for what an app's master was asked.
    fn answer_passed(&mut self, app: AppIndex, verdict: &AppVerdict) {
        for ticket in std::mem::take(&mut self.apps[app].passed) {
            self.answer(ticket, verdict.clone());
        }
    }

    /// Answers all who wait for the end of an app.
    fn answer_ends(&mut self, app: AppIndex, verdict: &AppVerdict) {
        for ticket in std::mem::take(&mut self.apps[app].ends) {
            self.answer(ticket, verdict.clone());
        }
    }
}
