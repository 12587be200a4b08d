//! A worker and its clock, and a worker in each of its states.

use crate::signal::Signal;
use std::num::NonZeroU32;

use super::super::*;
use crate::config::{
    Command, HealthCheck, HealthPolicy, ListenSpec, ProbeKind, ReloadSignal, SuspendSignals,
};
use crate::machine::exit::{ExitReason, ExitStatus, Usage};
use crate::machine::phase::Phase;
use crate::machine::testing::origin;

/// A worker and its clock.
pub(super) struct Life {
    pub(super) worker: Worker,
    pub(super) now: Instant,
    pub(super) done: Vec<WorkerAction>,
    /// What its process is found stopped by.
    pub(super) stopped_by: Option<Signal>,
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
            worker: Worker::new(identity, Arc::new(spec.clone()), now, fastrand::Rng::with_seed(1)),
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
    pub(super) fn overtaken_while_stopped(mut self) -> Self {
        self.stopped_by = Signal::new(libc::SIGTTIN);
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
        let WorkerState::Exited { exit, .. } = life.worker.state() else {
            panic!("{:?}", life.worker.state())
        };
        (exit.reason, life.worker.phase())
    }
}

pub(super) fn by() -> Arc<str> {
    "a test".into()
}

pub(super) fn spawned() -> WorkerInput {
    WorkerInput::Spawned { pid: 4711 }
}

pub(super) fn said(said: WorkerReport) -> WorkerInput {
    said.into()
}

pub(super) fn shutdown() -> WorkerInput {
    WorkerInput::ShutdownAsked { by: by() }
}

pub(super) fn hurry() -> WorkerInput {
    WorkerInput::Hurried { by: by() }
}

pub(super) fn kill() -> WorkerInput {
    WorkerInput::KillAsked { by: by() }
}

pub(super) fn away() -> WorkerInput {
    WorkerInput::MasterWasAway { by: Duration::from_secs(60) }
}

pub(super) fn killed_by(signal: Signal) -> ExitStatus {
    ExitStatus::Signal { signal, core_dumped: false }
}

pub(super) fn exited() -> WorkerInput {
    WorkerInput::Exited { status: ExitStatus::Code(1), usage: Usage::default(), stderr_tail: Vec::new() }
}

pub(super) fn started() -> Life {
    Life::new(Protocol::Drover).feed([spawned(), WorkerInput::Connected, said(WorkerReport::Started)])
}

/// A plain worker that is asked from outside.
pub(super) fn probed() -> Life {
    let mut life = Life::new(Protocol::None);
    let mut spec = AppSpec::new("app", Command::new("app"));
    spec.protocol = Protocol::None;
    spec.start.probe = Some(crate::config::Probe::tcp("127.0.0.1:1"));
    life.worker.spec = Arc::new(spec);
    life.feed([spawned()])
}

/// A protocol worker that is asked about its health, and is ready by its own word.
pub(super) fn checking() -> Life {
    let mut life = Life::new(Protocol::Drover);
    let mut check = HealthCheck { failures: NonZeroU32::MIN, ..check() };
    // Shorter than an answer may take, so that both tries can be under way.
    check.probe.interval = Duration::from_millis(100);
    Arc::get_mut(&mut life.worker.spec).unwrap().health =
        HealthPolicy { liveness: Some(check.clone()), readiness: Some(check) };
    life.feed([spawned(), WorkerInput::Connected, said(WorkerReport::Started)]).tried()
}

/// The same once it is ready, and was asked both questions: try 2 or 3.
pub(super) fn asked() -> Life {
    let life = checking();
    let number = life.number_of(Question::Readiness);
    let life = life.feed([WorkerInput::Answered { question: Question::Readiness, number, fault: None }]);
    assert_eq!(life.worker.phase(), Phase::Started);
    life.tried().tried()
}

/// The same once it has failed its readiness.
pub(super) fn unready() -> Life {
    let life = asked();
    let number = life.number_of(Question::Readiness);
    let fault = Some("GET / answered 503".into());
    life.feed([WorkerInput::Answered { question: Question::Readiness, number, fault }])
}

pub(super) fn check() -> HealthCheck {
    HealthCheck::new(ProbeKind::Tcp { addr: "127.0.0.1:1".into() })
}

/// A worker whose end was asked for, and that is not told yet.
pub(super) fn lingering() -> Life {
    let mut life = started();
    let spec = Arc::get_mut(&mut life.worker.spec).unwrap();
    spec.stop.pre_delay = Duration::from_secs(3);
    life.feed([shutdown()])
}

/// Connections wait for each of its workers.
pub(super) fn give_queues(spec: &mut AppSpec) {
    spec.listeners = vec![ListenSpec::new("http", "127.0.0.1:0".parse().unwrap()).reuseport()];
}

/// A worker whose end was asked for, and for which connections wait in queues of its own.
pub(super) fn queued() -> Life {
    let mut life = started();
    give_queues(Arc::get_mut(&mut life.worker.spec).unwrap());
    life.feed([shutdown()])
}

/// A worker that drains in order to be suspended.
pub(super) fn suspending() -> Life {
    started().feed([WorkerInput::SuspendAsked])
}

/// A worker that is suspended.
pub(super) fn suspended() -> Life {
    suspending().feed([said(WorkerReport::Stopped)])
}

/// A worker that was told to take work again.
pub(super) fn resuming() -> Life {
    suspended().feed([WorkerInput::ResumeAsked])
}

/// A plain worker that is suspended by a signal.
pub(super) fn halted() -> Life {
    let mut life = Life::new(Protocol::None);
    let spec = Arc::get_mut(&mut life.worker.spec).unwrap();
    spec.suspend = Some(SuspendSignals { signal: Signal::USR1, resume_signal: Signal::USR2 });
    spec.start.min_uptime = Duration::ZERO;
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
    let spec = Arc::get_mut(&mut life.worker.spec).unwrap();
    spec.reload = Some(ReloadSignal { signal: Signal::HUP, waits });
    let life = life.feed([WorkerInput::ReloadAsked]);
    assert_eq!(life.done, [WorkerAction::Deliver { signal: Signal::HUP }]);
    life
}

pub(super) fn replaced() -> WorkerInput {
    WorkerInput::MasterReplaced { by: Duration::from_secs(60) }
}

/// A protocol worker in each of its states.
pub(super) fn lives() -> Vec<(&'static str, Life)> {
    let life = || Life::new(Protocol::Drover);
    let linked = || life().feed([spawned(), WorkerInput::Connected]);
    let started = || linked().feed([said(WorkerReport::Started)]);
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
        ("suspended", suspended()),
        ("resuming", resuming()),
        ("halted", halted()),
        ("notify, starting", notifying()),
        ("notify, started", noticed(notifying(), Notice::Ready)),
        ("notify, reloading", reloading(true)),
        ("notify, leaving", noticed(notifying(), Notice::Stopping)),
        ("stopping", started().feed([shutdown()])),
        ("asked", started().feed([shutdown(), said(WorkerReport::Stopped)])),
        ("terminated", started().feed([hurry()])),
        ("killed", started().feed([kill()])),
        ("exited", started().feed([kill(), exited()])),
    ]
}
