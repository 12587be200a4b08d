//! Workers that have served enough.

use crate::signal::Signal;
use std::time::Duration;

use super::super::*;
use super::stage::{Manner, Stage, killed, secs, spec};
use crate::config::{Kind, Protocol, RecyclePolicy, UpdatePolicy};
use crate::machine::exit::ExitStatus;
use crate::machine::gate::{DenyReason, SlotRequest};
use crate::machine::worker::WorkerReport;

/// Limits without chance.
fn policy() -> RecyclePolicy {
    RecyclePolicy { jitter: 0.0, ..RecyclePolicy::default() }
}

fn by_age(age: u64) -> RecyclePolicy {
    RecyclePolicy { age: Some(secs(age)), ..policy() }
}

fn by_requests(requests: u64) -> RecyclePolicy {
    RecyclePolicy { requests: Some(requests), ..policy() }
}

fn stage(recycle: RecyclePolicy, count: u32) -> Stage {
    let mut spec = spec(Protocol::Drover);
    spec.recycle = recycle;
    Stage::new(spec, count, false)
}

fn says(stage: &mut Stage, slot: u32, requests: u64) {
    let id = stage.id_in(slot);
    let status =
        WorkerReport::Status { text: String::new(), in_flight: 0, requests, gauges: Default::default() };
    stage.feed(FleetInput::Worker { id, input: status.into() });
}

fn ids(stage: &Stage) -> Vec<u64> {
    stage.fleet.slots().into_iter().map(|slot| stage.id_in(slot.0).0).collect()
}

fn told(stage: &Stage, name: &str) -> Vec<String> {
    let events = stage.events.iter().filter(|event| event.kind.name(event.phase) == name);
    events.map(|event| event.kind.detail()).collect()
}

#[test]
fn a_worker_that_has_served_its_age_is_replaced_before_it_leaves() {
    let mut stage = stage(by_age(60), 1).begun();
    stage.pass(secs(59));
    assert_eq!(ids(&stage), [1]);
    stage.clock(secs(1));
    assert_eq!((ids(&stage), stage.fleet.status().operation), (vec![1], Some("recycle")));
    assert_eq!(stage.fleet.status().ready, 1);
    stage.settle();
    assert_eq!(ids(&stage), [2]);
    assert_eq!(told(&stage, "recycling"), ["it has served 60.0 s, its limit is 60.0 s"]);
    assert_eq!(told(&stage, "replaced"), ["in the place of worker 1, pid 1001"]);
    stage.pass(secs(60));
    assert_eq!((ids(&stage), stage.slot(0).restarts), (vec![3], 0));
}

#[test]
fn all_that_are_over_go_one_after_the_other_and_none_is_missed() {
    let mut stage = stage(by_age(60), 5).begun();
    let mut least = 5;
    stage.clock(secs(60));
    for _ in 0..200 {
        least = least.min(stage.fleet.status().ready);
        assert!(stage.fleet.workers().count() <= 6, "one at a time, until its old one is gone");
        if !stage.tell_one(0) {
            break;
        }
    }
    assert_eq!((ids(&stage), least), (vec![6, 7, 8, 9, 10], 5));
}

#[test]
fn limits_are_drawn_within_the_jitter_and_differ() {
    let mut stage = stage(RecyclePolicy { jitter: 0.5, ..by_age(100) }, 8).begun();
    let mut times = Vec::new();
    let begin = stage.now;
    while ids(&stage).iter().any(|id| *id <= 8) {
        stage.tick();
        times.push(stage.now - begin);
    }
    assert!(times[0] >= secs(50) && *times.last().unwrap() <= secs(150), "{times:?}");
    times.dedup();
    assert!(times.len() >= 8, "{times:?}");
}

#[test]
fn requests_and_memory_are_limits_too() {
    let mut stage = stage(RecyclePolicy { rss: Some(512 << 20), ..by_requests(100_000) }, 2).begun();
    says(&mut stage, 0, 99_999);
    assert_eq!(told(&stage, "recycling"), [""; 0]);
    says(&mut stage, 0, 100_123);
    stage.settle();
    // One that came to its limit of memory sooner would not be recycled at once.
    stage.pass(secs(60));
    let worker = stage.id_in(1);
    stage.feed(FleetInput::Measured { worker, rss: 512 << 20 });
    assert_eq!(told(&stage, "recycling").len(), 1, "that is not over it");
    stage.feed(FleetInput::Measured { worker, rss: 612 << 20 });
    stage.settle();
    let expected = ["it has answered 100,123 requests, over 100,000", "it uses 612 MiB, over 512"];
    assert_eq!((told(&stage, "recycling"), ids(&stage)), (expected.map(str::to_owned).to_vec(), vec![3, 4]));
}

#[test]
fn a_replacement_that_fails_leaves_the_worker_and_is_tried_again_after_growing_pauses() {
    let mut stage = stage(by_requests(10), 1).begun().script(0, [Manner::Ends(ExitStatus::Code(1)); 3]);
    says(&mut stage, 0, 10);
    stage.settle();
    assert_eq!((ids(&stage), stage.fleet.status().ready), (vec![1], 1));
    stage.pass(Duration::from_millis(999));
    assert_eq!(told(&stage, "recycling").len(), 1, "not before the pause is over");
    stage.pass(secs(10));
    assert_eq!(ids(&stage), [5]);
    let expected = ["1.0s", "2.0s", "4.0s"].map(|pause| format!("the next try in {pause}"));
    let told = told(&stage, "recycling_failed");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().zip(expected).all(|(told, pause)| told.ends_with(&pause)), "{told:?}");
    assert_eq!(stage.pauses(), [], "that is not a failure of the slot");
}

#[test]
fn an_operation_on_a_slot_calls_it_off_and_goes_ahead() {
    let mut stage = stage(by_requests(10), 2).begun().script(0, [Manner::Dawdles]);
    says(&mut stage, 0, 10);
    while stage.spawned.len() < 3 || stage.tell_one(0) {}
    assert_eq!(stage.fleet.status().operation, Some("recycle"));
    let nobody = stage.operate_on(SlotRequest::Restart, 7);
    assert!(matches!(stage.verdict(nobody), Some(Verdict::Denied(DenyReason::NoSuchSlot { .. }))));
    assert_eq!(stage.fleet.status().operation, Some("recycle"), "nothing was asked of it");
    let restarted = stage.operate_on(SlotRequest::Restart, 1);
    assert_eq!(stage.fleet.status().operation, Some("restart"));
    stage.settle();
    assert_eq!(stage.verdict(restarted), Some(Verdict::Done));
    assert_eq!(ids(&stage), [5, 4], "and then it is recycled all the same");
    assert_eq!(told(&stage, "recycling_failed"), [""; 0]);
}

#[test]
fn a_reload_a_change_of_scale_and_other_policies_have_their_turn() {
    let mut stage = stage(by_requests(10), 2).begun();
    says(&mut stage, 0, 10);
    assert_eq!(stage.fleet.status().operation, Some("recycle"));
    let (reload, scale) = (stage.reload(UpdatePolicy::default(), None), stage.scale(Count::To(3)));
    stage.settle();
    assert_eq!(
        [reload, scale].map(|ticket| stage.verdict(ticket)),
        [Some(Verdict::Done), Some(Verdict::Done)]
    );
    assert_eq!(stage.generations(), [2, 2, 2]);

    let mut stage = self::stage(by_requests(10), 1).begun();
    says(&mut stage, 0, 10);
    let adjusted = stage.adjust();
    assert_eq!(stage.verdict(adjusted), Some(Verdict::Done));
    for refused in [stage.promote(), stage.abort()] {
        assert_eq!(stage.verdict(refused), Some(Verdict::Denied(DenyReason::NoRollout)));
    }
    stage.settle();
    assert_eq!(ids(&stage), [3], "it is over the new limits too");
    let renewed = stage.renew(Target::All);
    stage.settle();
    assert_eq!((stage.verdict(renewed), ids(&stage)), (Some(Verdict::Done), vec![4]));
}

#[test]
fn who_is_suspended_is_recycled_when_it_serves_again() {
    let mut stage = stage(by_age(60), 1).begun();
    stage.operate_on(SlotRequest::Suspend, 0);
    stage.settle();
    stage.pass(secs(100));
    assert_eq!(ids(&stage), [1]);
    stage.operate_on(SlotRequest::Resume, 0);
    stage.settle();
    assert_eq!(ids(&stage), [2]);
}

#[test]
fn one_that_ends_by_itself_is_due_no_more() {
    let mut stage = stage(by_requests(10), 1).begun().script(0, [Manner::Dawdles]);
    let held = stage.operate_on(SlotRequest::Stop, 0);
    says(&mut stage, 0, 10);
    stage.settle();
    assert_eq!((stage.verdict(held), stage.fleet.workers().count()), (Some(Verdict::Done), 0));
    assert_eq!(told(&stage, "recycling"), [""; 0]);
}

#[test]
fn the_death_of_a_worker_that_is_replaced_leaves_its_place_to_the_new_one() {
    let mut stage = stage(by_age(60), 1).begun();
    stage.clock(secs(60));
    stage.end_process(0, killed(Signal::KILL));
    assert_eq!(stage.fleet.status().ready, 1);
    assert_eq!(stage.fleet.status().operation, None);
}

#[test]
fn without_limits_and_for_oneshots_nothing_is_watched() {
    let mut stage = Stage::started(2);
    says(&mut stage, 0, u64::MAX);
    let worker = stage.id_in(0);
    stage.feed(FleetInput::Measured { worker, rss: u64::MAX });
    stage.settle();
    assert_eq!((ids(&stage), stage.fleet.next_deadline()), (vec![1, 2], None));

    let mut spec = spec(Protocol::Drover);
    (spec.kind, spec.recycle) = (Kind::Oneshot, by_age(60));
    let stage = Stage::new(spec, 1, false).begun();
    assert_eq!(stage.fleet.next_deadline(), None);
}

#[test]
fn a_limit_of_memory_below_what_the_program_needs_is_told_once_and_replaces_less_and_less_often() {
    let limit = RecyclePolicy { rss: Some(100), ..policy() };
    let mut stage = stage(limit, 1).begun();
    let (mut worker, mut replaced, mut pauses) = (stage.id_in(0), stage.now, Vec::new());
    for _ in 0..2_000 {
        // Each needs more from its first moment on, and is measured every 10 s.
        stage.pass(secs(10));
        stage.settle();
        if stage.id_in(0) != worker {
            pauses.push((stage.now - replaced).as_secs() / 60);
            (worker, replaced) = (stage.id_in(0), stage.now);
        }
        stage.feed(FleetInput::Measured { worker, rss: 200 });
    }
    assert_eq!(pauses[..9], [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    let told = told(&stage, "recycling_in_vain");
    assert!(told.len() == 1 && told[0].contains("recycle.rss is below what the program needs"), "{told:?}");
}

#[test]
fn a_worker_that_leaks_is_replaced_at_once_whatever_was_in_vain_before() {
    let limit = RecyclePolicy { rss: Some(100), ..policy() };
    let mut stage = stage(limit, 2).begun();
    stage.pass(secs(61));
    for slot in [0, 1] {
        let worker = stage.id_in(slot);
        stage.feed(FleetInput::Measured { worker, rss: 200 });
        stage.settle();
        assert_ne!(stage.id_in(slot), worker);
    }
    assert_eq!(told(&stage, "recycling_in_vain"), [""; 0]);
}
