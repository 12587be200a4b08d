//! Several apps as one: started together, ended together.
//!
//! ```text
//!  Idle ──StartRequested──► Starting ──every app started──► Started
//!                              │                              │
//!                              │ an app failed to start       │ EndRequested, an app's policy stops all
//!                              ▼                              ▼
//!                           Ending ◄──────────────────────────┘
//!                              │ every app ended
//!                              ▼
//!                           Ended(end)      (also from Started, once every app has ended by itself)
//! ```
//!
//! The supervisor's driver feeds it and carries out its actions; masters know nothing of each other.

use std::sync::Arc;

use super::fleet::{FAILED_START, Outcome};
use super::gate::Request;

/// Which app, by its place in the order given.
pub type AppIndex = usize;

/// What can happen to a composite.
#[derive(Debug, Clone, PartialEq)]
pub enum CompositeInput {
    /// It is to be started.
    StartRequested,
    /// An app is ready as a whole.
    AppStarted(AppIndex),
    /// An app's start failed before its life began: a port in use, say.
    AppNotStarted(AppIndex),
    /// An app has ended.
    AppEnded(AppIndex, Outcome),
    /// Somebody wants the end.
    EndRequested {
        /// How hard.
        how: Request,
        /// Who.
        by: Arc<str>,
    },
}

/// What a composite wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum CompositeAction {
    /// Start an app.
    StartApp(AppIndex),
    /// End an app.
    EndApp {
        /// Which one.
        app: AppIndex,
        /// How hard.
        how: Request,
        /// Who asked.
        by: Arc<str>,
    },
    /// Every app is ready.
    ReportStarted,
    /// Nothing is left.
    Finish(End),
}

/// How a composite ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// Every app completed by itself.
    Completed,
    /// It was asked to end, and every app drained and left.
    ShutDown,
    /// It was asked to end and then hurried.
    Hurried,
    /// It was killed.
    Killed,
    /// An app did not start.
    StartFailed,
    /// An app failed for good.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AppState {
    Idle,
    Starting,
    Started,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Starting,
    Started,
    Ending(End),
    Ended,
}

/// Several apps as one.
#[derive(Debug)]
pub struct Composite {
    apps: Vec<AppState>,
    state: State,
    /// Go on with the other apps when one fails to start.
    keep_going: bool,
    /// Whether an app has failed for good.
    has_failed: bool,
}

impl Composite {
    /// A composite of `count` apps.
    pub fn new(count: usize, keep_going: bool) -> Self {
        Self { apps: vec![AppState::Idle; count], state: State::Idle, keep_going, has_failed: false }
    }

    /// Takes one input and tells what is to be done.
    pub fn handle(&mut self, input: CompositeInput) -> Vec<CompositeAction> {
        let mut out = Vec::new();
        match input {
            CompositeInput::StartRequested if self.state == State::Idle => {
                self.state = State::Starting;
                self.apps.fill(AppState::Starting);
                out.extend((0..self.apps.len()).map(CompositeAction::StartApp));
            }
            CompositeInput::StartRequested => {}
            CompositeInput::AppStarted(app) => {
                if self.apps[app] == AppState::Starting {
                    self.apps[app] = AppState::Started;
                }
                self.check_started(&mut out);
            }
            CompositeInput::AppNotStarted(app) => self.app_failed_to_start(app, &mut out),
            CompositeInput::AppEnded(app, outcome) => self.app_ended(app, &outcome, &mut out),
            CompositeInput::EndRequested { how, by } => {
                let end = match (how, self.state) {
                    (Request::Kill, _) => End::Killed,
                    (Request::Hurry, _) | (_, State::Ending(End::Hurried)) => End::Hurried,
                    (Request::Start | Request::Shutdown, _) => End::ShutDown,
                };
                self.end_all(how, &by, end, &mut out);
            }
        }
        self.check_over(&mut out);
        out
    }

    fn app_failed_to_start(&mut self, app: AppIndex, out: &mut Vec<CompositeAction>) {
        self.apps[app] = AppState::Ended;
        self.has_failed = true;
        if !self.keep_going && matches!(self.state, State::Starting | State::Started) {
            self.end_all(Request::Shutdown, &FAILED_START.into(), End::StartFailed, out);
        }
        self.check_started(out);
    }

    fn app_ended(&mut self, app: AppIndex, outcome: &Outcome, out: &mut Vec<CompositeAction>) {
        match outcome {
            Outcome::StartFailed(_) => return self.app_failed_to_start(app, out),
            Outcome::Failed { stop_all, .. } => {
                self.has_failed = true;
                if *stop_all && matches!(self.state, State::Starting | State::Started) {
                    self.apps[app] = AppState::Ended;
                    self.end_all(Request::Shutdown, &"the restart limit".into(), End::Failed, out);
                }
            }
            Outcome::Completed | Outcome::ShutDown { .. } | Outcome::Killed { .. } => {}
        }
        self.apps[app] = AppState::Ended;
        self.check_started(out);
    }

    fn end_all(&mut self, how: Request, by: &Arc<str>, end: End, out: &mut Vec<CompositeAction>) {
        match self.state {
            State::Ended => return,
            // What went wrong first stays the reason; force only shows where the end was wished for.
            State::Ending(End::StartFailed | End::Failed) => {}
            State::Idle | State::Starting | State::Started | State::Ending(_) => {
                self.state = State::Ending(end)
            }
        }
        // The last app first, as they were started in the order given.
        for app in (0..self.apps.len()).rev() {
            if matches!(self.apps[app], AppState::Starting | AppState::Started) {
                out.push(CompositeAction::EndApp { app, how, by: Arc::clone(by) });
            }
        }
    }

    fn check_started(&mut self, out: &mut Vec<CompositeAction>) {
        if self.state == State::Starting && !self.apps.contains(&AppState::Starting) {
            self.state = State::Started;
            if self.apps.contains(&AppState::Started) || !self.has_failed {
                out.push(CompositeAction::ReportStarted);
            }
        }
    }

    fn check_over(&mut self, out: &mut Vec<CompositeAction>) {
        if self.apps.iter().any(|app| matches!(app, AppState::Starting | AppState::Started)) {
            return;
        }
        let end = match self.state {
            State::Idle | State::Ended => return,
            State::Ending(end) => end,
            State::Starting | State::Started if self.has_failed => End::Failed,
            State::Starting | State::Started => End::Completed,
        };
        self.state = State::Ended;
        out.push(CompositeAction::Finish(end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::restart::LeaveReason;

    fn end(how: Request) -> CompositeInput {
        CompositeInput::EndRequested { how, by: "a test".into() }
    }

    fn ended(app: AppIndex) -> CompositeInput {
        CompositeInput::AppEnded(app, Outcome::ShutDown { by: "a test".into() })
    }

    fn run(
        composite: &mut Composite,
        inputs: impl IntoIterator<Item = CompositeInput>,
    ) -> Vec<CompositeAction> {
        inputs.into_iter().flat_map(|input| composite.handle(input)).collect()
    }

    fn started(count: usize) -> Composite {
        let mut composite = Composite::new(count, false);
        let actions = run(
            &mut composite,
            std::iter::once(CompositeInput::StartRequested).chain((0..count).map(CompositeInput::AppStarted)),
        );
        assert_eq!(actions.last(), Some(&CompositeAction::ReportStarted));
        composite
    }

    fn finish_of(actions: &[CompositeAction]) -> Option<End> {
        actions.iter().find_map(|action| match action {
            CompositeAction::Finish(end) => Some(*end),
            _ => None,
        })
    }

    #[test]
    fn an_end_is_asked_of_every_app_in_reverse_and_finishes_when_all_are_gone() {
        let mut composite = started(3);
        let asked: Vec<AppIndex> = run(&mut composite, [end(Request::Shutdown)])
            .into_iter()
            .filter_map(|action| match action {
                CompositeAction::EndApp { app, .. } => Some(app),
                _ => None,
            })
            .collect();
        assert_eq!(asked, [2, 1, 0]);
        assert_eq!(finish_of(&run(&mut composite, [ended(1), ended(0)])), None);
        assert_eq!(finish_of(&run(&mut composite, [ended(2)])), Some(End::ShutDown));
    }

    #[test]
    fn a_failed_start_of_one_ends_the_others_and_is_the_reason_whatever_follows() {
        let mut composite = Composite::new(2, false);
        run(&mut composite, [CompositeInput::StartRequested, CompositeInput::AppStarted(0)]);
        let actions = run(&mut composite, [CompositeInput::AppNotStarted(1), end(Request::Kill), ended(0)]);
        assert!(matches!(actions[0], CompositeAction::EndApp { app: 0, how: Request::Shutdown, .. }));
        assert_eq!(finish_of(&actions), Some(End::StartFailed));
    }

    #[test]
    fn with_keep_going_a_failed_start_leaves_the_others_running() {
        let mut composite = Composite::new(2, true);
        let actions = run(
            &mut composite,
            [CompositeInput::StartRequested, CompositeInput::AppNotStarted(1), CompositeInput::AppStarted(0)],
        );
        assert!(actions.contains(&CompositeAction::ReportStarted));
        assert_eq!(finish_of(&actions), None);
    }

    #[test]
    fn force_shows_in_the_end() {
        for (hows, expected) in [
            (vec![Request::Shutdown, Request::Hurry], End::Hurried),
            (vec![Request::Shutdown, Request::Hurry, Request::Shutdown], End::Hurried),
            (vec![Request::Shutdown, Request::Hurry, Request::Kill], End::Killed),
            (vec![Request::Kill], End::Killed),
        ] {
            let mut composite = started(1);
            let inputs: Vec<_> = hows.into_iter().map(end).chain([ended(0)]).collect();
            assert_eq!(finish_of(&run(&mut composite, inputs)), Some(expected));
        }
    }

    #[test]
    fn apps_that_end_by_themselves_end_the_whole() {
        let completed = |app| CompositeInput::AppEnded(app, Outcome::Completed);
        assert_eq!(finish_of(&run(&mut started(2), [completed(0), completed(1)])), Some(End::Completed));
        let failed = Outcome::Failed { reason: LeaveReason::Limit, stop_all: false };
        let inputs = [completed(0), CompositeInput::AppEnded(1, failed)];
        assert_eq!(finish_of(&run(&mut started(2), inputs)), Some(End::Failed));
    }

    #[test]
    fn a_policy_that_stops_all_stops_all() {
        let mut composite = started(2);
        let failed = Outcome::Failed { reason: LeaveReason::Limit, stop_all: true };
        let actions = run(&mut composite, [CompositeInput::AppEnded(0, failed), ended(1)]);
        assert!(matches!(actions[0], CompositeAction::EndApp { app: 1, .. }));
        assert_eq!(finish_of(&actions), Some(End::Failed));
    }
}
