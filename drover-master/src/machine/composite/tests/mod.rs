//! A stage for the composite: masters that do as they are told, and a witness of what may never be.

mod ending;
mod leaving;
mod operations;
mod order;
mod properties;
mod starting;
mod strategies;
mod succession;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::*;
use crate::config::{AppSpec, Command, Condition, Dependency, Intensity};
use crate::ids::{SlotIndex, WorkerId};
use crate::machine::exit::{Exit, ExitReason, Usage};
use crate::machine::fleet::{Outcome, StartFailure};
use crate::machine::gate::Request;
use crate::machine::phase::Phase;
use crate::machine::restart::LeaveReason;

pub(super) const TIMEOUT: Duration = Duration::from_secs(45);

/// What the master of an app does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Idle,
    Starting,
    Started,
    Stopping,
}

/// A composite with masters that the test plays.
pub(super) struct Stage {
    pub(super) composite: Composite,
    specs: Vec<AppSpec>,
    dependents: Vec<Vec<AppIndex>>,
    rules: CompositeRules,
    /// The apps that there are no more.
    pub(super) forgotten: BTreeSet<AppIndex>,
    pub(super) now: Instant,
    pub(super) masters: Vec<Doing>,
    /// The apps whose last life was completed.
    completed: BTreeSet<AppIndex>,
    last_ticket: u64,
    admitted: BTreeSet<u64>,
    /// What masters were asked and have not answered.
    pub(super) passed: Vec<(u64, AppIndex)>,
    pub(super) verdicts: BTreeMap<u64, AppVerdict>,
    pub(super) finish: Option<End>,
    pub(super) log: Vec<CompositeAction>,
    pub(super) shadow: Option<Shadow>,
}

/// Somebody who sees what a composite takes, what it wants done, and how it stands then.
type Shadow = Box<dyn FnMut(Instant, &CompositeInput, &[CompositeAction], &Composite)>;

/// An app `name` that depends on others: `"db"` ready, `"migrate!"` completed.
pub(super) fn app(name: &str, depends_on: &[&str]) -> AppSpec {
    let mut spec = AppSpec::new(name, Command::new("true"));
    spec.depends_on = depends_on
        .iter()
        .map(|name| match name.strip_suffix('!') {
            Some(name) => Dependency { app: name.into(), condition: Condition::Completed },
            None => Dependency { app: (*name).into(), condition: Condition::Ready },
        })
        .collect();
    spec
}

pub(super) fn essential(spec: AppSpec) -> AppSpec {
    AppSpec { essential: true, ..spec }
}

pub(super) fn rules() -> CompositeRules {
    CompositeRules { keep_going: false, strategy: Strategy::None, shutdown_timeout: TIMEOUT }
}

pub(super) fn keep_going() -> CompositeRules {
    CompositeRules { keep_going: true, ..rules() }
}

pub(super) fn with(strategy: fn(Intensity) -> Strategy, count: u32) -> CompositeRules {
    CompositeRules { strategy: strategy(Intensity { count, ..Intensity::default() }), ..rules() }
}

pub(super) fn failed() -> Outcome {
    Outcome::Failed { reason: LeaveReason::Limit, stop_all: false }
}

pub(super) fn start_failed() -> Outcome {
    let exit = Exit {
        reason: ExitReason::AbnormalExit { code: 1 },
        during: Phase::Starting,
        at: tokio::time::Instant::now().into_std(),
        uptime: Duration::ZERO,
        usage: Usage::default(),
        stderr_tail: Vec::new(),
        asked_by: None,
        sent: None,
        detail: None,
    };
    Outcome::StartFailed(StartFailure { slot: SlotIndex(0), worker: WorkerId(1), exit: Arc::new(exit) })
}

impl Stage {
    pub(super) fn new(specs: Vec<AppSpec>, rules: CompositeRules) -> Self {
        let plan = Plan::of(&specs).expect("the apps can be meant");
        let count = specs.len();
        let dependents = (0..count).map(|app| dependents_of(&specs, app)).collect();
        Self {
            composite: Composite::new(plan, rules.clone()),
            specs,
            dependents,
            rules,
            forgotten: BTreeSet::new(),
            now: tokio::time::Instant::now().into_std(),
            masters: vec![Doing::Idle; count],
            completed: BTreeSet::new(),
            last_ticket: 0,
            admitted: BTreeSet::new(),
            passed: Vec::new(),
            verdicts: BTreeMap::new(),
            finish: None,
            log: Vec::new(),
            shadow: None,
        }
    }

    /// The apps, all started.
    pub(super) fn started(specs: Vec<AppSpec>, rules: CompositeRules) -> Self {
        let mut stage = Self::new(specs, rules);
        stage.feed(CompositeInput::StartRequested);
        while let Some(app) = stage.first(Doing::Starting) {
            stage.start_done(app);
        }
        assert_eq!(stage.log.last(), Some(&CompositeAction::ReportStarted));
        stage.log.clear();
        stage
    }

    pub(super) fn first(&self, doing: Doing) -> Option<AppIndex> {
        self.masters.iter().position(|master| *master == doing)
    }

    pub(super) fn app(&self, name: &str) -> AppIndex {
        self.specs.iter().position(|spec| spec.name == name).expect("there is such an app")
    }

    pub(super) fn doing(&self, name: &str) -> Doing {
        self.masters[self.app(name)]
    }

    /// There are these apps, if they can be meant: those that there were, perhaps with other dependencies, and more.
    pub(super) fn reconfigure(&mut self, specs: Vec<AppSpec>) -> bool {
        let there = specs.iter().enumerate().filter(|(app, _)| !self.forgotten.contains(app));
        let Ok(plan) = Plan::numbered(there) else { return false };
        self.masters.resize(specs.len(), Doing::Idle);
        self.specs = specs;
        self.dependents = (0..self.specs.len()).map(|app| dependents_of(&self.specs, app)).collect();
        let rules = self.rules.clone();
        self.feed(CompositeInput::Reconfigured { plan, rules });
        true
    }

    /// One more app.
    pub(super) fn add(&mut self, spec: AppSpec) {
        let mut specs = self.specs.clone();
        specs.push(spec);
        assert!(self.reconfigure(specs));
    }

    pub(super) fn remove(&mut self, name: &str) -> u64 {
        self.operate(self.app(name), AppOperation::Remove)
    }

    /// Feeds one input, and looks at what comes of it.
    pub(super) fn feed(&mut self, input: CompositeInput) {
        let asked = match &input {
            CompositeInput::OperationRequested { app, operation: AppOperation::Stop(_), .. } => Some(*app),
            _ => None,
        };
        let was_over = self.finish.is_some();
        let seen = self.shadow.is_some().then(|| input.clone());
        let actions = self.composite.handle(self.now, input);
        if let (Some(shadow), Some(input)) = (&mut self.shadow, seen) {
            shadow(self.now, &input, &actions, &self.composite);
        }
        assert!(!was_over || actions.is_empty(), "after the end: {actions:?}");
        for action in actions {
            self.look_at(&action, asked);
            self.log.push(action);
        }
    }

    fn look_at(&mut self, action: &CompositeAction, asked: Option<AppIndex>) {
        assert_eq!(self.finish, None, "{action:?}");
        match action {
            CompositeAction::StartApp(app) => {
                assert_eq!(self.masters[*app], Doing::Idle, "{action:?}");
                assert!(!self.forgotten.contains(app), "{action:?}");
                for dependency in &self.specs[*app].depends_on {
                    let other = self.app(&dependency.app);
                    let is_done = self.masters[other] == Doing::Idle && self.completed.contains(&other);
                    let is_ready = self.masters[other] == Doing::Started;
                    assert!(
                        is_done || (is_ready && dependency.condition == Condition::Ready),
                        "{action:?} before {dependency:?}"
                    );
                }
                self.masters[*app] = Doing::Starting;
                self.completed.remove(app);
            }
            CompositeAction::EndApp { app, how, .. } => {
                assert_ne!(self.masters[*app], Doing::Idle, "{action:?}");
                if *how == Request::Shutdown && asked != Some(*app) {
                    assert_ne!(self.masters[*app], Doing::Stopping, "{action:?}: asked twice");
                    let is_gone = |other: &AppIndex| self.masters[*other] == Doing::Idle;
                    assert!(self.dependents[*app].iter().all(is_gone), "{action:?} before its dependents");
                }
                self.masters[*app] = Doing::Stopping;
            }
            CompositeAction::OperateApp { ticket, app, .. } => {
                assert_eq!(self.masters[*app], Doing::Started, "{action:?}");
                self.passed.push((ticket.0, *app));
                // By the app's own master.
                assert!(self.admitted.insert(ticket.0), "{action:?}");
            }
            CompositeAction::Admit { ticket } => {
                assert!(!self.verdicts.contains_key(&ticket.0), "{action:?}");
                assert!(self.admitted.insert(ticket.0), "{action:?}");
            }
            CompositeAction::Answer { ticket, verdict } => {
                let is_refusal = matches!(
                    verdict,
                    AppVerdict::Ending
                        | AppVerdict::Denied { .. }
                        | AppVerdict::Unknown
                        | AppVerdict::Needed { .. }
                );
                assert_eq!(is_refusal, !self.admitted.contains(&ticket.0), "{action:?}");
                assert_eq!(self.verdicts.insert(ticket.0, verdict.clone()), None, "{action:?}");
            }
            CompositeAction::Forget(app) => {
                assert_eq!(self.masters[*app], Doing::Idle, "{action:?}");
                assert!(self.forgotten.insert(*app), "{action:?}");
                let is_forgotten = |other: &AppIndex| self.forgotten.contains(other);
                assert!(self.dependents[*app].iter().all(is_forgotten), "{action:?}: it is needed");
            }
            CompositeAction::ReportStarted => {}
            CompositeAction::Finish(end) => {
                assert!(self.masters.iter().all(|master| *master == Doing::Idle), "{action:?}");
                assert_eq!(self.unanswered(), [0_u64; 0], "{action:?}");
                self.finish = Some(*end);
            }
        }
    }

    /// The tickets that nobody has answered.
    pub(super) fn unanswered(&self) -> Vec<u64> {
        self.admitted.iter().copied().filter(|ticket| !self.verdicts.contains_key(ticket)).collect()
    }

    pub(super) fn start_done(&mut self, app: AppIndex) {
        assert_eq!(self.masters[app], Doing::Starting);
        self.masters[app] = Doing::Started;
        self.feed(CompositeInput::AppStarted(app));
    }

    pub(super) fn started_now(&mut self, name: &str) {
        self.start_done(self.app(name));
    }

    /// A master's app has ended.
    pub(super) fn end_done(&mut self, app: AppIndex, outcome: Outcome) {
        assert_ne!(self.masters[app], Doing::Idle);
        self.masters[app] = Doing::Idle;
        if outcome == Outcome::Completed {
            self.completed.insert(app);
        }
        self.feed(CompositeInput::AppEnded(app, outcome));
    }

    pub(super) fn ended(&mut self, name: &str, outcome: Outcome) {
        self.end_done(self.app(name), outcome);
    }

    /// A master answers what it was asked.
    pub(super) fn operated(&mut self, ticket: u64, app: AppIndex, is_done: bool) {
        self.passed.retain(|(other, _)| *other != ticket);
        self.feed(CompositeInput::AppOperated { ticket: TicketId(ticket), app, is_done });
    }

    /// An app that was asked to end has done so.
    pub(super) fn left(&mut self, name: &str) {
        assert_eq!(self.doing(name), Doing::Stopping, "{name}");
        self.ended(name, Outcome::ShutDown { by: "a test".into() });
    }

    pub(super) fn end(&mut self, how: Request) {
        self.feed(CompositeInput::EndRequested { how, by: "a test".into() });
    }

    pub(super) fn operate(&mut self, app: AppIndex, operation: AppOperation) -> u64 {
        self.last_ticket += 1;
        let ticket = TicketId(self.last_ticket);
        self.feed(CompositeInput::OperationRequested { ticket, app, operation, by: "a test".into() });
        self.last_ticket
    }

    pub(super) fn start(&mut self, name: &str) -> u64 {
        self.operate(self.app(name), AppOperation::Start)
    }

    pub(super) fn stop(&mut self, name: &str) -> u64 {
        self.operate(self.app(name), AppOperation::Stop(Request::Shutdown))
    }

    pub(super) fn restart(&mut self, name: &str) -> u64 {
        self.operate(self.app(name), AppOperation::Restart)
    }

    /// Stops an app, and lets it go.
    pub(super) fn hold(&mut self, name: &str) {
        let ticket = self.stop(name);
        self.left(name);
        assert_eq!(self.verdicts[&ticket], AppVerdict::Done);
    }

    /// Everything settles as it should: what starts, comes up; what ends, goes.
    pub(super) fn settle(&mut self) {
        for _ in 0..1000 {
            if let Some(app) = self.first(Doing::Stopping) {
                self.end_done(app, Outcome::ShutDown { by: "a test".into() });
            } else if let Some(app) = self.first(Doing::Starting) {
                self.start_done(app);
            } else if let Some((ticket, app)) = self.passed.pop() {
                self.operated(ticket, app, true);
            } else {
                return;
            }
        }
        panic!("it never settles: {:?}", self.composite);
    }

    /// What was done since the log was last taken: `+db` for a start, `-db` for an end.
    pub(super) fn done(&mut self) -> String {
        let name = |app: AppIndex| self.specs[app].name.as_str();
        let words: Vec<String> = self
            .log
            .iter()
            .filter_map(|action| match action {
                CompositeAction::StartApp(app) => Some(format!("+{}", name(*app))),
                CompositeAction::EndApp { app, how: Request::Shutdown, .. } => {
                    Some(format!("-{}", name(*app)))
                }
                CompositeAction::EndApp { app, .. } => Some(format!("!{}", name(*app))),
                _ => None,
            })
            .collect();
        self.log.clear();
        words.join(" ")
    }

    pub(super) fn why(&self) -> &str {
        self.composite.why().map_or("", |why| why)
    }
}

/// By the book: whoever names it, or names one of those. Slow and plain, so that it is right.
fn dependents_of(specs: &[AppSpec], app: AppIndex) -> Vec<AppIndex> {
    let mut all: BTreeSet<AppIndex> = [app].into();
    loop {
        let names_one = |spec: &AppSpec| {
            spec.depends_on.iter().any(|dependency| all.iter().any(|at| specs[*at].name == dependency.app))
        };
        let more: Vec<AppIndex> = (0..specs.len()).filter(|at| names_one(&specs[*at])).collect();
        let before = all.len();
        all.extend(more);
        if all.len() == before {
            all.remove(&app);
            return all.into_iter().collect();
        }
    }
}
