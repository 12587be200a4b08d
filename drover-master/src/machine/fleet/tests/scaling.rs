//! More or fewer workers.

use super::super::*;
use super::stage::{Manner, Stage, interrupted, killed, secs, spec};
use crate::config::{Protocol, RestartWhen, UpdatePolicy};
use crate::machine::exit::{Exit, ExitReason, ExitStatus};
use crate::machine::gate::{DenyReason, Request, SlotRequest};
use crate::machine::worker::WorkerReport;
use crate::signal::Signal;

fn slots(stage: &Stage) -> Vec<u32> {
    stage.fleet.slots().into_iter().map(|slot| slot.0).collect()
}

fn events(stage: &Stage) -> Vec<&'static str> {
    stage.app_events()[2..].to_vec()
}

#[test]
fn an_app_grows_in_parallel_and_newcomers_count_when_they_are_ready() {
    let mut stage = Stage::started(2);
    let scale = stage.scale(Count::To(5));
    let status = stage.fleet.status();
    assert_eq!((status.desired, status.ready, status.operation), (5, 2, Some("scale")));
    assert_eq!(stage.spawned.len(), 4, "two at once, as start.parallel says");
    stage.settle();
    assert_eq!((stage.verdict(scale), stage.fleet.status().ready), (Some(Verdict::Done), 5));
    assert_eq!((slots(&stage), events(&stage)), (vec![0, 1, 2, 3, 4], vec!["scaling", "scaled"]));
}

#[test]
fn an_app_shrinks_by_draining_and_is_done_when_the_victims_are_gone() {
    let mut stage = Stage::protocol(4).script(3, [Manner::Deaf]).begun();
    let scale = stage.scale(Count::By(-2));
    assert_eq!((stage.fleet.status().desired, stage.verdict(scale)), (2, None));
    stage.settle();
    assert_eq!((slots(&stage), stage.verdict(scale)), (vec![0, 1, 3], None), "one drains");
    stage.pass(secs(60));
    assert_eq!((slots(&stage), stage.verdict(scale)), (vec![0, 1], Some(Verdict::Done)));
    assert_eq!(stage.fleet.next_deadline(), None);
    assert_eq!(stage.spawned.len(), 4, "nobody is put in their place");
}

#[test]
fn victims_are_the_failed_then_the_unready_then_the_least_busy_then_the_youngest() {
    let mut spec = spec(Protocol::Drover);
    spec.restart.when = RestartWhen::Never;
    let mut stage = Stage::new(spec, 6, false).begun();
    stage.end_process(1, killed(Signal::SEGV));
    for (slot, in_flight) in [(0, 5), (2, 1), (3, 7), (4, 7), (5, 7)] {
        let id = stage.id_in(slot);
        let status =
            WorkerReport::Status { text: String::new(), in_flight, requests: 0, gauges: Default::default() };
        stage.feed(FleetInput::Worker { id, input: status.into() });
    }
    for expected in [[0, 2, 3, 4, 5].as_slice(), &[0, 3, 4, 5], &[3, 4, 5], &[3, 4]] {
        stage.scale(Count::By(-1));
        stage.settle();
        assert_eq!(slots(&stage), expected);
    }
}

#[test]
fn slots_that_are_free_are_filled_first() {
    let mut stage = Stage::started(4);
    stage.end_process(1, killed(Signal::SEGV));
    stage.scale(Count::To(3));
    stage.settle();
    assert_eq!(slots(&stage), [0, 2, 3]);
    let scale = stage.scale(Count::To(5));
    stage.settle();
    assert_eq!((slots(&stage), stage.verdict(scale)), (vec![0, 1, 2, 3, 4], Some(Verdict::Done)));
}

#[test]
fn a_growth_that_fails_changes_nothing_and_says_why() {
    let mut stage = Stage::started(2).script(3, [Manner::Ends(ExitStatus::Code(9))]);
    let old = [stage.id_in(0), stage.id_in(1)];
    let scale = stage.scale(Count::To(4));
    let joined = stage.scale(Count::To(4));
    stage.settle();
    for ticket in [scale, joined] {
        let Some(Verdict::StartFailed(failure)) = stage.verdict(ticket) else { panic!("{stage:?}") };
        assert_eq!((failure.slot, failure.exit.stderr_tail.len()), (SlotIndex(3), 1));
    }
    stage.pass(secs(3600));
    let status = stage.fleet.status();
    assert_eq!((slots(&stage), status.desired, status.ready), (vec![0, 1], 2, 2));
    assert_eq!([stage.id_in(0), stage.id_in(1)], old);
    assert_eq!(events(&stage), ["scaling", "rolled_back"]);
}

#[test]
fn a_newer_count_takes_the_place_of_the_one_under_way() {
    let mut stage = Stage::protocol(2).script(3, [Manner::Dawdles]).begun();
    let first = stage.scale(Count::To(6));
    stage.settle();
    let second = stage.scale(Count::To(3));
    assert_eq!(stage.verdict(first), interrupted("a test"));
    stage.settle();
    stage.pass(secs(60));
    assert_eq!((stage.verdict(second), slots(&stage).len()), (Some(Verdict::Done), 3));
    assert!(!slots(&stage).contains(&3), "the one that was not ready went first: {:?}", slots(&stage));
}

#[test]
fn an_app_that_does_not_run_is_scaled_for_its_next_start() {
    for (count, expected) in [(Count::To(4), 4), (Count::By(-1), 1)] {
        let mut stage = Stage::protocol(2);
        let scale = stage.scale(count);
        assert_eq!((stage.verdict(scale), stage.spawned.len()), (Some(Verdict::Done), 0));
        let stage = stage.begun();
        assert_eq!(stage.fleet.status().ready, expected);
    }
}

#[test]
fn what_is_no_count_and_what_comes_at_the_wrong_time_is_refused() {
    for count in [Count::To(0), Count::By(-2), Count::By(i32::MIN), Count::To(u32::MAX), Count::By(i32::MAX)]
    {
        let mut stage = Stage::started(2);
        let scale = stage.scale(count);
        let denied = Verdict::Denied(DenyReason::Count { max: 100_000 });
        assert_eq!(stage.verdict(scale), Some(denied), "{count:?}");
    }
    let mut stage = Stage::protocol(1).script(0, [Manner::Dawdles]);
    stage.start();
    let early = stage.scale(Count::To(2));
    assert_eq!(stage.verdict(early), Some(Verdict::Denied(DenyReason::Starting)));
    stage.end(Request::Shutdown);
    let late = stage.scale(Count::To(2));
    assert_eq!(stage.verdict(late), Some(Verdict::Denied(DenyReason::ShuttingDown)));
}

#[test]
fn the_end_of_the_app_takes_those_that_were_leaving_with_it() {
    let mut stage = Stage::protocol(3).script(2, [Manner::Deaf]).begun();
    let scale = stage.scale(Count::To(2));
    stage.settle();
    let end = stage.end(Request::Shutdown);
    stage.settle();
    stage.pass(secs(60));
    assert_eq!((stage.verdict(scale), stage.verdict(end)), (Some(Verdict::Done), Some(Verdict::Done)));
    let start = stage.start();
    stage.settle();
    assert_eq!((stage.verdict(start), stage.fleet.status().ready), (Some(Verdict::Done), 2));
}

#[test]
fn a_worker_that_leaves_with_its_slot_can_not_be_restarted() {
    let mut stage = Stage::protocol(2).script(1, [Manner::Deaf]).begun();
    stage.scale(Count::To(1));
    let restart = stage.operate_on(SlotRequest::Restart, 1);
    assert_eq!(
        stage.verdict(restart),
        Some(Verdict::Denied(DenyReason::SlotStopping { slot: SlotIndex(1) }))
    );
    stage.settle();
    stage.pass(secs(60));
    let restart = stage.operate_on(SlotRequest::Restart, 1);
    let reason = DenyReason::NoSuchSlot { slot: SlotIndex(1), count: 1 };
    assert_eq!(stage.verdict(restart), Some(Verdict::Denied(reason)));
}

/// Whoever is promised this many workers gets them, also where one of a service has left on its own with a success.
#[test]
fn a_service_that_a_worker_left_is_whole_again_after_every_operation_that_promises_it() {
    type Operation = fn(&mut Stage) -> TicketId;
    let operations: [(&str, Operation); 6] = [
        ("start", Stage::start),
        ("scale to as many", |stage| stage.scale(Count::To(3))),
        ("scale to more", |stage| stage.scale(Count::To(4))),
        ("reload", |stage| stage.reload(UpdatePolicy::default(), None)),
        ("restart beside", |stage| stage.renew(Target::All)),
        ("restart", |stage| stage.operate(SlotRequest::Restart, Target::All)),
    ];
    for (name, operation) in operations {
        let mut stage = Stage::started(3);
        stage.end_process(1, ExitStatus::Code(0));
        assert_eq!(stage.fleet.status().ready, 2, "{name}: on-failure leaves a success at that");
        let ticket = operation(&mut stage);
        stage.settle();
        let AppStatus { desired, ready, .. } = stage.fleet.status();
        assert_eq!((stage.verdict(ticket), ready), (Some(Verdict::Done), desired), "{name}");
    }
}

#[test]
fn who_is_brought_back_by_a_scale_and_fails_takes_the_newcomers_along() {
    let mut stage = Stage::started(2).script(1, [Manner::Ends(ExitStatus::Code(1))]);
    stage.end_process(1, ExitStatus::Code(0));
    let scale = stage.scale(Count::To(3));
    stage.settle();
    assert!(matches!(stage.verdict(scale), Some(Verdict::StartFailed(_))));
    assert_eq!((stage.fleet.status().desired, stage.fleet.status().ready), (2, 1));
}

#[test]
fn a_crash_is_remembered_beside_any_number_of_restarts_and_over_a_change_of_scale() {
    let mut stage = Stage::started(2);
    stage.pass(secs(1));
    stage.end_process(1, ExitStatus::Code(3));
    stage.pass(secs(10));
    for _ in 0..20 {
        stage.operate_on(SlotRequest::Restart, 1);
        stage.settle();
        stage.pass(secs(1));
    }
    let is_crash = |exit: &Arc<Exit>| exit.reason == ExitReason::AbnormalExit { code: 3 };
    let remembered = |stage: &Stage| {
        let ends = stage.fleet.history(SlotIndex(1));
        assert!(ends.is_sorted_by_key(|exit| exit.at) && ends.len() <= 16, "{ends:?}");
        (ends.first().is_some_and(is_crash), ends.len())
    };
    assert_eq!(remembered(&stage), (true, 9));
    stage.scale(Count::To(1));
    stage.settle();
    assert_eq!(stage.fleet.slots.len(), 1);
    assert_eq!(remembered(&stage), (true, 9), "also of a slot that is gone");
    stage.scale(Count::To(2));
    stage.settle();
    assert_eq!(remembered(&stage), (true, 9));
}
