//! Workers are replaced by others: how it goes on, what waits for it, and what comes between.

use crate::signal::Signal;
use std::time::Duration;

use super::super::*;
use super::stage::{Manner, Stage, interrupted, killed, secs, spec};
use crate::config::{OnUpdateFailure, Protocol, Share, UpdateOrder, UpdatePolicy};
use crate::machine::exit::ExitStatus;
use crate::machine::gate::{DenyReason, Request, SlotRequest};

pub(super) fn policy() -> UpdatePolicy {
    UpdatePolicy::default()
}

pub(super) fn all_at_once() -> UpdatePolicy {
    UpdatePolicy { max_surge: Share::Percent(100), ..policy() }
}

pub(super) fn events(stage: &Stage) -> Vec<&'static str> {
    stage.app_events()[2..].to_vec()
}

#[test]
fn a_reload_replaces_one_worker_after_the_other_and_is_done_when_the_old_ones_are_gone() {
    let mut stage = Stage::started(3);
    let reload = stage.reload(policy(), None);
    assert_eq!(
        (stage.spawned.len(), stage.fleet.status().operation),
        (4, Some("reload")),
        "one beside the old"
    );
    stage.settle();
    assert_eq!((stage.verdict(reload), stage.generations()), (Some(Verdict::Done), vec![2, 2, 2]));
    assert_eq!((stage.spawned.len(), stage.fleet.workers().count()), (6, 3));
    assert_eq!(events(&stage), ["reload_started", "committed"]);
    let replaced =
        stage.events.iter().filter(|event| matches!(event.kind, EventKind::Replaced { old: Some(_) }));
    assert_eq!(replaced.count(), 3);
    assert_eq!(stage.fleet.status().generation.0, 2);
    assert_eq!(stage.fleet.next_deadline(), None);
}

#[test]
fn a_replacement_takes_over_only_when_it_has_lived_through_its_proof() {
    let mut stage = Stage::started(1);
    let reload = stage.reload(UpdatePolicy { soak: secs(5), ..policy() }, None);
    stage.settle();
    stage.pass(secs(4));
    assert_eq!((stage.generations(), stage.verdict(reload)), (vec![1], None));
    let rows = stage.fleet.rows(SlotIndex(0));
    let seen: Vec<_> = rows.iter().map(|row| (row.role, row.generation.0, row.phase)).collect();
    assert_eq!(seen, [(Role::Occupant, 1, Phase::Started), (Role::Incoming, 2, Phase::Started)]);
    assert_eq!(stage.fleet.status().ready, 1, "one that proves itself does not count yet");
    stage.pass(secs(1));
    assert_eq!((stage.generations(), stage.verdict(reload)), (vec![2], Some(Verdict::Done)));
}

#[test]
fn with_stop_first_no_two_workers_share_a_slot() {
    let mut stage = Stage::started(2);
    let reload = stage.reload(UpdatePolicy { order: UpdateOrder::StopFirst, ..policy() }, None);
    let mut most = 0;
    while stage.tell_one(0) {
        most = most.max(stage.fleet.workers().count());
    }
    assert_eq!((most, stage.verdict(reload), stage.generations()), (2, Some(Verdict::Done), vec![2, 2]));
}

#[test]
fn a_second_reload_waits_and_equal_ones_that_wait_become_one() {
    let mut stage = Stage::started(2);
    let first = stage.reload(policy(), None);
    let (second, third) = (stage.reload(policy(), None), stage.reload(policy(), None));
    stage.settle();
    for ticket in [first, second, third] {
        assert_eq!(stage.verdict(ticket), Some(Verdict::Done));
    }
    assert_eq!((stage.generations(), stage.spawned.len()), (vec![4, 4], 6));
}

#[test]
fn a_newer_description_takes_the_place_of_one_that_waits() {
    let mut stage = Stage::started(2);
    stage.reload(policy(), None);
    let older = stage.reload_to(spec(Protocol::Drover), policy(), None, true);
    let newer = stage.reload_to(spec(Protocol::Drover), policy(), None, true);
    assert_eq!(stage.verdict(older), interrupted("a test"));
    stage.settle();
    assert_eq!((stage.verdict(newer), stage.generations()), (Some(Verdict::Done), vec![4, 4]));
}

#[test]
fn the_time_that_the_master_was_away_counts_neither_as_proof_nor_against_the_whole_reload() {
    let policy = UpdatePolicy { soak: secs(10), timeout: secs(30), ..policy() };
    let mut stage = Stage::started(1);
    let reload = stage.reload(policy, None);
    stage.settle();
    stage.away(secs(60));
    assert_eq!((stage.verdict(reload), stage.fleet.rollout.is_some()), (None, true));
    stage.pass(secs(9));
    assert_eq!(stage.verdict(reload), None, "it is still to prove itself");
    stage.pass(secs(1));
    stage.settle();
    assert_eq!((stage.verdict(reload), stage.generations()), (Some(Verdict::Done), vec![2]));
}

#[test]
fn a_scale_waits_for_the_reload_and_a_change_of_one_worker_is_refused() {
    let mut stage = Stage::started(2);
    stage.reload(policy(), None);
    let (scale, restart) = (stage.scale(Count::To(3)), stage.operate_on(SlotRequest::Restart, 0));
    assert_eq!(stage.verdict(restart), Some(Verdict::Denied(DenyReason::Reloading)));
    assert_eq!(stage.verdict(scale), None);
    stage.settle();
    assert_eq!((stage.verdict(scale), stage.generations()), (Some(Verdict::Done), vec![2, 2, 2]));
}

#[test]
fn a_reload_begins_while_old_workers_drain_until_too_many_generations_live() {
    let mut stage = Stage::protocol(1).script(0, [Manner::Deaf, Manner::Deaf]).begun();
    let mut policy = policy();
    policy.max_generations = 2;
    let first = stage.reload(policy.clone(), None);
    stage.settle();
    assert_eq!((stage.generations(), stage.verdict(first)), (vec![2], None), "the first still drains");
    let second = stage.reload(policy, None);
    stage.settle();
    assert_eq!(stage.generations(), [2], "it would be the third");
    let queued = stage.fleet.status().queued.expect("it is told");
    assert!(
        queued.contains("a reload waits until old workers are gone") && queued.contains("than 2 gen"),
        "{queued}"
    );
    let rows = stage.fleet.rows(SlotIndex(0));
    let old = rows.iter().find(|row| row.role == Role::Leaving).expect("it is shown");
    assert!(old.pid.is_some() && old.waited_for_until.is_some_and(|at| at > stage.now), "{old:?}");
    stage.pass(secs(60));
    assert_eq!((stage.verdict(first), stage.generations()), (Some(Verdict::Done), vec![3]));
    stage.pass(secs(60));
    assert_eq!(stage.verdict(second), Some(Verdict::Done));
}

#[test]
fn an_old_worker_that_crashes_meanwhile_is_healed_until_its_slot_is_replaced() {
    let mut stage = Stage::started(2).script(0, [Manner::Dawdles]);
    stage.reload(UpdatePolicy { timeout: secs(600), ..policy() }, None);
    stage.settle();
    stage.end_process(1, killed(Signal::KILL));
    stage.pass(secs(2));
    assert_eq!((stage.slot(1).phase, stage.slot(1).generation.0), (Phase::Started, 1));
}

#[test]
fn the_end_of_the_app_comes_before_every_reload() {
    for how in [Request::Shutdown, Request::Kill] {
        let mut stage = Stage::started(3);
        let reload = stage.reload(all_at_once(), None);
        let waiting = stage.reload_to(spec(Protocol::Drover), policy(), None, true);
        let end = stage.end(how);
        stage.settle();
        assert_eq!(
            (stage.verdict(reload), stage.verdict(waiting)),
            (interrupted("a test"), interrupted("a test"))
        );
        assert_eq!((stage.verdict(end), stage.fleet.doing()), (Some(Verdict::Done), Doing::Idle));
        let start = stage.start();
        stage.settle();
        assert_eq!((stage.verdict(start), stage.generations()), (Some(Verdict::Done), vec![1, 1, 1]));
    }
}

#[test]
fn a_restart_beside_replaces_a_worker_by_its_like() {
    let mut stage = Stage::started(2);
    let old = stage.id_in(1);
    let renewal = stage.renew(Target::Slot(SlotIndex(1)));
    let mut least = 2;
    while stage.tell_one(0) {
        least = least.min(stage.fleet.status().ready);
    }
    assert_eq!((stage.verdict(renewal), least, stage.generations()), (Some(Verdict::Done), 2, vec![1, 1]));
    assert_ne!(stage.id_in(1), old);
}

#[test]
fn slots_that_were_stopped_stay_so_and_are_of_the_new_generation_when_they_start() {
    let mut stage = Stage::started(2);
    stage.operate_on(SlotRequest::Stop, 1);
    stage.settle();
    let reload = stage.reload(policy(), None);
    stage.settle();
    assert_eq!((stage.verdict(reload), stage.slot(1).id), (Some(Verdict::Done), None));
    stage.operate_on(SlotRequest::Start, 1);
    stage.settle();
    assert_eq!(stage.generations(), [2, 2]);
}

#[test]
fn an_app_that_does_not_run_takes_another_description_at_once_and_refuses_to_reload_its_own() {
    let mut stage = Stage::protocol(1);
    let own = stage.reload(policy(), None);
    assert_eq!(stage.verdict(own), Some(Verdict::Denied(DenyReason::NotRunning)));
    let other = stage.reload_to(spec(Protocol::None), policy(), None, true);
    assert_eq!(stage.verdict(other), Some(Verdict::Done));
    stage.start();
    stage.settle();
    stage.pass(Duration::from_secs(2));
    assert_eq!((stage.fleet.status().ready, stage.fleet.status().generation.0), (1, 3));
}

#[test]
fn a_suspended_slot_that_was_making_room_when_it_was_called_off_stays_suspended() {
    let policy =
        UpdatePolicy { on_failure: OnUpdateFailure::Pause, order: UpdateOrder::StopFirst, ..policy() };
    let mut stage = Stage::started(2);
    stage.reload(policy, Some(1));
    stage.settle();
    stage.operate_on(SlotRequest::Suspend, 1);
    stage.settle();
    stage.promote();
    stage.abort();
    stage.settle();
    assert!(stage.fleet.is_suspended(SlotIndex(1)));
    assert_ne!(stage.slot(1).phase, Phase::Started);
}

#[test]
fn a_reload_that_waits_lives_by_what_the_one_before_it_has_brought() {
    for fails in [false, true] {
        let mut stage = Stage::started(1);
        let mut other = spec(Protocol::Drover);
        other.stop.drain_timeout = secs(77);
        if fails {
            stage = stage.script(0, [Manner::Ends(ExitStatus::Code(1))]);
        }
        stage.reload_to(other, policy(), None, true);
        let second = stage.reload(policy(), None);
        stage.settle();
        assert_eq!(stage.verdict(second), Some(Verdict::Done));
        let drains = stage.fleet.worker(stage.id_in(0)).unwrap().spec().stop.drain_timeout;
        assert_eq!((stage.generations(), drains == secs(77)), (vec![3], !fails));
    }
}

#[test]
fn whoever_restarts_beside_again_and_again_waits_for_the_drains() {
    let mut stage = Stage::protocol(1).script(0, vec![Manner::Deaf; 6]).begun();
    for _ in 0..4 {
        let renewal = stage.renew(Target::All);
        stage.settle();
        assert_eq!(stage.verdict(renewal), None, "the old one drains");
    }
    let renewal = stage.renew(Target::All);
    assert_eq!(stage.verdict(renewal), Some(Verdict::Denied(DenyReason::Draining)));
    assert_eq!(stage.fleet.workers().count(), 5);
}
