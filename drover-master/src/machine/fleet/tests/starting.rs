//! The start of an app, as a whole.

use super::super::*;
use super::stage::{Manner, Stage, interrupted, killed, secs, spec};
use crate::config::{Kind, OnStartFailure, Protocol, RestartWhen};
use crate::machine::exit::{ExitReason, ExitStatus, KillCause, SpawnStep};
use crate::machine::gate::{DenyReason, Request};
use crate::signal::Signal;

const CRASH: Manner = Manner::Ends(ExitStatus::Code(1));

fn keep_going(count: u32) -> Stage {
    let mut spec = spec(Protocol::Drover);
    spec.start.on_failure = OnStartFailure::KeepGoing;
    Stage::new(spec, count, false)
}

/// The reason of a start that failed, and the slot.
fn failure(stage: &Stage, ticket: TicketId) -> (ExitReason, u32) {
    match stage.verdict(ticket) {
        Some(Verdict::StartFailed(failure)) => (failure.exit.reason, failure.slot.0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_app_is_started_once_every_worker_is_ready_and_the_ticket_is_answered_once() {
    for mut stage in [Stage::protocol(5), Stage::plain(5)] {
        assert_eq!(stage.fleet.phase(), Phase::Initialized);
        let first = stage.start();
        let joined = stage.start();
        assert_eq!((stage.verdict(first), stage.fleet.phase()), (None, Phase::Starting));
        assert_eq!(stage.fleet.status().operation, Some("start"));
        stage.settle();
        stage.pass(secs(2));
        assert_eq!((stage.verdict(first), stage.verdict(joined)), (Some(Verdict::Done), Some(Verdict::Done)));
        let status = stage.fleet.status();
        assert_eq!((status.phase, status.ready, status.operation), (Phase::Started, 5, None));
        assert_eq!(stage.app_events(), ["app_starting", "app_started"]);
        assert_eq!(stage.fleet.next_deadline(), None, "a started app waits for nothing");

        let again = stage.start();
        assert_eq!(stage.verdict(again), Some(Verdict::Done), "it is so already");
        assert_eq!(stage.spawned.len(), 5);
    }
}

#[test]
fn only_so_many_protocol_workers_start_at_once_as_start_parallel_allows() {
    let mut stage = Stage::protocol(5);
    stage.start();
    let mut most = Vec::new();
    while stage.tell_one(0) {
        most.push(stage.spawned.len() - stage.fleet.status().ready as usize);
    }
    assert_eq!(most.iter().max(), Some(&2), "{most:?}");
    assert_eq!(stage.fleet.phase(), Phase::Started);
}

#[test]
fn a_worker_that_failed_or_is_being_ended_makes_room_for_the_next_one() {
    let mut stage = keep_going(3).script(0, [Manner::Dawdles]).script(1, [CRASH]);
    stage.start();
    stage.settle();
    assert_eq!(stage.spawned.len(), 3, "slot 2 takes the place of slot 1");
    assert_eq!(stage.slot(1).phase, Phase::BackingOff);
}

#[test]
fn plain_workers_merely_wait_so_start_parallel_does_not_bound_them() {
    let mut stage = Stage::plain(5);
    stage.start();
    assert_eq!(stage.spawned.len(), 5);
    let mut many = Stage::plain(100);
    many.start();
    assert_eq!(many.spawned.len(), 64, "but not more are created at once than the spawner needs");
    many.tell_one(0);
    assert_eq!(many.spawned.len(), 65);
}

#[test]
fn a_start_fails_fast_with_every_kind_of_early_end() {
    let killed_by_master = |cause, status| ExitReason::KilledByMaster { cause, status };
    let cases = [
        (Manner::Ends(ExitStatus::Code(0)), ExitReason::NormalExit),
        (CRASH, ExitReason::AbnormalExit { code: 1 }),
        (
            Manner::Ends(killed(Signal::SEGV)),
            ExitReason::ExternalSignal { signal: Signal::SEGV, core_dumped: false },
        ),
        (Manner::NoSpawn, ExitReason::SpawnFailed { step: SpawnStep::Exec, errno: 2 }),
        (Manner::Dawdles, killed_by_master(KillCause::StartDeadline, killed(Signal::TERM))),
    ];
    for (manner, reason) in cases {
        // The one before it is ready, the one beside it is not.
        let mut stage = Stage::protocol(3).script(1, [manner]).script(2, [Manner::Dawdles]);
        let start = stage.start();
        stage.settle();
        stage.pass(secs(60));
        assert_eq!(failure(&stage, start), (reason, 1));
        assert_eq!(stage.fleet.phase(), Phase::Failed);
        assert_eq!(stage.app_events(), ["app_starting", "app_stopping", "app_ended"]);
        assert!(stage.fleet.status().outcome.unwrap().starts_with("failed to start: worker 1 "));
        assert_eq!(stage.pauses(), [], "no backoff");
        assert_eq!(stage.ends.len(), 1);
    }
}

#[test]
fn a_plain_worker_that_completes_at_once_does_not_fail_the_start_unless_it_is_always_to_run() {
    for (when, verdict_is_done) in [(RestartWhen::OnFailure, true), (RestartWhen::Always, false)] {
        let mut spec = spec(Protocol::None);
        spec.restart.when = when;
        let mut stage = Stage::new(spec, 2, false).script(0, [Manner::Ends(ExitStatus::Code(0))]);
        let start = stage.start();
        stage.settle();
        stage.pass(secs(2));
        assert_eq!(stage.verdict(start) == Some(Verdict::Done), verdict_is_done, "{when:?}");
        assert_eq!(stage.slot(0).phase, Phase::ShutDown);
    }
}

#[test]
fn a_failed_start_is_answered_only_when_all_are_gone() {
    let mut stage = Stage::protocol(2).script(0, [Manner::Deaf]).script(1, [CRASH]);
    let start = stage.start();
    let joined = stage.start();
    stage.settle();
    assert_eq!((stage.verdict(start), stage.fleet.phase()), (None, Phase::ShuttingDown));
    let too_late = stage.start();
    assert_eq!(stage.verdict(too_late), Some(Verdict::Denied(DenyReason::ShuttingDown)));
    // It drains for 20 s, then has 5 s after SIGTERM.
    stage.pass(secs(24));
    assert_eq!(stage.verdict(start), None);
    stage.pass(secs(1));
    assert_eq!(failure(&stage, start), (ExitReason::AbnormalExit { code: 1 }, 1));
    assert_eq!(failure(&stage, joined), failure(&stage, start));
}

#[test]
fn after_a_failed_start_the_app_can_be_started_again_with_fresh_slots() {
    let mut stage = Stage::protocol(2).script(1, [CRASH]);
    stage.start();
    stage.settle();
    let status = stage.slot(1);
    assert_eq!((status.last_exit.is_some(), status.id), (true, None));

    let again = stage.start();
    assert_eq!(stage.slot(1).last_exit, None);
    assert_eq!(stage.fleet.status().outcome, None);
    stage.settle();
    assert_eq!(stage.verdict(again), Some(Verdict::Done));
    assert_eq!((stage.slot(0).restarts, stage.slot(1).restarts), (0, 0));
    let ids: Vec<u64> = stage.spawned.iter().map(|worker| worker.id.0).collect();
    assert_eq!(ids, [1, 2, 3, 4], "an id never comes back");
}

#[test]
fn a_start_that_keeps_going_tries_again_until_every_worker_is_ready() {
    let mut stage = keep_going(3).script(1, [CRASH, Manner::NoSpawn]);
    let start = stage.start();
    stage.settle();
    assert_eq!((stage.fleet.status().ready, stage.verdict(start)), (2, None));
    assert_eq!(stage.slot(1).next_try, Some(stage.now + secs(1)));
    stage.pass(secs(1));
    assert_eq!(stage.verdict(start), None);
    stage.pass(secs(2));
    assert_eq!(stage.verdict(start), Some(Verdict::Done));
    assert_eq!((stage.slot(1).restarts, stage.pauses()), (2, vec![(secs(1), 1), (secs(2), 2)]));
}

#[test]
fn a_start_that_keeps_going_counts_a_slot_that_was_given_up_as_settled() {
    let mut spec = spec(Protocol::Drover);
    spec.start.on_failure = OnStartFailure::KeepGoing;
    spec.restart.when = RestartWhen::Never;
    let mut stage = Stage::new(spec, 2, false).script(0, [CRASH]);
    let start = stage.start();
    stage.settle();
    assert_eq!(stage.verdict(start), Some(Verdict::Done));
    assert_eq!((stage.slot(0).phase, stage.fleet.status().ready), (Phase::Failed, 1));
}

#[test]
fn a_start_of_which_only_given_up_slots_are_left_is_not_done() {
    let mut spec = spec(Protocol::Drover);
    spec.start.on_failure = OnStartFailure::KeepGoing;
    spec.restart.when = RestartWhen::Never;
    let mut stage = Stage::new(spec, 2, false).script(0, [CRASH]).script(1, [Manner::NoSpawn]);
    let start = stage.start();
    stage.settle();
    assert_eq!(stage.verdict(start), interrupted("failed: the restart policy says never"));
    assert_eq!(stage.app_events(), ["app_starting", "app_ended"]);
}

#[test]
fn a_worker_that_was_ready_and_crashes_during_the_start_is_restarted() {
    let mut stage = Stage::protocol(2).script(1, [Manner::Dawdles]);
    let start = stage.start();
    stage.settle();
    stage.end_process(0, ExitStatus::Code(1));
    assert_eq!((stage.slot(0).phase, stage.fleet.phase()), (Phase::BackingOff, Phase::Starting));
    stage.pass(secs(1));
    assert_eq!((stage.slot(0).phase, stage.verdict(start)), (Phase::Started, None));
}

#[test]
fn a_shutdown_interrupts_a_start_and_tells_who_asked() {
    for how in [Request::Shutdown, Request::Hurry, Request::Kill] {
        let mut stage = Stage::protocol(4).script(0, [Manner::Dawdles]);
        let start = stage.start();
        stage.tell_one(0);
        let end = stage.end(how);
        assert_eq!((stage.verdict(start), stage.verdict(end)), (interrupted("a test"), None), "{how:?}");
        stage.settle();
        assert_eq!(stage.verdict(end), Some(Verdict::Done), "{how:?}");
        assert_eq!(stage.spawned.len(), 2, "{how:?}: what waited for its turn is not spawned");
    }
}

#[test]
fn a_process_that_comes_to_be_after_the_shutdown_is_ended_at_once() {
    for (how, signal) in
        [(Request::Shutdown, Signal::TERM), (Request::Hurry, Signal::TERM), (Request::Kill, Signal::KILL)]
    {
        let mut stage = Stage::protocol(1);
        stage.start();
        let end = stage.end(how);
        assert_eq!(stage.verdict(end), None);
        stage.settle();
        assert_eq!(
            (stage.verdict(end), stage.last_exit(0).reason.signal()),
            (Some(Verdict::Done), Some(signal))
        );
    }
}

#[test]
fn a_start_does_not_wait_for_a_process_that_outlives_sigkill() {
    for on_failure in [OnStartFailure::FailFast, OnStartFailure::KeepGoing] {
        let mut spec = spec(Protocol::Drover);
        spec.start.on_failure = on_failure;
        let mut stage = Stage::new(spec, 1, false).script(0, [Manner::Stuck]);
        let start = stage.start();
        stage.tell_one(0);
        // It is there, but never says that it is ready: 30 s, then 5 s after SIGTERM, then 10 s after SIGKILL.
        stage.clock(secs(30));
        stage.clock(secs(5));
        stage.clock(secs(9));
        assert_eq!(stage.verdict(start), None);
        stage.clock(secs(1));
        assert_eq!(stage.verdict(start), Some(Verdict::Unkillable { pid: 1001 }), "{on_failure:?}");
        let joined = stage.start();
        assert_eq!(stage.verdict(joined), Some(Verdict::Unkillable { pid: 1001 }), "{on_failure:?}");
    }
}

/// Plain workers that do one thing and end.
fn oneshot(count: u32) -> Stage {
    let mut spec = spec(Protocol::None);
    spec.kind = Kind::Oneshot;
    spec.start.timeout = secs(60);
    Stage::new(spec, count, false)
}

#[test]
fn a_oneshot_is_started_and_completed_once_all_its_workers_have_ended_with_a_success() {
    let mut stage = oneshot(2).script(0, [Manner::Ends(ExitStatus::Code(0))]);
    let start = stage.start();
    stage.settle();
    stage.pass(secs(10));
    assert_eq!(
        (stage.verdict(start), stage.fleet.phase()),
        (None, Phase::Starting),
        "no uptime makes it ready"
    );
    stage.end_process(1, ExitStatus::Code(0));
    assert_eq!((stage.verdict(start), stage.ends.clone()), (Some(Verdict::Done), vec![Outcome::Completed]));
    assert_eq!(stage.app_events(), ["app_starting", "app_started", "app_ended"]);
}

#[test]
fn a_oneshot_that_fails_or_takes_too_long_has_failed_to_start() {
    let mut failing = oneshot(1).script(0, [Manner::Ends(ExitStatus::Code(4))]);
    let start = failing.start();
    failing.settle();
    assert!(matches!(failing.verdict(start), Some(Verdict::StartFailed(_))));
    let mut slow = oneshot(1);
    let start = slow.start();
    slow.settle();
    slow.pass(secs(61));
    let Some(Verdict::StartFailed(failure)) = slow.verdict(start) else { panic!("{slow:?}") };
    assert!(failure.exit.to_string().contains("was not ready in time"), "{}", failure.exit);
}
