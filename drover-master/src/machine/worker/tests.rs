//! The worker's transitions, state by state and input by input, on a simulated clock.

use std::fmt::Write as _;
use std::num::NonZeroU32;

use super::*;
use crate::config::{Command, HealthCheck, HealthPolicy, ProbeKind};
use crate::machine::exit::{ExitReason, ExitStatus, KillCause, SpawnStep, Usage};
use crate::machine::phase::Phase;

#[expect(clippy::disallowed_methods, reason = "any instant will do as the origin of a simulated clock")]
fn origin() -> Instant {
    Instant::now()
}

/// A worker and its clock.
pub(super) struct Life {
    pub(super) worker: Worker,
    pub(super) now: Instant,
    pub(super) done: Vec<WorkerAction>,
    /// What its process is found stopped by.
    pub(super) stopped_by: Option<i32>,
}

impl Life {
    pub(super) fn new(protocol: Protocol) -> Self {
        let mut spec = AppSpec::new("app", Command::new("app"));
        spec.protocol = protocol;
        Self::of(&spec)
    }

    pub(super) fn of(spec: &AppSpec) -> Self {
        let identity = Identity { slot: SlotIndex(0), generation: Generation(1), id: WorkerId(1) };
        let now = origin();
        Self {
            worker: Worker::new(identity, Arc::new(Rules::from(spec)), now, fastrand::Rng::with_seed(1)),
            now,
            done: Vec::new(),
            stopped_by: None,
        }
    }

    pub(super) fn feed(mut self, inputs: impl IntoIterator<Item = WorkerInput>) -> Self {
        for input in inputs {
            self.done.clear();
            self.worker.handle(self.now, input, &mut self.done);
            // The driver looks at once.
            while let Some(at) = self.done.iter().position(|done| *done == WorkerAction::LookWhetherStopped) {
                self.done.remove(at);
                let looked = WorkerInput::Looked { stopped_by: self.stopped_by };
                self.worker.handle(self.now, looked, &mut self.done);
            }
            self.done.retain(|action| !matches!(action, WorkerAction::ReportPhase { .. }));
        }
        self
    }

    /// Lets the next deadline pass.
    pub(super) fn overtaken(mut self) -> Self {
        self.now = self.worker.deadline().expect("a deadline");
        self.feed([WorkerInput::DeadlinePassed])
    }

    /// The same, with its process stopped by a signal.
    fn overtaken_while_stopped(mut self) -> Self {
        self.stopped_by = Some(libc::SIGTTIN);
        self.overtaken()
    }

    /// Lets the time of the next try come.
    pub(super) fn tried(mut self) -> Self {
        self.now = self.worker.next_try().expect("a next try");
        self.feed([WorkerInput::TryDue])
    }

    /// The number of the try that is under way.
    pub(super) fn number_of(&self, question: Question) -> u64 {
        self.worker.try_under_way(question).unwrap_or(0)
    }

    pub(super) fn exit(self, status: ExitStatus) -> (ExitReason, Phase) {
        let life =
            self.feed([WorkerInput::Exited { status, usage: Usage::default(), stderr_tail: Vec::new() }]);
        let State::Exited { exit, .. } = life.worker.state() else { panic!("{:?}", life.worker.state()) };
        (exit.reason, life.worker.phase())
    }
}

fn by() -> Arc<str> {
    "a test".into()
}

pub(super) fn spawned() -> WorkerInput {
    WorkerInput::Spawned { pid: 4711 }
}

fn said(said: Said) -> WorkerInput {
    said.into()
}

pub(super) fn shutdown() -> WorkerInput {
    WorkerInput::ShutdownAsked { by: by() }
}

fn hurry() -> WorkerInput {
    WorkerInput::Hurried { by: by() }
}

fn kill() -> WorkerInput {
    WorkerInput::KillAsked { by: by() }
}

pub(super) fn away() -> WorkerInput {
    WorkerInput::MasterWasAway { by: Duration::from_secs(60) }
}

pub(super) fn killed_by(number: i32) -> ExitStatus {
    ExitStatus::Signal { number, core_dumped: false }
}

/// A protocol worker in each of its states.
fn lives() -> Vec<(&'static str, Life)> {
    let life = || Life::new(Protocol::Drover);
    let linked = || life().feed([spawned(), WorkerInput::Connected]);
    let started = || linked().feed([said(Said::Started)]);
    vec![
        ("initialized", life()),
        ("starting", life().feed([spawned()])),
        ("starting, linked", linked()),
        ("starting, probed", probed()),
        ("checking", checking()),
        ("started", started()),
        ("started, asked", asked()),
        ("started, unready", unready()),
        ("started, link lost", started().feed([WorkerInput::Disconnected])),
        ("lingering", lingering()),
        ("lingering, queued", queued()),
        ("suspending", suspending()),
        ("resting", resting()),
        ("resuming", resuming()),
        ("halted", halted()),
        ("notify, starting", notifying()),
        ("notify, started", noticed(notifying(), Notice::Ready)),
        ("notify, reloading", reloading(true)),
        ("notify, leaving", noticed(notifying(), Notice::Stopping)),
        ("stopping", started().feed([shutdown()])),
        ("asked", started().feed([shutdown(), said(Said::Stopped)])),
        ("terminated", started().feed([hurry()])),
        ("killed", started().feed([kill()])),
        ("exited", started().feed([kill(), exited()])),
    ]
}

/// A plain worker that is asked from outside.
fn probed() -> Life {
    let mut life = Life::new(Protocol::None);
    let mut spec = AppSpec::new("app", Command::new("app"));
    spec.protocol = Protocol::None;
    spec.start.probe = Some(crate::config::Probe::tcp("127.0.0.1:1"));
    life.worker.rules = Arc::new(Rules::from(&spec));
    life.feed([spawned()])
}

/// A protocol worker that is asked about its health, and is ready by its own word.
fn checking() -> Life {
    let mut life = Life::new(Protocol::Drover);
    let mut check = HealthCheck { failures: NonZeroU32::MIN, ..check() };
    // Shorter than an answer may take, so that both tries can be under way.
    check.probe.interval = Duration::from_millis(100);
    Arc::get_mut(&mut life.worker.rules).unwrap().health =
        HealthPolicy { liveness: Some(check.clone()), readiness: Some(check) };
    life.feed([spawned(), WorkerInput::Connected, said(Said::Started)]).tried()
}

/// The same once it is ready, and was asked both questions: try 2 or 3.
fn asked() -> Life {
    let life = checking();
    let number = life.number_of(Question::Readiness);
    let life = life.feed([WorkerInput::Answered { question: Question::Readiness, number, fault: None }]);
    assert_eq!(life.worker.phase(), Phase::Started);
    life.tried().tried()
}

/// The same once it has failed its readiness.
fn unready() -> Life {
    let life = asked();
    let number = life.number_of(Question::Readiness);
    let fault = Some("GET / answered 503".into());
    life.feed([WorkerInput::Answered { question: Question::Readiness, number, fault }])
}

/// As the newest try is asked in each of the lives above.
fn answered(question: Question, fault: Option<&str>) -> WorkerInput {
    WorkerInput::Answered { question, number: 0, fault: fault.map(Into::into) }
}

fn check() -> HealthCheck {
    HealthCheck::new(ProbeKind::Tcp { addr: "127.0.0.1:1".into() })
}

/// A worker whose end was asked for, and that is not told yet.
fn lingering() -> Life {
    let mut life = started();
    let rules = Arc::get_mut(&mut life.worker.rules).unwrap();
    rules.stop.pre_delay = Duration::from_secs(3);
    life.feed([shutdown()])
}

/// A worker whose end was asked for, and for which connections wait in queues of its own.
fn queued() -> Life {
    let mut life = started();
    Arc::get_mut(&mut life.worker.rules).unwrap().has_queues = true;
    life.feed([shutdown()])
}

/// A worker that drains in order to rest.
fn suspending() -> Life {
    started().feed([WorkerInput::SuspendAsked])
}

/// A worker that rests.
fn resting() -> Life {
    suspending().feed([said(Said::Stopped)])
}

/// A worker that was told to take work again.
fn resuming() -> Life {
    resting().feed([WorkerInput::ResumeAsked])
}

/// A plain worker that rests by a signal.
fn halted() -> Life {
    let mut life = Life::new(Protocol::None);
    let rules = Arc::get_mut(&mut life.worker.rules).unwrap();
    rules.suspend = Some(SuspendSignals { signal: 10, resume_signal: 12 });
    rules.start.min_uptime = Duration::ZERO;
    life.feed([spawned(), WorkerInput::SuspendAsked])
}

/// A worker that notifies, with a watchdog of 10 s.
pub(super) fn notifying() -> Life {
    let mut spec = AppSpec::new("app", Command::new("app"));
    (spec.protocol, spec.watchdog) = (Protocol::Notify, Some(Duration::from_secs(10)));
    Life::of(&spec).feed([spawned()])
}

pub(super) fn noticed(life: Life, notice: Notice) -> Life {
    life.feed([WorkerInput::Notified(notice)])
}

/// A worker that was told by SIGHUP to reload.
pub(super) fn reloading(waits: bool) -> Life {
    let mut life = noticed(notifying(), Notice::Ready);
    let rules = Arc::get_mut(&mut life.worker.rules).unwrap();
    rules.reload = Some(ReloadSignal { signal: libc::SIGHUP, waits });
    let life = life.feed([WorkerInput::ReloadAsked]);
    assert_eq!(life.done, [WorkerAction::Deliver { signal: libc::SIGHUP }]);
    life
}

pub(super) fn exited() -> WorkerInput {
    WorkerInput::Exited { status: ExitStatus::Code(1), usage: Usage::default(), stderr_tail: Vec::new() }
}

fn inputs() -> Vec<(&'static str, WorkerInput)> {
    vec![
        ("Spawned", spawned()),
        ("SpawnFailed", WorkerInput::SpawnFailed { step: SpawnStep::Exec, errno: 2, detail: None }),
        ("Connected", WorkerInput::Connected),
        ("Disconnected", WorkerInput::Disconnected),
        ("ProbePassed", WorkerInput::ProbePassed),
        ("FoundStopped", WorkerInput::Looked { stopped_by: Some(libc::SIGTTIN) }),
        ("ProbeFailed", WorkerInput::ProbeFailed { reason: "GET / answered 500".into() }),
        ("TryDue", WorkerInput::TryDue),
        ("LivenessFailed", answered(Question::Liveness, Some("GET / answered 500"))),
        ("ReadinessPassed", answered(Question::Readiness, None)),
        ("ReadinessFailed", answered(Question::Readiness, Some("GET / answered 500"))),
        ("QueueEmptied", WorkerInput::QueueEmptied),
        ("Died", WorkerInput::Died { status: ExitStatus::Code(1) }),
        ("SaidStarted", said(Said::Started)),
        ("SaidStopped", said(Said::Stopped)),
        ("SaidShutDown", said(Said::ShutDown)),
        ("SaidPong", said(Said::Pong)),
        ("SaidStray", said(Said::Stray)),
        ("SaidFailed", said(Said::Failed { asked: 1, why: "why".into() })),
        ("SaidProgress", said(Said::Progress)),
        ("SaidExtend", said(Said::Extend { by: Duration::from_secs(1) })),
        ("SaidStatus", said(Said::Status { text: "busy".into(), in_flight: 3, requests: 0 })),
        ("NoticedReady", WorkerInput::Notified(Notice::Ready)),
        ("NoticedReloading", WorkerInput::Notified(Notice::Reloading { since: None })),
        ("NoticedStopping", WorkerInput::Notified(Notice::Stopping)),
        ("NoticedExtend", WorkerInput::Notified(Notice::Extend { by: Duration::from_secs(60) })),
        ("NoticedTrigger", WorkerInput::Notified(Notice::Trigger)),
        ("ReloadAsked", WorkerInput::ReloadAsked),
        ("ProtocolBroken", WorkerInput::ProtocolBroken { trouble: "text".into() }),
        ("HandshakeRefused", WorkerInput::HandshakeRefused { trouble: "version".into() }),
        ("SaidCapable", WorkerInput::SaidCapable { resume: true }),
        ("SuspendAsked", WorkerInput::SuspendAsked),
        ("ResumeAsked", WorkerInput::ResumeAsked),
        ("ShutdownAsked", shutdown()),
        ("Hurried", hurry()),
        ("KillAsked", kill()),
        ("DeadlinePassed", WorkerInput::DeadlinePassed),
        ("MasterWasAway", away()),
        ("Exited", exited()),
    ]
}

/// Every state meets every input. The expected table is kept beside the code, so that a change of any cell is seen in
/// review. To write it anew: `DROVER_BLESS=1 cargo test -p drover-master every_state_meets_every_input`.
#[test]
fn every_state_meets_every_input() {
    let mut table = String::new();
    for (at, (name, _)) in lives().into_iter().enumerate() {
        for (input_name, input) in inputs() {
            let (_, mut life) = lives().swap_remove(at);
            let input = match input {
                WorkerInput::Answered { question, number: 0, fault } => {
                    WorkerInput::Answered { question, number: life.number_of(question), fault }
                }
                input => input,
            };
            if input == WorkerInput::TryDue {
                life.now = life.worker.next_try().unwrap_or(life.now);
            }
            if input == WorkerInput::DeadlinePassed {
                life.now = life.worker.deadline().unwrap_or(life.now);
            }
            let life = life.feed([input]);
            let link = match life.worker.link {
                Link::Up => "",
                Link::Never => ", no link",
                Link::Lost => ", link lost",
            };
            let rung = match life.worker.state() {
                State::ShuttingDown { rung } => format!("({rung:?})"),
                State::Initialized { doomed: Some(rung) } => format!("(doomed {rung:?})"),
                _ => String::new(),
            };
            let deadline =
                life.worker.deadline.map_or_else(String::new, |(kind, _)| format!(" until {kind:?}"));
            let phase = life.worker.phase().name();
            let checking = if *life.worker.state() == State::Checking { "(Checking)" } else { "" };
            let unready = if life.worker.unready().is_some() { ", unready" } else { "" };
            write!(table, "{name} + {input_name}: {phase}{checking}{rung}{link}{unready}{deadline}").unwrap();
            writeln!(table, "{}", life.done.iter().map(|a| format!(" → {a:?}")).collect::<String>()).unwrap();
        }
    }
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/src/machine/worker/transitions.txt");
    if std::env::var_os("DROVER_BLESS").is_some() {
        std::fs::write(kept, &table).unwrap();
    }
    let expected = std::fs::read_to_string(kept).unwrap();
    for (got, expected) in table.lines().zip(expected.lines()) {
        assert_eq!(got, expected);
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}

#[test]
fn a_graceful_life_asks_drains_and_ends_normally() {
    let life = Life::new(Protocol::Drover).feed([spawned(), WorkerInput::Connected, said(Said::Started)]);
    assert_eq!(life.worker.phase(), Phase::Started);
    let life = life.feed([shutdown()]);
    assert_eq!(life.done, [WorkerAction::SendStop { deadline: Duration::from_secs(20) }]);
    let life = life.feed([said(Said::Stopped)]);
    assert_eq!(life.done, [WorkerAction::SendQuit { deadline: Duration::from_secs(5) }]);
    let life = life.feed([said(Said::ShutDown)]);
    assert_eq!(life.exit(ExitStatus::Code(0)), (ExitReason::NormalExit, Phase::ShutDown));
}

#[test]
fn the_pre_stop_delay_comes_before_the_drain_and_is_skipped_in_a_hurry() {
    let life = lingering();
    assert_eq!((life.worker.phase(), life.done.len()), (Phase::Stopping, 0), "it serves on");
    assert_eq!(life.worker.deadline(), Some(life.now + Duration::from_secs(3)));
    let life = life.feed([shutdown()]).overtaken();
    assert_eq!(life.done, [WorkerAction::SendStop { deadline: Duration::from_secs(20) }]);
    let hurried = lingering().feed([hurry()]);
    assert_eq!(hurried.done, [WorkerAction::Signal { signal: libc::SIGTERM }]);
    let mut plain = Life::new(Protocol::None);
    Arc::get_mut(&mut plain.worker.rules).unwrap().stop.pre_delay = Duration::from_secs(3);
    let plain = plain.feed([spawned()]).overtaken().feed([shutdown()]);
    assert!(plain.done.is_empty(), "{:?}", plain.done);
    assert_eq!(plain.overtaken().done, [WorkerAction::SignalMain { signal: libc::SIGTERM }]);
}

#[test]
fn a_worker_with_queues_of_its_own_is_told_to_stop_when_they_are_empty_or_the_time_to_drain_is_over() {
    let life = queued();
    assert_eq!((life.worker.phase(), &*life.done), (Phase::Stopping, &[WorkerAction::EmptyQueue][..]));
    assert_eq!(life.worker.deadline(), Some(life.now + Duration::from_secs(20)));
    let stop = WorkerAction::SendStop { deadline: Duration::from_secs(20) };
    assert_eq!(life.feed([WorkerInput::QueueEmptied]).done, std::slice::from_ref(&stop));

    let late = queued().overtaken();
    assert!(late.done.contains(&stop), "{:?}", late.done);
    assert!(late.feed([WorkerInput::QueueEmptied]).done.is_empty(), "it was told already");

    let mut delayed = started();
    let rules = Arc::get_mut(&mut delayed.worker.rules).unwrap();
    (rules.has_queues, rules.stop.pre_delay) = (true, Duration::from_secs(3));
    let delayed = delayed.feed([shutdown(), WorkerInput::QueueEmptied]);
    assert!(delayed.done.is_empty(), "the delay comes first: {:?}", delayed.done);
    assert_eq!(delayed.overtaken().done, [WorkerAction::EmptyQueue]);
}

#[test]
fn a_worker_that_ignores_every_request_climbs_all_three_rungs_once() {
    let life = Life::new(Protocol::Drover).feed([
        spawned(),
        WorkerInput::Connected,
        said(Said::Started),
        shutdown(),
    ]);
    let life = life.overtaken();
    assert!(life.done.contains(&WorkerAction::Signal { signal: libc::SIGTERM }), "{:?}", life.done);
    let life = life.overtaken();
    assert!(life.done.contains(&WorkerAction::Signal { signal: libc::SIGKILL }), "{:?}", life.done);
    let life = life.overtaken();
    assert_eq!(life.done, [WorkerAction::ReportUnkillable]);
    assert_eq!(life.worker.intent.sent, [libc::SIGTERM, libc::SIGKILL]);
    let status = killed_by(libc::SIGKILL);
    let reason = ExitReason::KilledByMaster { cause: KillCause::StopDeadline, status };
    assert_eq!(life.exit(status), (reason, Phase::Failed));
}

#[test]
fn a_plain_worker_is_ready_by_uptime_and_leaves_by_its_stop_signal() {
    let life = Life::new(Protocol::None).feed([spawned()]).overtaken();
    assert_eq!(life.worker.phase(), Phase::Started);
    let life = life.feed([shutdown()]);
    assert_eq!(life.done, [WorkerAction::SignalMain { signal: libc::SIGTERM }]);
    let status = killed_by(libc::SIGTERM);
    let reason = ExitReason::KilledByMaster { cause: KillCause::StopSignal, status };
    assert_eq!(life.exit(status), (reason, Phase::ShutDown));
}

#[test]
fn a_process_that_is_stopped_by_a_signal_is_not_ready_until_it_goes_on() {
    let plain = || Life::new(Protocol::None).feed([spawned()]);
    for mut life in [plain().overtaken_while_stopped(), {
        let mut life = probed();
        life.stopped_by = Some(libc::SIGTTIN);
        life.feed([WorkerInput::ProbePassed])
    }] {
        let why = life.worker.unready().expect("a reason").to_string();
        assert!(why.contains("stopped by SIGTTIN") && why.contains("kill -CONT 4711"), "{why}");
        assert_eq!(life.done, [WorkerAction::ReportNotReady { why: why.into() }]);
        life = life.overtaken();
        assert_eq!((life.worker.phase(), &life.done[..]), (Phase::Starting, &[][..]), "it is told once");
        life.stopped_by = None;
        assert_eq!(life.overtaken().worker.phase(), Phase::Started);
    }
    let mut life = plain().overtaken_while_stopped();
    let began = life.now;
    while life.worker.phase() == Phase::Starting {
        life = life.overtaken();
    }
    assert_eq!(life.now - began, life.worker.rules.start.timeout, "a stopped process has the time to start");
    let State::Exited { exit, .. } = life.feed([exited()]).worker.state().clone() else { panic!("it ended") };
    assert!(exit.detail.is_some_and(|detail| detail.contains("stopped by SIGTTIN")));
}

#[test]
fn a_plain_worker_that_ignores_its_stop_signal_is_told_with_its_tree_after_the_time_to_drain_and_then_killed()
{
    let life = Life::new(Protocol::None).feed([spawned()]).overtaken().feed([shutdown()]);
    let drain = life.worker.rules.stop.drain_timeout;
    assert_eq!(life.worker.deadline(), Some(life.now + drain));
    let life = life.overtaken();
    assert!(life.done.contains(&WorkerAction::Signal { signal: libc::SIGTERM }), "{:?}", life.done);
    let life = life.overtaken();
    assert!(life.done.contains(&WorkerAction::Signal { signal: libc::SIGKILL }), "{:?}", life.done);
    let status = killed_by(libc::SIGKILL);
    let reason = ExitReason::KilledByMaster { cause: KillCause::StopDeadline, status };
    assert_eq!(life.exit(status), (reason, Phase::Failed));
}

#[test]
fn exit_code_143_after_sigterm_is_as_asked_and_another_code_is_not() {
    for (code, phase) in [(143, Phase::ShutDown), (0, Phase::ShutDown), (1, Phase::Failed)] {
        let life = Life::new(Protocol::None).feed([spawned()]).overtaken().feed([shutdown()]);
        assert_eq!(life.exit(ExitStatus::Code(code)).1, phase, "code {code}");
    }
}

#[test]
fn an_end_whose_status_was_taken_is_a_success_if_it_was_asked_for() {
    let plain = || Life::new(Protocol::None).feed([spawned()]).overtaken();
    let as_asked = ExitReason::KilledByMaster { cause: KillCause::StopSignal, status: ExitStatus::Taken };
    for (life, expected) in [
        (plain(), (ExitReason::StatusTaken, Phase::Failed)),
        (plain().feed([shutdown()]), (as_asked, Phase::ShutDown)),
        (started(), (ExitReason::StatusTaken, Phase::Failed)),
        (started().feed([shutdown()]), (ExitReason::StatusTaken, Phase::ShutDown)),
    ] {
        assert_eq!(life.exit(ExitStatus::Taken), expected);
    }
}

#[test]
fn leaving_with_code_0_before_it_was_ready_is_a_failure_of_a_protocol_worker_only() {
    let early = Life::new(Protocol::Drover).feed([spawned()]).exit(ExitStatus::Code(0));
    assert_eq!(early, (ExitReason::NormalExit, Phase::Failed));
    let plain = Life::new(Protocol::None).feed([spawned()]).exit(ExitStatus::Code(0));
    assert_eq!(plain, (ExitReason::NormalExit, Phase::ShutDown));
}

#[test]
fn every_state_takes_an_exit_and_ends() {
    for (name, life) in lives() {
        let life = life.feed([exited()]);
        assert!(life.worker.phase().is_final(), "{name}");
        assert_eq!(life.worker.deadline(), None, "{name}");
    }
}

#[test]
fn an_extension_moves_the_deadline_within_its_maximum_and_never_back() {
    let life = Life::new(Protocol::Drover).feed([spawned(), WorkerInput::Connected]);
    let (now, start) = (life.now, life.worker.rules.start.clone());
    let life = life.feed([said(Said::Extend { by: Duration::from_secs(1) })]);
    assert_eq!(life.worker.deadline(), Some(now + start.timeout));
    let life = life.feed([said(Said::Extend { by: Duration::from_secs(60) })]);
    assert_eq!(life.worker.deadline(), Some(now + Duration::from_secs(60)));
    let life = life.feed([said(Said::Extend { by: Duration::MAX })]);
    assert_eq!(life.worker.deadline(), Some(now + start.max_timeout));
}

#[test]
fn an_end_that_was_asked_for_before_the_process_was_there_is_carried_out_once_it_is() {
    for (input, signal) in [(shutdown(), libc::SIGTERM), (hurry(), libc::SIGTERM), (kill(), libc::SIGKILL)] {
        let life = Life::new(Protocol::Drover).feed([input]);
        assert_eq!((life.worker.phase(), life.done.len()), (Phase::Initialized, 0));
        let life = life.feed([spawned()]);
        assert_eq!(life.done, [WorkerAction::Signal { signal }]);
    }
}

#[test]
fn a_worker_that_comes_back_while_stopping_is_told_again() {
    let started = [spawned(), WorkerInput::Connected, said(Said::Started)];
    let life = Life::new(Protocol::Drover).feed(started).feed([shutdown(), WorkerInput::Disconnected]);
    let life = life.feed([WorkerInput::Connected]);
    assert_eq!(life.done, [WorkerAction::SendStop { deadline: Duration::from_secs(20) }]);
}

#[test]
fn a_worker_that_is_ready_before_the_news_of_its_process_comes_is_ready_with_that_news() {
    let ready = || Life::new(Protocol::Drover).feed([WorkerInput::Connected, said(Said::Started)]);
    let life = ready().feed([spawned()]);
    assert_eq!(life.worker.phase(), Phase::Started);
    let life = ready().feed([WorkerInput::Disconnected, spawned()]);
    assert_eq!(life.worker.deadline(), Some(life.now + life.worker.rules.start.timeout));
    let life = ready().feed([shutdown(), spawned()]);
    assert_eq!((life.worker.phase(), life.done.len()), (Phase::ShuttingDown, 1));
}

#[test]
fn a_timeout_that_is_meant_as_never_does_not_overflow_the_clock() {
    let mut life = Life::new(Protocol::Drover);
    let rules = Arc::get_mut(&mut life.worker.rules).unwrap();
    rules.start = StartPolicy { timeout: Duration::MAX, max_timeout: Duration::MAX, ..rules.start.clone() };
    rules.stop = StopPolicy {
        drain_timeout: Duration::MAX,
        quit_timeout: Duration::MAX,
        term_timeout: Duration::MAX,
        max_timeout: Duration::MAX,
        ..rules.stop.clone()
    };
    let life = life.feed([spawned(), WorkerInput::Connected, said(Said::Started), shutdown()]);
    let life = life.feed([said(Said::Stopped), hurry()]);
    assert!(life.worker.deadline().unwrap() > life.now);
}

fn pinged(life: &Life) -> bool {
    life.done.contains(&WorkerAction::SendPing)
}

fn started() -> Life {
    Life::new(Protocol::Drover).feed([spawned(), WorkerInput::Connected, said(Said::Started)])
}

#[test]
fn a_worker_that_answers_its_heartbeats_is_left_in_peace() {
    let mut life = started();
    for _ in 0..100 {
        life = life.overtaken();
        assert!(pinged(&life));
        life = life.feed([said(Said::Pong)]);
    }
    assert_eq!(life.worker.phase(), Phase::Started);
}

#[test]
fn whatever_a_worker_says_counts_as_a_sign_of_life() {
    let mut life = started();
    for _ in 0..10 {
        life = life.overtaken().feed([said(Said::Status { text: String::new(), in_flight: 1, requests: 0 })]);
    }
    assert_eq!(life.worker.phase(), Phase::Started);
}

#[test]
fn a_worker_that_answers_no_heartbeat_is_ended_as_unresponsive() {
    let life = started().overtaken().overtaken().overtaken();
    assert!(pinged(&life));
    let life = life.overtaken();
    assert!(life.done.contains(&WorkerAction::Signal { signal: libc::SIGTERM }), "{:?}", life.done);
    let status = killed_by(libc::SIGTERM);
    let reason = ExitReason::KilledByMaster { cause: KillCause::Unresponsive, status };
    assert_eq!(life.exit(status), (reason, Phase::Failed));
}

#[test]
fn a_master_that_was_away_itself_asks_again_before_it_judges() {
    // It was stopped for a minute, and so was everything that it would have read.
    let life = started().overtaken().overtaken().overtaken().feed([away()]).overtaken();
    assert!(pinged(&life), "{:?}", life.done);
    let life = life.overtaken().overtaken();
    assert_eq!(life.worker.phase(), Phase::Started);
}

#[test]
fn every_deadline_is_moved_by_the_time_that_the_master_was_away() {
    let minute = Duration::from_secs(60);
    let mut kinds = Vec::new();
    for (name, life) in lives() {
        let before = (life.worker.deadline, life.worker.watchdog.due(), life.worker.next_try());
        let life = life.feed([away()]);
        let moved = |at: Option<Instant>| at.map(|at| at + minute);
        let expected = (before.0.map(|(kind, at)| (kind, at + minute)), moved(before.1), moved(before.2));
        assert_eq!(
            (life.worker.deadline, life.worker.watchdog.due(), life.worker.next_try()),
            expected,
            "{name}"
        );
        kinds.extend(before.0.map(|(kind, _)| kind));
    }
    for kind in [
        DeadlineKind::Create,
        DeadlineKind::Start,
        DeadlineKind::PreStop,
        DeadlineKind::Queue,
        DeadlineKind::Drain,
        DeadlineKind::Quit,
        DeadlineKind::Term,
        DeadlineKind::Kill,
        DeadlineKind::Heartbeat,
        DeadlineKind::Reload,
        DeadlineKind::Reconnect,
    ] {
        assert!(kinds.contains(&kind), "no state of the table has {kind:?}");
    }
}

#[test]
fn heartbeats_are_judged_neither_before_a_worker_is_ready_nor_while_it_drains() {
    let life = Life::new(Protocol::Drover).feed([spawned(), WorkerInput::Connected]);
    assert_eq!(life.worker.deadline(), Some(life.now + life.worker.rules.start.timeout));
    let life = started().overtaken().overtaken().overtaken().feed([shutdown()]);
    assert_eq!(life.worker.deadline(), Some(life.now + life.worker.rules.stop.drain_timeout));
}

#[test]
fn a_probed_worker_is_ready_when_it_answers_and_failed_when_it_does_not_in_time() {
    let life = probed();
    assert_eq!((life.worker.phase(), &life.done[..]), (Phase::Starting, &[WorkerAction::StartProbe][..]));
    assert_eq!(life.feed([WorkerInput::ProbePassed]).worker.phase(), Phase::Started);
    let life = probed().overtaken();
    let status = killed_by(libc::SIGTERM);
    let reason = ExitReason::KilledByMaster { cause: KillCause::StartDeadline, status };
    assert_eq!(life.exit(status), (reason, Phase::Failed));
}

#[test]
fn why_a_probe_failed_is_evidence_of_a_start_that_took_too_long_and_of_no_other_end() {
    let failed = |reason: &str| WorkerInput::ProbeFailed { reason: reason.into() };
    let asked = || probed().feed([failed("GET / answered 404"), failed("GET / answered 500")]);
    let term = WorkerInput::Exited {
        status: killed_by(libc::SIGTERM),
        usage: Usage::default(),
        stderr_tail: Vec::new(),
    };
    let ready = || asked().feed([WorkerInput::ProbePassed]);
    for (life, end, sentence) in [
        (
            asked().overtaken(),
            term.clone(),
            "was ended by SIGTERM: it was not ready in time: GET / answered 500",
        ),
        (asked(), exited(), "exited with code 1 while starting"),
        (asked().feed([shutdown()]), term, "was ended by SIGTERM, as asked"),
        (ready(), exited(), "exited with code 1 while ready"),
    ] {
        let life = life.feed([end]);
        let State::Exited { exit, .. } = life.worker.state() else { panic!("{:?}", life.worker.state()) };
        assert_eq!(exit.to_string(), sentence);
    }
}

#[test]
fn a_process_that_never_comes_to_be_is_given_up_and_sooner_by_force() {
    for (input, within) in [
        (None, Duration::from_secs(30)),
        (Some(hurry()), Duration::from_secs(1)),
        (Some(kill()), Duration::from_secs(1)),
    ] {
        let life = Life::new(Protocol::None);
        let start = life.now;
        let life = life.feed(input).overtaken();
        assert_eq!(life.now - start, within);
        let State::Exited { exit, .. } = life.worker.state() else { panic!("{:?}", life.worker.state()) };
        assert_eq!(exit.reason, ExitReason::SpawnFailed { step: SpawnStep::Prepare, errno: libc::ETIMEDOUT });
    }
}

#[test]
fn a_dead_worker_becomes_ready_neither_by_its_uptime_nor_by_its_probe() {
    for life in [Life::new(Protocol::None).feed([spawned()]), probed()] {
        let life = life.feed([
            WorkerInput::Died { status: ExitStatus::Code(1) },
            WorkerInput::ProbePassed,
            WorkerInput::DeadlinePassed,
        ]);
        assert_eq!(life.worker.phase(), Phase::Starting);
        assert_eq!(life.exit(ExitStatus::Code(3)), (ExitReason::AbnormalExit { code: 3 }, Phase::Failed));
    }
}

#[test]
fn what_a_worker_said_before_it_died_still_counts() {
    let life = Life::new(Protocol::Drover).feed([
        spawned(),
        WorkerInput::Connected,
        WorkerInput::Died { status: ExitStatus::Code(1) },
    ]);
    let life = life.feed([said(Said::Started)]);
    assert_eq!(life.worker.phase(), Phase::Started);
    // What it left behind is not waited for longer because of that.
    assert_eq!(life.overtaken().done, [WorkerAction::AbandonRest]);
}
