//! Random descriptions of an app, and random histories of what happens to it.

use super::super::*;
use super::stage::{Manner, exited, killed, spec};
use crate::config::{
    Backoff, CronPolicy, FailureLimit, HealthCheck, HealthPolicy, Kind, LimitReached, OnStartFailure,
    OnUpdateFailure, Overlap, ProbeKind, Protocol, RecyclePolicy, ReloadSignal, RestartWhen, Share,
    SuspendSignals, UpdateOrder, UpdatePolicy,
};
use crate::machine::exit::{ExitStatus, SpawnStep};
use crate::machine::gate::{Request, SlotRequest};
use crate::machine::worker::{Notice, Question, WorkerReport};
use crate::signal::Signal;
use proptest::prelude::*;
use std::num::NonZeroU32;
use std::time::Duration;

/// One thing that happens. The numbers choose among what there is at that moment.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Start,
    End(Request),
    /// Somebody wants some workers changed: all, one slot (perhaps none that there is), or one that was ever created.
    Operate(SlotRequest, Whom),
    Signal(Whom, Signal),
    Scale(Count),
    Reload(UpdatePolicy, Option<u32>, bool),
    Renew(Whom),
    Promote,
    Abort,
    Adjust,
    /// The driver hears of what happened to one of the processes.
    Tell(usize),
    /// The driver hears of all that happened.
    Settle,
    /// A process ends on its own.
    Exit(usize, ExitStatus),
    /// A worker, or somebody who knew one, says something.
    Noise(usize, WorkerInput),
    /// The workers of a slot fail this question from now on, or none.
    Ail(u32, Option<Question>),
    /// Somebody looks how much memory a worker holds.
    Measure(usize, u64),
    /// News of a process that is long gone.
    Echo(usize, WorkerInput),
    /// The hook answers a question that it was asked at any time before.
    Decide(usize, ExitDecision),
    /// The clock reaches the next deadline, or goes beyond it by this many milliseconds.
    Deadline(u64),
    Wait(u64),
    /// The wall clock shows this, so many seconds after the beginning.
    Clock(u64),
    /// This many milliseconds pass in which the master is away.
    Away(u64),
}

#[derive(Debug, Clone)]
pub(super) enum Whom {
    All,
    Slot(u32),
    Worker(usize),
}

pub(super) fn whom() -> impl Strategy<Value = Whom> {
    prop_oneof![
        1 => Just(Whom::All),
        3 => (0..6u32).prop_map(Whom::Slot),
        2 => any::<usize>().prop_map(Whom::Worker),
    ]
}

pub(super) fn slot_request() -> impl Strategy<Value = SlotRequest> {
    prop_oneof![
        Just(SlotRequest::Start),
        Just(SlotRequest::Stop),
        Just(SlotRequest::Restart),
        Just(SlotRequest::Suspend),
        Just(SlotRequest::Resume),
    ]
}

pub(super) fn status() -> impl Strategy<Value = ExitStatus> {
    prop_oneof![
        (0..4i32).prop_map(ExitStatus::Code),
        Just(ExitStatus::Code(143)),
        prop_oneof![Just(Signal::KILL), Just(Signal::SEGV), Just(Signal::TERM)].prop_map(killed),
    ]
}

pub(super) fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        4 => Just(Manner::Serves),
        1 => Just(Manner::Deaf),
        1 => Just(Manner::Stuck),
        1 => Just(Manner::Dawdles),
        1 => Just(Manner::NoSpawn),
        1 => status().prop_map(Manner::Ends),
    ]
}

pub(super) fn pause() -> impl Strategy<Value = Duration> {
    prop_oneof![
        3 => (0..5_000u64).prop_map(Duration::from_millis),
        1 => Just(Duration::MAX),
    ]
}

pub(super) fn decision() -> impl Strategy<Value = ExitDecision> {
    prop_oneof![
        Just(ExitDecision::Restart),
        pause().prop_map(ExitDecision::RestartAfter),
        Just(ExitDecision::Leave),
        Just(ExitDecision::StopApp),
        Just(ExitDecision::StopAll),
    ]
}

pub(super) fn noise() -> impl Strategy<Value = WorkerInput> {
    let answer = (question(), 0..20u64, any::<bool>()).prop_map(|(question, number, fails)| {
        let question = question.unwrap_or(Question::Readiness);
        let fault = fails.then(|| "GET / answered 500".into());
        WorkerInput::Answered { question, number, fault }
    });
    prop_oneof![
        answer.boxed(),
        Just(WorkerInput::TryDue),
        Just(WorkerInput::Connected),
        Just(WorkerInput::Disconnected),
        Just(WorkerInput::ProtocolBroken { trouble: "stray text".into() }),
        Just(WorkerInput::HandshakeRefused { trouble: "its version".into() }),
        Just(WorkerInput::from(WorkerReport::Started)),
        Just(WorkerInput::from(WorkerReport::Stopped)),
        Just(WorkerInput::from(WorkerReport::ShutDown)),
        (0..100u64).prop_map(|by| WorkerInput::from(WorkerReport::Extend { by: Duration::from_secs(by) })),
        (0..30u64).prop_map(|requests| {
            WorkerInput::from(WorkerReport::Status {
                text: "busy".into(),
                in_flight: 1,
                requests,
                gauges: Default::default(),
            })
        }),
    ]
}

pub(super) fn notice() -> impl Strategy<Value = Notice> {
    prop_oneof![
        4 => Just(Notice::Ready),
        2 => Just(Notice::Reloading { since: None }),
        1 => Just(Notice::Stopping),
        2 => Just(Notice::KeepAlive),
        1 => Just(Notice::Trigger),
        1 => (0..5u64).prop_map(|every| Notice::WatchdogEvery { every: Duration::from_secs(every) }),
        1 => (0..1000u64).prop_map(|by| Notice::Extend { by: Duration::from_secs(by) }),
    ]
}

pub(super) fn echo() -> impl Strategy<Value = WorkerInput> {
    prop_oneof![
        noise().boxed(),
        notice().prop_map(WorkerInput::Notified).boxed(),
        Just(WorkerInput::Spawned { pid: 1 }),
        Just(WorkerInput::SpawnFailed { step: SpawnStep::Exec, errno: 2, detail: None }),
        status().prop_map(exited),
    ]
}

pub(super) fn update() -> impl Strategy<Value = UpdatePolicy> {
    let share = || prop_oneof![(0..4u32).prop_map(Share::Count), (0..=100u32).prop_map(Share::Percent)];
    let order = prop_oneof![3 => Just(UpdateOrder::StartFirst), 1 => Just(UpdateOrder::StopFirst)];
    let on_failure = prop_oneof![3 => Just(OnUpdateFailure::Rollback), 1 => Just(OnUpdateFailure::Pause)];
    let soak = prop_oneof![Just(0), 1..5_000u64];
    (share(), share(), soak, order, on_failure, 1..600u64, 1..5u32).prop_map(
        |(max_surge, max_unavailable, soak, order, on_failure, timeout, max_generations)| UpdatePolicy {
            max_surge,
            max_unavailable,
            soak: Duration::from_millis(soak),
            order,
            on_failure,
            timeout: Duration::from_secs(timeout),
            max_generations,
        },
    )
}

pub(super) fn recycle() -> impl Strategy<Value = RecyclePolicy> {
    use proptest::option::of;
    (of(1..60_000u64), of(1..200u64), of(1..30u64), 0.0..=1.0).prop_map(|(age, rss, requests, jitter)| {
        RecyclePolicy { age: age.map(Duration::from_millis), rss, requests, jitter }
    })
}

pub(super) fn question() -> impl Strategy<Value = Option<Question>> {
    prop_oneof![1 => Just(None), 2 => Just(Some(Question::Readiness)), 1 => Just(Some(Question::Liveness))]
}

pub(super) fn health() -> impl Strategy<Value = HealthPolicy> {
    let check = || {
        (1..20_000u64, 1..3u32, 1..3u32, prop_oneof![Just(0), 0..10_000u64]).prop_map(
            |(interval, failures, successes, delay)| {
                let mut check = HealthCheck::new(ProbeKind::Tcp { addr: "a:1".into() });
                check.probe.interval = Duration::from_millis(interval);
                check.failures = NonZeroU32::new(failures).unwrap();
                check.successes = NonZeroU32::new(successes).unwrap();
                check.initial_delay = Duration::from_millis(delay);
                check
            },
        )
    };
    let of = proptest::option::of;
    // Boxed, as the whole would not fit on the stack of a test.
    (of(check()), of(check())).prop_map(|(liveness, readiness)| HealthPolicy { liveness, readiness }).boxed()
}

fn cron() -> impl Strategy<Value = CronPolicy> {
    let schedule = prop_oneof![Just("* * * * *"), Just("*/7 * * * *"), Just("@hourly"), Just("@every 5s")];
    let overlap = prop_oneof![Just(Overlap::Skip), Just(Overlap::Queue), Just(Overlap::Replace)];
    (schedule, overlap, any::<bool>()).prop_map(|(schedule, overlap, catch_up)| CronPolicy {
        schedule: schedule.parse().ok(),
        overlap,
        catch_up,
        ..CronPolicy::default()
    })
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    // What is large is boxed: the whole has to fit on the stack of a test.
    let which = || any::<usize>();
    prop_oneof![
        3 => Just(Op::Start),
        1 => Just(Op::End(Request::Shutdown)),
        1 => Just(Op::End(Request::Hurry)),
        1 => Just(Op::End(Request::Kill)),
        6 => (slot_request(), whom()).prop_map(|(request, whom)| Op::Operate(request, whom)),
        3 => (0..7u32).prop_map(|count| Op::Scale(Count::To(count))),
        1 => (-3..4i32).prop_map(|by| Op::Scale(Count::By(by))),
        6 => (update(), proptest::option::weighted(0.3, 1..4u32), any::<bool>())
            .prop_map(|(policy, canary, is_new)| Op::Reload(policy, canary, is_new))
            .boxed(),
        2 => whom().prop_map(Op::Renew),
        2 => Just(Op::Promote),
        2 => Just(Op::Abort),
        1 => Just(Op::Adjust),
        1 => (whom(), Just(Signal::USR1)).prop_map(|(whom, signal)| Op::Signal(whom, signal)),
        12 => which().prop_map(Op::Tell),
        4 => Just(Op::Settle),
        4 => (which(), status()).prop_map(|(which, status)| Op::Exit(which, status)),
        4 => (which(), noise()).prop_map(|(which, input)| Op::Noise(which, input)).boxed(),
        4 => (0..6u32, question()).prop_map(|(slot, question)| Op::Ail(slot, question)).boxed(),
        2 => (which(), 0..200u64).prop_map(|(which, rss)| Op::Measure(which, rss)),
        2 => (which(), echo()).prop_map(|(which, input)| Op::Echo(which, input)).boxed(),
        4 => (which(), decision()).prop_map(|(which, decision)| Op::Decide(which, decision)),
        6 => prop_oneof![2 => Just(0), 1 => 0..100_000u64].prop_map(Op::Deadline),
        2 => (0..20_000u64).prop_map(Op::Wait),
        1 => (250..20_000u64).prop_map(Op::Away),
        3 => (0..40_000u64).prop_map(Op::Clock),
    ]
}

prop_compose! {
    pub(super) fn any_spec()(
        protocol in prop_oneof![Just(Protocol::Drover), Just(Protocol::None), Just(Protocol::Notify)],
        kind in prop_oneof![3 => Just(Kind::Service), 1 => Just(Kind::Oneshot), 1 => Just(Kind::Cron)],
        parallel in 1..4u32,
        min_uptime in prop_oneof![Just(0), Just(1000u64)],
        keep_going: bool,
        when in prop_oneof![Just(RestartWhen::Always), Just(RestartWhen::OnFailure), Just(RestartWhen::Never)],
        count in 1..4u32,
        start_count in proptest::option::of(1..4u32),
        pre_delay in prop_oneof![Just(0), Just(2000u64)],
        then in prop_oneof![Just(LimitReached::GiveUp), Just(LimitReached::StopApp), Just(LimitReached::StopAll)],
        initial in prop_oneof![Just(0), 1..2_000u64],
        max in 0..5_000u64,
        jitter in 0.0..=1.0,
        reset_after in prop_oneof![Just(0), Just(60u64)],
        update in update().boxed(),
        recycle in recycle().boxed(),
        health in health(),
        suspend in proptest::option::of(Just(SuspendSignals { signal: Signal::USR1, resume_signal: Signal::USR2 })),
        reload in proptest::option::of(any::<bool>()),
        watchdog in proptest::option::of(Just(Duration::from_secs(3))),
        cron in cron().boxed(),
    ) -> AppSpec {
        let mut spec = spec(protocol);
        spec.kind = kind;
        spec.start.parallel = NonZeroU32::new(parallel).unwrap();
        spec.start.min_uptime = Duration::from_millis(min_uptime);
        spec.start.on_failure = if keep_going { OnStartFailure::KeepGoing } else { OnStartFailure::FailFast };
        spec.restart.when = when;
        spec.restart.limit =
            FailureLimit { count: NonZeroU32::new(count).unwrap(), then, ..FailureLimit::default() };
        spec.restart.start_limit = start_count.map(|count| {
            FailureLimit { count: NonZeroU32::new(count).unwrap(), then, ..FailureLimit::default() }
        });
        spec.stop.pre_delay = Duration::from_millis(pre_delay);
        let (initial, max) = (Duration::from_millis(initial), Duration::from_millis(max));
        spec.restart.backoff = Backoff { initial, max, factor: 2.0, jitter };
        spec.restart.reset_after = Duration::from_secs(reset_after);
        spec.restart.fatal_codes = vec![3];
        spec.update = update;
        spec.recycle = recycle;
        spec.health = health;
        spec.suspend = suspend;
        let is_told = protocol == Protocol::Notify;
        let reload = reload.filter(|_| protocol != Protocol::Drover && kind == Kind::Service);
        spec.reload = reload.map(|waits| ReloadSignal { signal: Signal::HUP, waits: waits && is_told });
        if kind == Kind::Cron {
            (spec.protocol, spec.suspend, spec.reload) = (Protocol::None, None, None);
            spec.cron = cron;
        }
        spec.watchdog = watchdog.filter(|_| protocol != Protocol::None);
        spec
    }
}

pub(super) fn how() -> impl Strategy<Value = Request> {
    prop_oneof![Just(Request::Shutdown), Just(Request::Hurry), Just(Request::Kill)]
}
