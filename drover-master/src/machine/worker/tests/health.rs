//! What answers about its health do to a worker, on a simulated clock.

use crate::signal::Signal;
use std::num::NonZeroU32;

use super::super::*;
use crate::config::{Command, HealthCheck, HealthPolicy, Kind, ProbeKind, ReloadSignal};
use crate::machine::exit::{Exit, ExitReason, ExitStatus, KillCause, Usage};
use crate::machine::phase::Phase;
use crate::machine::testing::origin;

const LIVENESS: Question = Question::Liveness;
const READINESS: Question = Question::Readiness;

/// A worker that is asked, and its clock.
struct Asked {
    worker: Worker,
    now: Instant,
    done: Vec<WorkerAction>,
}

impl Asked {
    fn new(protocol: Protocol, health: HealthPolicy, seed: u64) -> Self {
        let mut spec = AppSpec::new("app", Command::new("app"));
        (spec.protocol, spec.health, spec.heartbeat) = (protocol, health, None);
        let identity = Identity { slot: SlotIndex(0), generation: Generation(1), id: WorkerId(1) };
        let (now, chance) = (origin(), fastrand::Rng::with_seed(seed));
        Self { worker: Worker::new(identity, Arc::new(spec), now, chance), now, done: Vec::new() }
    }

    /// One that said that it is ready.
    fn up(health: HealthPolicy) -> Self {
        let mut asked = Self::new(Protocol::Drover, health, 1);
        asked.feed(WorkerInput::Spawned { pid: 4711 });
        asked.feed(WorkerInput::Connected);
        asked.feed(WorkerInput::from(WorkerReport::Started));
        asked
    }

    fn feed(&mut self, input: WorkerInput) {
        self.done.clear();
        self.worker.handle(self.now, input, &mut self.done);
        if self.done.contains(&WorkerAction::LookWhetherStopped) {
            return self.feed(WorkerInput::Looked { stopped_by: None });
        }
        self.done.retain(|action| !matches!(action, WorkerAction::ReportPhase { .. }));
    }

    /// Waits for the next try; tells what is asked, and how long that took.
    fn next(&mut self) -> (Vec<(Question, u64)>, Duration) {
        let at = self.worker.next_try().expect("a next try");
        let pause = at - self.now;
        self.now = at;
        self.feed(WorkerInput::TryDue);
        let asks = self.done.iter().filter_map(|action| match action {
            WorkerAction::Ask { question, number } => Some((*question, *number)),
            _ => None,
        });
        (asks.collect(), pause)
    }

    fn answer(&mut self, (question, number): (Question, u64), fault: Option<&str>) {
        self.feed(WorkerInput::Answered { question, number, fault: fault.map(Into::into) });
    }

    /// The next try, with its answer, of the only question that is asked.
    fn tried(&mut self, fault: Option<&str>) -> Duration {
        let (asked, pause) = self.next();
        self.answer(asked[0], fault);
        pause
    }
}

fn check(failures: u32, successes: u32) -> HealthCheck {
    let number = |count| NonZeroU32::new(count).unwrap();
    let check = HealthCheck::new(ProbeKind::Tcp { addr: "127.0.0.1:1".into() });
    HealthCheck { failures: number(failures), successes: number(successes), ..check }
}

fn liveness(failures: u32) -> HealthPolicy {
    HealthPolicy { liveness: Some(check(failures, 1)), readiness: None }
}

fn readiness(failures: u32, successes: u32) -> HealthPolicy {
    HealthPolicy { liveness: None, readiness: Some(check(failures, successes)) }
}

/// One that is ready and asked about its readiness.
fn ready(failures: u32, successes: u32) -> Asked {
    let mut asked = Asked::up(readiness(failures, successes));
    for _ in 0..successes {
        asked.tried(None);
    }
    assert!(asked.worker.is_ready());
    asked
}

#[test]
fn a_worker_that_fails_its_liveness_so_often_in_a_row_is_ended_with_the_last_reason() {
    let mut asked = Asked::up(liveness(3));
    for fault in [Some("one"), Some("two"), None, Some("three"), Some("four")] {
        asked.tried(fault);
        assert_eq!(asked.worker.phase(), Phase::Started, "{fault:?}");
    }
    asked.tried(Some("GET / answered 500"));
    assert!(asked.done.contains(&WorkerAction::Signal { signal: Signal::TERM }), "{:?}", asked.done);
    let status = ExitStatus::Signal { signal: Signal::TERM, core_dumped: false };
    asked.feed(WorkerInput::Exited { status, usage: Usage::default(), stderr_tail: Vec::new() });
    let WorkerState::Exited { exit: Exit { reason, detail, .. }, as_wished } = asked.worker.state() else {
        panic!()
    };
    let cause = KillCause::Unhealthy;
    assert_eq!(*reason, ExitReason::KilledByMaster { cause, status });
    assert_eq!((detail.as_deref(), *as_wished), (Some("GET / answered 500"), false));
}

#[test]
fn a_worker_is_ready_only_after_its_readiness_has_passed_so_often_in_a_row() {
    let mut asked = Asked::up(readiness(3, 2));
    for fault in [Some("no"), None, Some("no"), None] {
        let pause = asked.tried(fault);
        assert_eq!((asked.worker.phase(), asked.worker.is_ready()), (Phase::Starting, false), "{fault:?}");
        assert!(
            pause <= Duration::from_millis(1100),
            "while somebody waits, tries come more often: {pause:?}"
        );
    }
    asked.tried(None);
    assert!(asked.worker.is_ready());
}

/// One that notifies, is watched each 10 s, and has said READY=1, but not passed.
fn notified(health: HealthPolicy) -> Asked {
    let mut asked = Asked::new(Protocol::Notify, health, 1);
    Arc::get_mut(&mut asked.worker.spec).unwrap().reload = Some(RELOAD);
    asked.worker.watchdog = Watchdog::every(Some(Duration::from_secs(10)));
    asked.feed(WorkerInput::Spawned { pid: 4711 });
    asked.feed(WorkerInput::Notified(Notice::Ready));
    asked
}

const RELOAD: ReloadSignal = ReloadSignal { signal: Signal::HUP, waits: true };

#[test]
fn one_that_notifies_is_ready_when_it_has_said_so_and_passed_and_is_watched_from_then_on() {
    let mut asked = notified(readiness(3, 1));
    assert_eq!((asked.worker.state(), asked.worker.watchdog.due()), (&WorkerState::Checking, None));
    let by_start = asked.worker.deadline();
    for notice in [Notice::Ready, Notice::KeepAlive, Notice::Extend { by: Duration::from_secs(100) }] {
        asked.feed(WorkerInput::Notified(notice));
        assert_eq!((asked.worker.state(), asked.done.len()), (&WorkerState::Checking, 0));
    }
    assert!(asked.worker.deadline() > by_start, "it may ask for more time");
    asked.tried(None);
    assert!(asked.worker.is_ready());
    assert_eq!(asked.worker.deadline(), Some(asked.now + Duration::from_secs(10)), "of its watchdog");
}

#[test]
fn an_unready_worker_reloads_by_itself_and_stays_unready_until_it_passes() {
    let mut asked = notified(readiness(1, 1));
    asked.tried(None);
    asked.tried(Some("no"));
    assert!(asked.worker.unready().is_some());
    asked.feed(WorkerInput::ReloadAsked);
    asked.feed(WorkerInput::Notified(Notice::Ready));
    assert_eq!(asked.done, [WorkerAction::ReportReloaded]);
    assert!(!asked.worker.is_ready());
    asked.tried(None);
    assert!(asked.worker.is_ready());
}

#[test]
fn a_worker_whose_liveness_fails_while_it_reloads_is_ended() {
    let mut asked = notified(liveness(1));
    asked.feed(WorkerInput::ReloadAsked);
    asked.tried(Some("no"));
    assert!(asked.done.contains(&WorkerAction::Signal { signal: Signal::TERM }), "{:?}", asked.done);
    assert!(!asked.worker.is_reloading());
}

#[test]
fn a_worker_whose_readiness_never_passes_has_missed_its_start_deadline_for_that_reason() {
    for protocol in [Protocol::Drover, Protocol::None] {
        let mut asked = Asked::new(protocol, readiness(3, 1), 1);
        asked.feed(WorkerInput::Spawned { pid: 4711 });
        asked.feed(WorkerInput::Connected);
        if protocol == Protocol::Drover {
            asked.feed(WorkerInput::from(WorkerReport::Started));
        } else {
            asked.now = asked.worker.deadline().unwrap();
            asked.feed(WorkerInput::DeadlinePassed);
        }
        assert_eq!(*asked.worker.state(), WorkerState::Checking);
        asked.tried(Some("GET / answered 503"));
        asked.now = asked.worker.deadline().unwrap();
        asked.feed(WorkerInput::DeadlinePassed);
        let status = ExitStatus::Signal { signal: Signal::TERM, core_dumped: false };
        asked.feed(WorkerInput::Exited { status, usage: Usage::default(), stderr_tail: Vec::new() });
        let WorkerState::Exited { exit, .. } = asked.worker.state() else { panic!() };
        let reason = ExitReason::KilledByMaster { cause: KillCause::StartDeadline, status };
        assert_eq!(
            (exit.reason, exit.detail.as_deref()),
            (reason, Some("GET / answered 503")),
            "{protocol:?}"
        );
    }
}

#[test]
fn an_unready_worker_is_left_alive_and_comes_back_after_so_many_passes() {
    let mut asked = ready(2, 2);
    asked.tried(Some("first"));
    assert!(asked.worker.is_ready(), "one failure is none");
    asked.tried(Some("second"));
    assert_eq!(asked.done, [WorkerAction::ReportUnready { reason: "second".into() }]);
    assert_eq!((asked.worker.phase(), asked.worker.is_ready()), (Phase::Started, false));
    asked.tried(Some("third"));
    assert!(asked.done.is_empty(), "it is told once: {:?}", asked.done);
    assert_eq!(asked.worker.unready().map(|reason| &**reason), Some("third"), "the last reason is shown");
    asked.tried(None);
    assert!(!asked.worker.is_ready());
    asked.tried(None);
    assert_eq!(asked.done, [WorkerAction::ReportReadyAgain]);
    assert!(asked.worker.is_ready());
}

#[test]
fn tries_are_never_stacked_and_answers_of_old_ones_count_for_nothing() {
    let mut asked = ready(1, 1);
    let (tries, _) = asked.next();
    assert_eq!(asked.worker.next_try(), None, "the next one waits for the answer");
    let old = (READINESS, tries[0].1 - 1);
    asked.answer(old, Some("late"));
    assert!(asked.worker.is_ready() && asked.worker.next_try().is_none());
    asked.answer(tries[0], Some("now"));
    assert!(!asked.worker.is_ready());
    asked.answer(tries[0], None);
    assert!(!asked.worker.is_ready(), "one answer counts once");
}

#[test]
fn a_failure_that_a_master_which_was_away_heard_of_late_counts_for_nothing() {
    let mut asked = Asked::up(liveness(2));
    asked.tried(Some("truly"));
    let (tries, _) = asked.next();
    // It was stopped for a minute, and so was the clock of the try.
    asked.now += Duration::from_secs(60);
    asked.feed(WorkerInput::MasterWasAway { by: Duration::from_secs(60) });
    asked.answer(tries[0], Some("took longer than 1s"));
    asked.tried(Some("truly"));
    assert_eq!(asked.worker.phase(), Phase::Started, "it begins again");
    asked.tried(Some("truly"));
    assert_eq!(asked.worker.phase(), Phase::ShuttingDown);
}

#[test]
fn the_first_try_is_anywhere_within_an_interval_and_later_ones_a_tenth_around_it() {
    let policy = || HealthPolicy { liveness: Some(check(3, 1)), readiness: None };
    let mut firsts = Vec::new();
    for seed in 0..100 {
        let mut asked = Asked::new(Protocol::None, policy(), seed);
        Arc::get_mut(&mut asked.worker.spec).unwrap().start.min_uptime = Duration::ZERO;
        asked.feed(WorkerInput::Spawned { pid: 4711 });
        firsts.push(asked.tried(None));
        let pause = asked.tried(None);
        assert!((9.0..=11.0).contains(&pause.as_secs_f64()), "{pause:?}");
    }
    firsts.sort();
    assert!(firsts[0] < Duration::from_secs(1) && firsts[99] > Duration::from_secs(9), "{firsts:?}");
    assert!(firsts[99] <= Duration::from_secs(10));
    let in_one_second = firsts.iter().filter(|at| (4..5).contains(&at.as_secs())).count();
    assert!(in_one_second < 30, "{in_one_second} of 100 within one second");
}

#[test]
fn the_initial_delay_comes_before_the_first_try() {
    let delayed = HealthCheck { initial_delay: Duration::from_secs(60), ..check(3, 1) };
    let mut asked = Asked::up(HealthPolicy { liveness: None, readiness: Some(delayed) });
    let (tries, pause) = asked.next();
    assert_eq!((tries.len(), pause), (1, Duration::from_secs(60)));
}

#[test]
fn who_drains_rests_or_is_dead_is_not_asked_any_more() {
    for input in [
        WorkerInput::ShutdownAsked { by: "a test".into() },
        WorkerInput::SuspendAsked,
        WorkerInput::Died { status: ExitStatus::Code(1) },
    ] {
        let mut asked = ready(1, 1);
        let (tries, _) = asked.next();
        asked.feed(input.clone());
        asked.answer(tries[0], Some("too late"));
        assert_eq!((asked.worker.next_try(), asked.worker.unready()), (None, None), "{input:?}");
        assert!(asked.done.is_empty(), "{:?}", asked.done);
    }
}

#[test]
fn a_worker_that_rested_while_it_was_unready_is_asked_anew_when_it_serves_again() {
    let mut asked = ready(1, 1);
    asked.tried(Some("no"));
    assert!(!asked.worker.is_ready());
    asked.feed(WorkerInput::SaidCapable { resume: true });
    asked.feed(WorkerInput::SuspendAsked);
    asked.feed(WorkerInput::from(WorkerReport::Stopped));
    assert_eq!((asked.worker.phase(), asked.worker.unready()), (Phase::Stopped, None));
    asked.feed(WorkerInput::ResumeAsked);
    asked.feed(WorkerInput::from(WorkerReport::Started));
    assert!(asked.worker.is_ready() && asked.worker.next_try().is_some());
}

#[test]
fn a_worker_that_lost_its_connection_while_it_was_checked_has_to_come_back() {
    let mut asked = Asked::up(readiness(3, 1));
    asked.feed(WorkerInput::Disconnected);
    asked.tried(None);
    assert_eq!(asked.worker.phase(), Phase::Started);
    assert_eq!(asked.worker.deadline(), Some(asked.now + RECONNECT_WITHIN));
}

#[test]
fn a_oneshot_is_asked_nothing_and_both_questions_have_their_own_numbers() {
    let both = HealthPolicy { liveness: Some(check(3, 1)), readiness: Some(check(3, 1)) };
    let mut oneshot = Asked::new(Protocol::Drover, both.clone(), 1);
    Arc::get_mut(&mut oneshot.worker.spec).unwrap().kind = Kind::Oneshot;
    for input in
        [WorkerInput::Spawned { pid: 1 }, WorkerInput::Connected, WorkerInput::from(WorkerReport::Started)]
    {
        oneshot.feed(input);
    }
    assert_eq!((oneshot.worker.phase(), oneshot.worker.next_try()), (Phase::Started, None));

    let mut asked = Asked::up(both);
    asked.tried(None);
    let mut numbers: Vec<_> = [asked.next().0, asked.next().0].concat();
    numbers.sort_by_key(|(_, number)| *number);
    assert_eq!(numbers.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [2, 3]);
    assert!(numbers.iter().any(|(question, _)| *question == LIVENESS));
}
