//! Another process goes on with the state that one has written.

use proptest::collection::vec;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::*;
use super::histories::*;
use super::stage::{Manner, Shadow, Stage, exited, killed, secs, spec};
use crate::config::{
    CronPolicy, HealthCheck, Heartbeat, Kind, Overlap, ProbeKind, Protocol, RecyclePolicy, Share,
    UpdatePolicy,
};
use crate::machine::exit::{ExitStatus, SpawnStep};
use crate::machine::gate::{Request, SlotRequest};
use crate::machine::testing::origin;
use crate::machine::worker::{Identity, Notice, Question, WorkerGauges, WorkerReport};
use crate::signal::Signal;
use crate::state::Specs;
use crate::state::testing::{
    Passage, assert_kept, assert_never_panics, document, golden, of_later_version, read_document,
};
use std::time::SystemTime;

/// An input and its time, as they are written.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(with = "crate::written")]
    pub(super) now: Instant,
    pub(super) input: FleetInput,
}

/// A fleet that was read, and reads every input since.
#[derive(Debug)]
struct Successor {
    passage: Passage,
    fleet: Fleet,
}

impl Successor {
    fn of(fleet: &Fleet) -> Self {
        let mut passage = Passage::default();
        let fleet = passage.carry(fleet);
        Self { passage, fleet }
    }
}

impl Shadow for Successor {
    fn takes(&mut self, now: Instant, input: &FleetInput) {
        let Record { now, input } = self.passage.carry(&Record { now, input: input.clone() });
        self.fleet.handle(now, input);
    }

    fn did(&mut self, action: Option<&FleetAction>) {
        assert_eq!(format!("{:?}", self.fleet.poll_action().as_ref()), format!("{action:?}"));
    }

    fn check(&self, fleet: &Fleet) {
        assert_eq!(format!("{:?}", self.fleet), format!("{fleet:?}"));
    }
}

proptest! {
    // Each step writes and compares everything. Forty times as many have found nothing.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_successor_wants_the_same_done_and_stands_the_same(
        spec in any_spec(), count in 1..6u32, has_hook: bool,
        scripts in vec(vec(manner(), 0..6), 5), ops in vec(op(), 1..120), at in 0..60usize,
    ) {
        let count = if spec.kind == Kind::Cron { 1 } else { count };
        let mut stage = Stage::new(spec, count, has_hook);
        stage.show(0);
        if has_hook {
            stage.witness.longest_pause = Duration::MAX;
        }
        for (slot, script) in scripts.into_iter().enumerate() {
            stage = stage.script(slot as u32, script);
        }
        for (number, op) in ops.into_iter().enumerate() {
            if number == at {
                stage.shadow = Some(Box::new(Successor::of(&stage.fleet)));
            }
            stage.play(op);
            if let Some(shadow) = &stage.shadow {
                shadow.check(&stage.fleet);
            }
        }
    }
}

#[test]
fn what_is_still_to_be_done_is_written_too() {
    let mut stage = Stage::plain(3);
    let ticket = TicketId(1);
    stage.fleet.handle(stage.now, FleetInput::StartRequested { ticket });
    let mut successor = Successor::of(&stage.fleet);
    let mut count = 0;
    while let Some(action) = stage.fleet.poll_action() {
        count += 1;
        successor.did(Some(&action));
    }
    successor.did(None);
    assert!(count > 2, "{count}");
}

#[test]
fn workers_of_a_generation_share_one_description_again() {
    let stage = Stage::started(3);
    let successor = Successor::of(&stage.fleet);
    let current = &successor.fleet.current.spec;
    assert!(successor.fleet.slots.iter().all(|slot| Arc::ptr_eq(&slot.release.spec, current)));
    // The release, three slots, three workers, and the table that it was read by.
    assert_eq!(Arc::strong_count(current), 8);
}

#[test]
fn a_successor_gives_no_generation_twice() {
    let mut stage = Stage::started(1);
    stage.shadow = Some(Box::new(Successor::of(&stage.fleet)));
    // It was given out since, and the input alone tells it.
    stage.reload(UpdatePolicy::default(), None);
    let mut successor: Fleet = Passage::default().carry(&stage.fleet);
    assert_eq!(successor.next_generation(), Generation(3));
    stage.shadow.expect("the one of above").check(&stage.fleet);
}

fn failing() -> ExitStatus {
    ExitStatus::Code(3)
}

fn described() -> AppSpec {
    let mut spec = spec(Protocol::Drover);
    spec.heartbeat = Some(Heartbeat::default());
    spec.health.readiness = Some(HealthCheck::new(ProbeKind::Tcp { addr: "127.0.0.1:80".into() }));
    spec.recycle = RecyclePolicy { requests: Some(1000), jitter: 0.1, ..RecyclePolicy::default() };
    spec.restart.fatal_codes = vec![4];
    spec
}

/// Workers that serve, are suspended, and wait for their next try; a slot that was lost; a restart that goes on.
fn busy() -> Stage {
    let mut stage = Stage::new(described(), 6, false).script(0, [Manner::Deaf]).begun();
    stage.operate_on(SlotRequest::Suspend, 2);
    stage.settle();
    stage.end_process(3, failing());
    stage.end_process(4, ExitStatus::Code(4));
    stage.end_process(5, failing());
    stage.scale(Count::To(5));
    stage.settle();
    let [first, second] = [0, 1].map(|slot| stage.id_in(slot));
    let gauges = WorkerGauges::of([("queue", 0.1), ("lag", 1e300)]);
    let status = WorkerReport::Status { text: "12 of 20 done".into(), in_flight: 3, requests: 1200, gauges };
    for (id, said) in [(second, status), (second, WorkerReport::Stopped), (first, WorkerReport::Progress)] {
        stage.feed(FleetInput::Worker { id, input: WorkerInput::from(said) });
    }
    stage.settle();
    stage.operate_on(SlotRequest::Restart, 0);
    stage.settle();
    stage
}

/// A reload in its midst: new workers have their places, others are being created, old ones drain, and another reload waits.
fn renewing() -> Stage {
    let mut stage = Stage::new(described(), 4, false).script(0, [Manner::Deaf]).begun();
    let policy = UpdatePolicy { soak: secs(3), max_surge: Share::Count(2), ..UpdatePolicy::default() };
    stage.reload_to(AppSpec { watchdog: Some(secs(7)), ..described() }, policy, None, true);
    stage.settle();
    stage.clock(secs(3));
    stage.settle();
    stage.clock(secs(3));
    stage.tell_one(0);
    stage.reload(UpdatePolicy::default(), None);
    stage
}

/// A run is under way, another one waits, and one was skipped.
fn scheduled() -> Stage {
    let mut spec = spec(Protocol::None);
    spec.kind = Kind::Cron;
    spec.cron = CronPolicy {
        schedule: Some("*/5 * * * *".parse().unwrap()),
        overlap: Overlap::Queue,
        ..CronPolicy::default()
    };
    let mut stage = Stage::new(spec, 1, false).script(0, [Manner::Dawdles, Manner::Dawdles]);
    stage.show(0);
    stage.start();
    stage.show(60 * 6);
    stage.end_process(0, ExitStatus::Code(0));
    for minute in [11, 16, 21] {
        stage.show(60 * minute);
    }
    stage
}

/// What is kept of the past.
fn events() -> Vec<FleetEvent> {
    let why: Arc<str> = "it said so".into();
    let others = [
        EventKind::Repeated { what: "handshaken", times: 7 },
        EventKind::DeadlineMissed { missed: "it did not start in time" },
        EventKind::WatchFired { file: "/srv/a".into(), has_more: true, action: "restart" },
        EventKind::Message { topic: "news".into(), text: "ä\u{0}".into(), missed: 2 },
        EventKind::Replaced { old: Some((WorkerId(3), 4711)) },
        EventKind::RecyclingInVain {
            why: RecycleReason::Memory { rss: 2 << 30, limit: 1 << 30 },
            served: secs(5),
            pause: secs(60),
        },
        EventKind::Unready { reason: why.clone() },
        EventKind::ClockSetBack { by: secs(7200) },
        EventKind::FileDiffers { told: why },
    ];
    let others = others.map(|kind| FleetEvent { worker: None, phase: Phase::Started, kind });
    [busy(), renewing(), scheduled()].into_iter().flat_map(|stage| stage.events).chain(others).collect()
}

/// One of each kind.
fn inputs() -> Vec<Record> {
    let (by, why): (Arc<str>, Arc<str>) = ("the operator".into(), "it said so".into());
    let ticket = TicketId(9);
    let (slot, id, generation) = (SlotIndex(1), WorkerId(12), Generation(3));
    let identity = Identity { slot, generation, id };
    let release = Release { generation, spec: Arc::new(spec(Protocol::Drover)) };
    let plan = ReloadPlan {
        release: release.clone(),
        policy: Some(UpdatePolicy::default()),
        canary: Some(2),
        is_new: true,
    };
    let now = origin();
    let renewal = SocketRenewal {
        what: "listener `web`".into(),
        at: "/run/web.sock".into(),
        loss: SocketLoss::Removed,
        fault: Some("no such directory".into()),
    };
    let gauges = WorkerGauges::of([("queue", 0.1)]);
    let said = [
        WorkerReport::Started,
        WorkerReport::Stopped,
        WorkerReport::ShutDown,
        WorkerReport::Pong,
        WorkerReport::Progress,
        WorkerReport::Stray,
        WorkerReport::Failed { asked: 4, why: why.clone() },
        WorkerReport::Extend { by: secs(5) },
        WorkerReport::Status { text: "busy".into(), in_flight: 1, requests: 2, gauges },
    ];
    let notices = [
        Notice::Ready,
        Notice::Reloading { since: Some(now) },
        Notice::Stopping,
        Notice::Status { text: "busy".into() },
        Notice::KeepAlive,
        Notice::Trigger,
        Notice::WatchdogEvery { every: secs(3) },
        Notice::Extend { by: secs(4) },
        Notice::Errno { errno: 2 },
        Notice::ExitStatus { code: 1 },
        Notice::Unsaid { how: why.clone() },
    ];
    let of_worker = [
        WorkerInput::Spawned { pid: 4711 },
        WorkerInput::SpawnFailed { step: SpawnStep::Exec, errno: 2, detail: Some(why.clone()) },
        WorkerInput::Connected,
        WorkerInput::SaidCapable { resume: true },
        WorkerInput::SuspendAsked,
        WorkerInput::ResumeAsked,
        WorkerInput::ProbePassed,
        WorkerInput::Looked { stopped_by: Some(Signal::STOP) },
        WorkerInput::ProbeFailed { reason: why.clone() },
        WorkerInput::TryDue,
        WorkerInput::Answered { question: Question::Liveness, number: 5, fault: Some(why.clone()) },
        WorkerInput::QueueEmptied,
        WorkerInput::Disconnected,
        WorkerInput::NoticeRefused { trouble: why.clone() },
        WorkerInput::ReloadAsked,
        WorkerInput::ProtocolBroken { trouble: why.clone() },
        WorkerInput::HandshakeRefused { trouble: why },
        WorkerInput::ShutdownAsked { by: by.clone() },
        WorkerInput::Hurried { by: by.clone() },
        WorkerInput::KillAsked { by: by.clone() },
        WorkerInput::DeadlinePassed,
        WorkerInput::MasterWasAway { by: secs(2) },
        WorkerInput::Died { status: ExitStatus::Taken },
        WorkerInput::RestFound { pids: [1, 2].into() },
        WorkerInput::RestSurvived { pids: [2].into() },
        exited(killed(Signal::SEGV)),
    ];
    let of_worker = of_worker.into_iter().chain(said.map(WorkerInput::from));
    let of_worker = of_worker.chain(notices.map(WorkerInput::Notified));
    let of_fleet = [
        FleetInput::StartRequested { ticket },
        FleetInput::OperationRequested {
            ticket,
            request: SlotRequest::Suspend,
            target: Target::Slot(slot),
            by: by.clone(),
        },
        FleetInput::ScaleRequested { ticket, count: Count::By(-2), queued: [slot].into(), by: by.clone() },
        FleetInput::ReloadRequested { ticket, reload: Box::new(plan), by: by.clone() },
        FleetInput::RenewalRequested { ticket, target: Target::Worker(id), by: by.clone() },
        FleetInput::AdjustmentRequested { ticket, release },
        FleetInput::PromotionRequested { ticket, by: by.clone() },
        FleetInput::AbortRequested { ticket, by: by.clone() },
        FleetInput::SignalRequested { ticket, target: Target::All, signal: Signal::USR1, by: by.clone() },
        FleetInput::ResetRequested { ticket, target: Target::All, by: by.clone() },
        FleetInput::EndRequested { ticket, how: Request::Hurry, by },
        FleetInput::Measured { worker: id, rss: 1 << 30 },
        FleetInput::SocketRenewed { renewal: Box::new(renewal), outdates_workers: true },
        FleetInput::ExitDecided { worker: identity, decision: ExitDecision::RestartAfter(secs(1)) },
        FleetInput::ClockRead { wall: SystemTime::UNIX_EPOCH + Duration::new(1_795_976_121, 5) },
        FleetInput::TimePassed,
        FleetInput::WasAway { by: secs(3) },
        FleetInput::MasterReplaced { by: secs(1) },
    ];
    let of_worker = of_worker.map(|input| FleetInput::Worker { id, input });
    of_worker.chain(of_fleet).map(|input| Record { now, input }).collect()
}

#[test]
fn what_the_first_version_wrote_is_read_for_ever() {
    for (name, make) in [
        ("fleet-1.json", busy as fn() -> Stage),
        ("fleet-reload-1.json", renewing),
        ("fleet-cron-1.json", scheduled),
    ] {
        let written = golden(name, || make().fleet);
        let mut read: Fleet = read_document(&written);
        assert_kept(&written, &document(&read), name);
        // And it goes on from there.
        let ticket = TicketId(1000);
        read.handle(origin(), FleetInput::EndRequested { ticket, how: Request::Kill, by: "a test".into() });
        assert!(read.poll_action().is_some(), "{name}");
        assert_eq!(read.doing(), Doing::Killing, "{name}");
    }
    let written = golden("fleet-inputs-1.json", inputs);
    let read: Vec<Record> = read_document(&written);
    assert_kept(&written, &document(&read), "fleet-inputs-1.json");
    let written = golden("events-1.json", events);
    let read: Vec<FleetEvent> = read_document(&written);
    assert_kept(&written, &document(&read), "events-1.json");
}

#[test]
fn what_a_later_version_adds_is_ignored() {
    for stage in [busy(), renewing(), scheduled()] {
        let written = document(&stage.fleet);
        let read: Fleet = read_document(&of_later_version(&written));
        assert_eq!(document(&read), written);
    }
    let written = document(&inputs());
    let read: Vec<Record> = read_document(&of_later_version(&written));
    assert_eq!(document(&read), written);
}

#[test]
fn bytes_that_were_cut_or_changed_are_refused_without_a_panic() {
    let mut specs = Specs::default();
    let bytes = specs.encode(&scheduled().fleet).bytes;
    let specs = std::cell::RefCell::new(specs);
    assert_never_panics(&bytes, |bytes| drop(specs.borrow_mut().decode::<Fleet>(bytes)));
}
