//! Whatever happens, in whatever order: the witness finds nothing, everybody is answered, and it ends.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Strategy;

use super::*;
use crate::config::Strategy as AppStrategy;

/// One thing that happens. The numbers choose among what there is at that moment.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Operate(usize, AppOperation),
    End(Request),
    /// One more app, that depends on these, and that somebody starts.
    Add(Vec<u8>),
    /// An app depends on another one, or does not any more.
    Depend(usize, usize, u8),
    /// A start succeeds.
    Start(usize),
    /// A start fails before the app's life began.
    NotStarted(usize),
    /// An app ends.
    Ends(usize, Outcome),
    Unkillable(usize),
    /// A master answers what it was asked, even if that is settled.
    Operated(usize, bool),
    Settle,
    Wait(u64),
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let by = || "somebody".into();
    prop_oneof![
        3 => Just(Outcome::Completed),
        1 => Just(Outcome::ShutDown { by: by() }),
        1 => Just(Outcome::Killed { by: by() }),
        2 => Just(start_failed()),
        6 => Just(failed()),
        1 => Just(Outcome::Failed { reason: LeaveReason::Limit, stop_all: true }),
    ]
}

fn how() -> impl Strategy<Value = Request> {
    prop_oneof![Just(Request::Shutdown), Just(Request::Hurry), Just(Request::Kill)]
}

fn operation() -> impl Strategy<Value = AppOperation> {
    prop_oneof![
        Just(AppOperation::Start),
        Just(AppOperation::Restart),
        Just(AppOperation::Remove),
        how().prop_map(AppOperation::Stop)
    ]
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let which = || any::<usize>();
    prop_oneof![
        12 => (which(), operation()).prop_map(|(which, operation)| Op::Operate(which, operation)),
        1 => how().prop_map(Op::End),
        2 => vec(0..3u8, 8).prop_map(Op::Add),
        2 => (which(), which(), 0..3u8).prop_map(|(app, other, edge)| Op::Depend(app, other, edge)),
        12 => which().prop_map(Op::Start),
        1 => which().prop_map(Op::NotStarted),
        8 => (which(), outcome()).prop_map(|(which, outcome)| Op::Ends(which, outcome)),
        1 => which().prop_map(Op::Unkillable),
        4 => (which(), any::<bool>()).prop_map(|(which, is_done)| Op::Operated(which, is_done)),
        3 => Just(Op::Settle),
        3 => (0..6_000u64).prop_map(Op::Wait),
    ]
}

/// Apps without circles: each may depend on those before it. What is given first may depend on what is given last.
pub(super) fn apps() -> impl Strategy<Value = Vec<AppSpec>> {
    let edge = prop_oneof![3 => Just(0u8), 2 => Just(1), 1 => Just(2)];
    (vec((vec(edge, 6), prop::bool::weighted(0.2)), 1..6), any::<bool>()).prop_map(|(rows, reversed)| {
        let spec = |(at, (edges, is_essential)): (usize, &(Vec<u8>, bool))| {
            let name = |other: usize, edge: u8| format!("app{other}{}", if edge == 2 { "!" } else { "" });
            let all: Vec<String> =
                (0..at).filter(|other| edges[*other] != 0).map(|other| name(other, edges[other])).collect();
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            AppSpec { essential: *is_essential, ..app(&format!("app{at}"), &all) }
        };
        let mut specs: Vec<AppSpec> = rows.iter().enumerate().map(spec).collect();
        if reversed {
            specs.reverse();
        }
        specs
    })
}

prop_compose! {
    pub(super) fn any_rules()(keep_going: bool, which in 0..4, count in 0..4u32) -> CompositeRules {
        let intensity = Intensity { count, ..Intensity::default() };
        let strategy = match which {
            0 => AppStrategy::None,
            1 => AppStrategy::OneForOne(intensity),
            2 => AppStrategy::OneForAll(intensity),
            _ => AppStrategy::RestForOne(intensity),
        };
        CompositeRules { keep_going, strategy, shutdown_timeout: TIMEOUT }
    }
}

impl Stage {
    fn chosen(&self, which: usize, may: impl Fn(Doing) -> bool) -> Option<AppIndex> {
        let all: Vec<AppIndex> = (0..self.masters.len()).filter(|app| may(self.masters[*app])).collect();
        which.checked_rem(all.len()).map(|at| all[at])
    }

    pub(super) fn play(&mut self, op: Op) {
        match op {
            Op::Operate(which, operation) => {
                self.operate(which % self.masters.len(), operation);
            }
            Op::End(how) => self.end(how),
            Op::Add(edges) => {
                let name = |other: usize| {
                    self.specs[other].name.clone() + if edges[other % 8] == 2 { "!" } else { "" }
                };
                let is_named = |other: &usize| !self.forgotten.contains(other) && edges[*other % 8] != 0;
                let on: Vec<String> = (0..self.specs.len()).filter(is_named).map(name).collect();
                let on: Vec<&str> = on.iter().map(String::as_str).collect();
                self.add(app(&format!("app{}", self.specs.len()), &on));
                self.operate(self.specs.len() - 1, AppOperation::Start);
            }
            Op::Depend(which, other, edge) => {
                let (at, other) = (which % self.specs.len(), other % self.specs.len());
                if self.forgotten.contains(&at) || self.forgotten.contains(&other) {
                    return;
                }
                let mut specs = self.specs.clone();
                let on = specs[other].name.clone();
                specs[at].depends_on.retain(|known| known.app != on);
                let condition = if edge == 2 { Condition::Completed } else { Condition::Ready };
                if edge != 0 {
                    specs[at].depends_on.push(Dependency { app: on, condition });
                }
                self.reconfigure(specs);
            }
            Op::Start(which) => {
                if let Some(app) = self.chosen(which, |doing| doing == Doing::Starting) {
                    self.start_done(app);
                }
            }
            Op::NotStarted(which) => {
                if let Some(app) = self.chosen(which, |doing| doing == Doing::Starting) {
                    self.masters[app] = Doing::Idle;
                    self.feed(CompositeInput::AppNotStarted(app));
                }
            }
            Op::Ends(which, outcome) => {
                if let Some(app) = self.chosen(which, |doing| doing != Doing::Idle) {
                    self.end_done(app, outcome);
                }
            }
            Op::Unkillable(which) => {
                if let Some(app) = self.chosen(which, |doing| doing == Doing::Stopping) {
                    self.feed(CompositeInput::AppUnkillable { app, pid: 7 });
                }
            }
            Op::Operated(which, is_done) => {
                if let Some(at) = which.checked_rem(self.passed.len()) {
                    let (ticket, app) = self.passed[at];
                    self.operated(ticket, app, is_done);
                }
            }
            Op::Settle => {
                self.settle();
                self.check_rest();
            }
            Op::Wait(ms) => {
                self.now += Duration::from_millis(ms);
                self.feed(CompositeInput::TimePassed);
            }
        }
    }

    /// Where nothing is under way, nobody waits; but for the completion of an app that runs on.
    fn check_rest(&self) {
        let waits_for_completion = self.specs.iter().flat_map(|spec| &spec.depends_on).any(|dependency| {
            let app = self.app(&dependency.app);
            // It runs on, or the strategy would start it again but for one that is held.
            let is_to_come = self.masters[app] == Doing::Started
                || matches!(self.composite.standing(app), Some(Standing::Waiting { .. }));
            dependency.condition == Condition::Completed && is_to_come
        });
        if !waits_for_completion {
            assert_eq!(self.unanswered(), [0_u64; 0], "{:?}", self.composite);
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_every_ticket_is_answered_once_and_the_end_comes(
        specs in apps(), rules in any_rules(), ops in vec(op(), 1..80), how in how(),
    ) {
        let mut stage = Stage::new(specs, rules);
        stage.feed(CompositeInput::StartRequested);
        for op in ops {
            stage.play(op);
        }
        stage.end(how);
        stage.settle();
        prop_assert!(stage.finish.is_some());
        prop_assert_eq!(stage.unanswered(), [0_u64; 0]);
        prop_assert_eq!(stage.composite.next_deadline(), None);
        let finishes = stage.log.iter().filter(|action| matches!(action, CompositeAction::Finish(_)));
        prop_assert_eq!(finishes.count(), 1);
    }

    #[test]
    fn a_start_that_nobody_disturbs_starts_everything_and_an_end_ends_it(specs in apps(), rules in any_rules()) {
        let mut stage = Stage::new(specs, rules);
        stage.feed(CompositeInput::StartRequested);
        for _ in 0..stage.masters.len() {
            stage.settle();
            // What the composite waits for ends at last.
            let waited_for: Vec<AppIndex> = (0..stage.masters.len())
                .filter(|app| stage.specs.iter().flat_map(|spec| &spec.depends_on).any(|dependency| {
                    dependency.condition == Condition::Completed && dependency.app == stage.specs[*app].name
                }))
                .collect();
            for app in waited_for {
                if stage.masters[app] == Doing::Started && !stage.specs[app].essential {
                    stage.end_done(app, Outcome::Completed);
                }
            }
        }
        let starts = stage.log.iter().filter(|action| matches!(action, CompositeAction::StartApp(_))).count();
        let stops = stage.specs.iter().flat_map(|spec| &spec.depends_on).any(|dependency| {
            dependency.condition == Condition::Completed && stage.specs[stage.app(&dependency.app)].essential
        });
        prop_assert!(starts == stage.masters.len() || stops);
        stage.end(Request::Shutdown);
        stage.settle();
        prop_assert!(stage.finish.is_some());
    }
}
