//! Operations on some workers of an app that runs.

use super::super::*;
use super::stage::{Manner, Stage, interrupted, killed, secs, spec};
use crate::config::{Protocol, RestartWhen};
use crate::machine::exit::ExitStatus;
use crate::machine::gate::{DenyReason, Request, SlotRequest};
use crate::signal::Signal;

const REQUESTS: [SlotRequest; 5] =
    [SlotRequest::Start, SlotRequest::Stop, SlotRequest::Restart, SlotRequest::Suspend, SlotRequest::Resume];

fn denied(stage: &Stage, ticket: TicketId) -> Option<DenyReason> {
    match stage.verdict(ticket) {
        Some(Verdict::Denied(reason)) => Some(reason),
        _ => None,
    }
}

#[test]
fn a_restart_drains_the_worker_and_is_done_when_another_is_ready_in_its_slot() {
    let mut stage = Stage::started(2);
    let (old, other) = (stage.id_in(0), stage.id_in(1));
    let restart = stage.operate_on(SlotRequest::Restart, 0);
    assert_eq!(stage.fleet.status().operation, Some("restart"));
    assert_eq!(stage.verdict(restart), None);
    stage.settle();
    assert_eq!(stage.verdict(restart), Some(Verdict::Done));
    assert_ne!(stage.id_in(0), old);
    assert_eq!((stage.id_in(1), stage.slot(0).restarts), (other, 1));
    assert_eq!(stage.last_exit(0).asked_by.as_deref(), Some("a test"));
    assert_eq!((stage.fleet.doing(), stage.fleet.status().operation), (Doing::Started, None));
}

#[test]
fn a_restart_of_all_replaces_every_worker_and_the_app_runs_on() {
    let mut stage = Stage::started(3);
    let restart = stage.operate(SlotRequest::Restart, Target::All);
    stage.settle();
    assert_eq!(stage.verdict(restart), Some(Verdict::Done));
    assert_eq!((stage.spawned.len(), stage.fleet.status().ready), (6, 3));
    assert_eq!(stage.app_events(), ["app_starting", "app_started"]);
}

#[test]
fn a_stopped_slot_stays_empty_until_it_is_started_and_the_app_wants_one_less() {
    let mut stage = Stage::started(2);
    let stop = stage.operate_on(SlotRequest::Stop, 1);
    stage.settle();
    assert_eq!(stage.verdict(stop), Some(Verdict::Done));
    stage.pass(secs(3600));
    let status = stage.fleet.status();
    assert_eq!((status.desired, status.ready, status.phase), (1, 1, Phase::Started));
    assert_eq!((stage.slot(1).phase, stage.slot(1).id), (Phase::ShutDown, None));
    let start = stage.operate_on(SlotRequest::Start, 1);
    stage.settle();
    assert_eq!(stage.verdict(start), Some(Verdict::Done));
    assert_eq!((stage.fleet.status().desired, stage.fleet.status().ready), (2, 2));
}

#[test]
fn an_app_whose_slots_are_all_stopped_lives_and_a_start_of_it_brings_them_back() {
    let mut stage = Stage::started(2);
    stage.operate(SlotRequest::Stop, Target::All);
    stage.settle();
    assert_eq!((stage.fleet.doing(), stage.fleet.status().desired), (Doing::Started, 0));
    let start = stage.start();
    assert_eq!(stage.verdict(start), None);
    stage.settle();
    assert_eq!((stage.verdict(start), stage.fleet.status().ready), (Some(Verdict::Done), 2));
}

#[test]
fn an_app_is_over_when_all_that_was_not_stopped_is_given_up() {
    let mut spec = spec(Protocol::Drover);
    spec.restart.when = RestartWhen::Never;
    let mut stage = Stage::new(spec, 2, false).begun();
    stage.operate_on(SlotRequest::Stop, 0);
    stage.settle();
    assert_eq!(stage.fleet.doing(), Doing::Started);
    stage.end_process(1, killed(Signal::SEGV));
    assert!(matches!(stage.ends[..], [Outcome::Failed { .. }]), "{:?}", stage.ends);
}

#[test]
fn a_stop_beats_a_pending_try() {
    let mut stage = Stage::started(1);
    stage.end_process(0, killed(Signal::SEGV));
    assert_eq!(stage.slot(0).phase, Phase::BackingOff);
    let stop = stage.operate_on(SlotRequest::Stop, 0);
    assert_eq!(stage.verdict(stop), Some(Verdict::Done));
    stage.pass(secs(3600));
    assert_eq!(stage.spawned.len(), 1, "nothing is tried any more");
}

#[test]
fn a_start_does_not_wait_for_a_pending_try() {
    let mut stage = Stage::started(1);
    stage.end_process(0, killed(Signal::SEGV));
    let start = stage.operate_on(SlotRequest::Start, 0);
    stage.settle();
    assert_eq!((stage.verdict(start), stage.spawned.len()), (Some(Verdict::Done), 2));
    assert_eq!(stage.fleet.next_deadline(), None, "the try that was pending is forgotten");
}

#[test]
fn a_start_brings_back_what_was_given_up_with_a_fresh_budget() {
    let mut spec = spec(Protocol::Drover);
    spec.restart.when = RestartWhen::Never;
    let mut stage = Stage::new(spec, 2, false).begun();
    stage.end_process(0, killed(Signal::SEGV));
    assert_eq!(stage.slot(0).phase, Phase::Failed);
    let start = stage.operate_on(SlotRequest::Start, 0);
    stage.settle();
    assert_eq!((stage.verdict(start), stage.slot(0).phase), (Some(Verdict::Done), Phase::Started));
    // Whose failure counts as it did before.
    stage.end_process(0, killed(Signal::SEGV));
    stage.end_process(1, killed(Signal::SEGV));
    assert_eq!(stage.fleet.doing(), Doing::Idle);
}

#[test]
fn equal_requests_join_and_a_stop_interrupts_the_restart_under_way() {
    let mut stage = Stage::protocol(1).script(0, [Manner::Deaf]).begun();
    let first = stage.operate_on(SlotRequest::Restart, 0);
    let second = stage.operate_on(SlotRequest::Restart, 0);
    let third = stage.operate_on(SlotRequest::Start, 0);
    let stop = stage.operate_on(SlotRequest::Stop, 0);
    for ticket in [first, second, third] {
        assert_eq!(stage.verdict(ticket), interrupted("a test"));
    }
    let again = stage.operate_on(SlotRequest::Stop, 0);
    let late = stage.operate_on(SlotRequest::Restart, 0);
    assert_eq!(denied(&stage, late), Some(DenyReason::SlotStopping { slot: SlotIndex(0) }));
    stage.pass(secs(60));
    assert_eq!((stage.verdict(stop), stage.verdict(again)), (Some(Verdict::Done), Some(Verdict::Done)));
    assert_eq!((stage.slot(0).phase, stage.spawned.len()), (Phase::ShutDown, 1));
}

#[test]
fn two_restarts_that_join_put_one_worker_in_place_of_one() {
    let mut stage = Stage::started(1);
    let tickets = [0; 5].map(|slot| stage.operate_on(SlotRequest::Restart, slot));
    stage.settle();
    for ticket in tickets {
        assert_eq!(stage.verdict(ticket), Some(Verdict::Done));
    }
    assert_eq!(stage.spawned.len(), 2);
}

#[test]
fn a_restart_whose_new_worker_fails_says_so_and_the_policy_goes_on_trying() {
    let mut stage = Stage::started(2).script(0, [Manner::Ends(ExitStatus::Code(3))]);
    let restart = stage.operate_on(SlotRequest::Restart, 0);
    stage.settle();
    let Some(Verdict::StartFailed(failure)) = stage.verdict(restart) else { panic!("{stage:?}") };
    assert_eq!(
        (failure.slot, failure.exit.stderr_tail.as_slice()),
        (SlotIndex(0), &["last words".to_owned()][..])
    );
    assert_eq!(stage.slot(0).phase, Phase::BackingOff);
    stage.pass(secs(1));
    assert_eq!(stage.slot(0).phase, Phase::Started);
}

#[test]
fn a_restart_while_the_app_starts_does_not_fail_its_start() {
    let mut stage = Stage::protocol(1).script(0, [Manner::Dawdles]);
    let start = stage.start();
    stage.settle();
    let restart = stage.operate_on(SlotRequest::Restart, 0);
    stage.settle();
    assert_eq!((stage.verdict(start), stage.verdict(restart)), (Some(Verdict::Done), Some(Verdict::Done)));
    assert_eq!(stage.spawned.len(), 2);
}

#[test]
fn the_end_of_the_app_interrupts_starts_and_restarts_and_answers_stops_with_the_exits() {
    for how in [Request::Shutdown, Request::Hurry, Request::Kill] {
        let mut stage = Stage::protocol(2).script(0, [Manner::Deaf]).script(1, [Manner::Deaf]).begun();
        let restart = stage.operate_on(SlotRequest::Restart, 0);
        let stop = stage.operate_on(SlotRequest::Stop, 1);
        let end = stage.end(how);
        assert_eq!((stage.verdict(restart), stage.verdict(stop)), (interrupted("a test"), None));
        stage.settle();
        stage.pass(secs(60));
        assert_eq!((stage.verdict(stop), stage.verdict(end)), (Some(Verdict::Done), Some(Verdict::Done)));
        assert_eq!(stage.spawned.len(), 2, "{how:?}: nothing is spawned any more");
    }
}

#[test]
fn of_an_app_that_does_not_run_a_stop_is_done_and_all_else_is_refused() {
    for request in REQUESTS {
        let mut stage = Stage::protocol(1);
        let ticket = stage.operate_on(request, 0);
        let expected = match request {
            SlotRequest::Stop => Verdict::Done,
            _ => Verdict::Denied(DenyReason::NotRunning),
        };
        assert_eq!(stage.verdict(ticket), Some(expected));
    }
}

#[test]
fn who_is_not_there_is_named() {
    for request in REQUESTS {
        let mut stage = Stage::started(1);
        let ticket = stage.operate_on(request, 7);
        let reason = DenyReason::NoSuchSlot { slot: SlotIndex(7), count: 1 };
        assert_eq!(denied(&stage, ticket), Some(reason));
        let first = stage.id_in(0);
        stage.end_process(0, killed(Signal::SEGV));
        stage.pass(secs(5));
        let ticket = stage.operate(request, Target::Worker(first));
        assert_eq!(denied(&stage, ticket), Some(DenyReason::NoSuchWorker { id: first }));
    }
}

#[test]
fn a_worker_is_restarted_by_its_id() {
    let mut stage = Stage::started(2);
    let id = stage.id_in(1);
    let restart = stage.operate(SlotRequest::Restart, Target::Worker(id));
    stage.settle();
    assert_eq!(stage.verdict(restart), Some(Verdict::Done));
    assert_ne!(stage.id_in(1), id);
    assert_eq!(stage.spawned.last().map(|worker| worker.slot), Some(SlotIndex(1)));
}

#[test]
fn nobody_waits_for_a_worker_that_outlived_sigkill() {
    for request in [SlotRequest::Stop, SlotRequest::Restart] {
        let mut stage = Stage::protocol(2).script(0, [Manner::Stuck]).begun();
        let before = stage.operate_on(request, 0);
        stage.pass(secs(60));
        assert!(matches!(stage.verdict(before), Some(Verdict::Unkillable { .. })), "{request:?}");
        let after = stage.operate_on(request, 0);
        assert!(matches!(stage.verdict(after), Some(Verdict::Unkillable { .. })), "{request:?}");
        // Once the kernel lets go, what was asked for comes about all the same.
        stage.release();
        stage.settle();
        let expected = if request == SlotRequest::Stop { Phase::ShutDown } else { Phase::Started };
        assert_eq!(stage.slot(0).phase, expected);
    }
}

#[test]
fn a_signal_reaches_the_living_and_is_told() {
    let mut stage = Stage::started(2);
    stage.operate_on(SlotRequest::Stop, 1);
    stage.settle();
    let sent = stage.send_signal(Target::All, Signal::USR1);
    assert_eq!(stage.verdict(sent), Some(Verdict::Done));
    let told = |event: &&FleetEvent| matches!(event.kind, EventKind::Signalled { signal: Signal::USR1, .. });
    assert_eq!(stage.events.iter().filter(told).count(), 1);
    let sent = stage.send_signal(Target::Slot(SlotIndex(1)), Signal::USR1);
    assert_eq!(denied(&stage, sent), Some(DenyReason::NoProcess));
}
