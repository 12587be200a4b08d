//! Workers are replaced by others: reloads, canaries, and what becomes of them when one fails.

use std::time::Duration;

use super::super::*;
use super::stage::{Manner, Stage, interrupted, killed, rules, secs};
use crate::config::{OnUpdateFailure, Protocol, Share, UpdateOrder, UpdatePolicy};
use crate::machine::exit::ExitStatus;
use crate::machine::gate::{DenyReason, Request, SlotRequest};

fn policy() -> UpdatePolicy {
    UpdatePolicy::default()
}

fn all_at_once() -> UpdatePolicy {
    UpdatePolicy { max_surge: Share::Percent(100), ..policy() }
}

fn events(stage: &Stage) -> Vec<&'static str> {
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
fn a_replacement_that_fails_at_any_moment_before_the_commit_rolls_everything_back() {
    for manner in [
        Manner::NoSpawn,
        Manner::Ends(ExitStatus::Code(1)),
        Manner::Ends(ExitStatus::Code(0)),
        Manner::Dawdles,
    ] {
        let script = [Manner::Serves, manner];
        let mut stage = Stage::started(3).script(1, [manner]).script(1, script.into_iter().skip(2));
        let before = [stage.id_in(1), stage.id_in(2)];
        let reload = stage.reload(policy(), None);
        stage.settle();
        stage.pass(secs(60));
        let Some(Verdict::RolledBack(ReloadFailure::Worker(failure))) = stage.verdict(reload) else {
            panic!("{manner:?}: {:?}", stage.verdict(reload));
        };
        assert_eq!(failure.slot, SlotIndex(1));
        assert_eq!((stage.generations(), stage.fleet.status().ready), (vec![1, 1, 1], 3), "{manner:?}");
        assert_eq!([stage.id_in(1), stage.id_in(2)], before, "old workers that were still there stay");
        assert_eq!(events(&stage), ["reload_started", "rolling_back", "rolled_back"]);
        assert_eq!((stage.fleet.status().generation.0, stage.fleet.workers().count()), (1, 3));
    }
}

#[test]
fn a_new_worker_that_ends_before_all_are_replaced_rolls_back_and_its_slot_gets_the_old_again() {
    let mut stage = Stage::started(2);
    let reload = stage.reload(UpdatePolicy { soak: secs(5), ..policy() }, None);
    stage.settle();
    stage.pass(secs(6));
    assert_eq!(stage.generations(), [2, 1]);
    stage.end_process(0, killed(11));
    assert!(matches!(stage.verdict(reload), Some(Verdict::RolledBack(ReloadFailure::Worker(_)))));
    stage.pass(secs(5));
    assert_eq!((stage.generations(), stage.fleet.status().ready), (vec![1, 1], 2));
}

#[test]
fn what_was_replaced_before_the_failure_is_replaced_back_without_a_gap() {
    let mut stage = Stage::started(3).script(2, [Manner::Ends(ExitStatus::Code(7))]);
    let reload = stage.reload(policy(), None);
    let mut least = 3;
    while stage.tell_one(0) {
        least = least.min(stage.fleet.status().ready);
    }
    assert!(matches!(stage.verdict(reload), Some(Verdict::RolledBack(_))));
    assert_eq!((stage.generations(), least), (vec![1, 1, 1], 3));
}

#[test]
fn a_paused_reload_stays_as_it_is_until_it_is_promoted_or_aborted() {
    for promoted in [true, false] {
        let mut stage = Stage::started(3).script(1, [Manner::Ends(ExitStatus::Code(1))]);
        let reload = stage.reload(UpdatePolicy { on_failure: OnUpdateFailure::Pause, ..policy() }, None);
        stage.settle();
        assert!(matches!(stage.verdict(reload), Some(Verdict::Paused(_))));
        assert_eq!(
            (stage.generations(), stage.fleet.status().operation),
            (vec![2, 1, 1], Some("paused reload"))
        );
        let scale = stage.scale(Count::To(5));
        assert_eq!(stage.verdict(scale), Some(Verdict::Denied(DenyReason::HeldReload)));
        let word = if promoted { stage.promote() } else { stage.abort() };
        stage.settle();
        assert_eq!(stage.verdict(word), Some(Verdict::Done));
        assert_eq!(stage.generations(), if promoted { [2, 2, 2] } else { [1, 1, 1] });
    }
}

#[test]
fn canaries_stand_until_they_are_promoted_or_aborted() {
    for promoted in [true, false] {
        let mut stage = Stage::started(4);
        let reload = stage.reload(all_at_once(), Some(2));
        stage.settle();
        assert_eq!((stage.verdict(reload), stage.generations()), (Some(Verdict::Done), vec![2, 2, 1, 1]));
        assert_eq!((stage.fleet.status().operation, stage.fleet.status().generation.0), (Some("canary"), 1));
        assert_eq!(stage.fleet.next_deadline(), None, "nothing hurries whoever decides");
        let word = if promoted { stage.promote() } else { stage.abort() };
        stage.settle();
        assert_eq!(stage.verdict(word), Some(Verdict::Done));
        assert_eq!(stage.generations(), if promoted { [2; 4] } else { [1; 4] });
        assert_eq!(stage.fleet.status().operation, None);
    }
}

#[test]
fn a_canary_that_ends_is_the_end_of_all_canaries() {
    let mut stage = Stage::started(3);
    stage.reload(policy(), Some(2));
    stage.settle();
    stage.end_process(1, killed(11));
    stage.settle();
    assert_eq!((stage.generations(), stage.fleet.status().ready), (vec![1, 1, 1], 3));
    let promote = stage.promote();
    assert_eq!(stage.verdict(promote), Some(Verdict::Denied(DenyReason::NoRollout)));
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
fn a_stop_first_reload_that_fails_starts_the_old_again() {
    let mut stage = Stage::started(2).script(0, [Manner::Ends(ExitStatus::Code(1))]);
    let reload = stage.reload(UpdatePolicy { order: UpdateOrder::StopFirst, ..policy() }, None);
    stage.settle();
    assert!(matches!(stage.verdict(reload), Some(Verdict::RolledBack(_))));
    stage.pass(secs(1));
    assert_eq!((stage.generations(), stage.fleet.status().ready), (vec![1, 1], 2));
}

#[test]
fn a_reload_that_is_not_done_in_time_is_rolled_back() {
    let mut stage = Stage::started(2).script(0, [Manner::Dawdles]);
    let reload = stage.reload(UpdatePolicy { timeout: secs(10), ..policy() }, None);
    stage.settle();
    stage.pass(secs(11));
    assert_eq!(stage.verdict(reload), Some(Verdict::RolledBack(ReloadFailure::Deadline)));
    stage.pass(secs(60));
    assert_eq!((stage.generations(), stage.fleet.workers().count()), (vec![1, 1], 2));
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
    let older = stage.reload_to(rules(Protocol::Drover), policy(), None, true);
    let newer = stage.reload_to(rules(Protocol::Drover), policy(), None, true);
    assert_eq!(stage.verdict(older), interrupted("a test"));
    stage.settle();
    assert_eq!((stage.verdict(newer), stage.generations()), (Some(Verdict::Done), vec![4, 4]));
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
    stage.end_process(1, killed(9));
    stage.pass(secs(2));
    assert_eq!((stage.slot(1).phase, stage.slot(1).generation.0), (Phase::Started, 1));
}

#[test]
fn the_end_of_the_app_comes_before_every_reload() {
    for how in [Request::Shutdown, Request::Kill] {
        let mut stage = Stage::started(3);
        let reload = stage.reload(all_at_once(), None);
        let waiting = stage.reload_to(rules(Protocol::Drover), policy(), None, true);
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
fn a_restart_beside_that_fails_leaves_the_old_worker_there() {
    let mut stage = Stage::started(2).script(1, [Manner::Ends(ExitStatus::Code(1))]);
    let old = stage.id_in(1);
    let renewal = stage.renew(Target::Slot(SlotIndex(1)));
    stage.settle();
    assert!(matches!(stage.verdict(renewal), Some(Verdict::StartFailed(_))));
    assert_eq!((stage.id_in(1), stage.fleet.status().operation), (old, None));
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
    let other = stage.reload_to(rules(Protocol::None), policy(), None, true);
    assert_eq!(stage.verdict(other), Some(Verdict::Done));
    stage.start();
    stage.settle();
    stage.pass(Duration::from_secs(2));
    assert_eq!((stage.fleet.status().ready, stage.fleet.status().generation.0), (1, 3));
}

#[test]
fn a_slot_that_is_started_while_canaries_stand_is_replaced_when_they_are_promoted() {
    let mut stage = Stage::started(3);
    stage.operate_on(SlotRequest::Stop, 2);
    stage.settle();
    stage.reload(policy(), Some(1));
    stage.settle();
    stage.operate_on(SlotRequest::Start, 2);
    stage.settle();
    assert_eq!(stage.generations(), [2, 1, 1]);
    stage.promote();
    stage.settle();
    assert_eq!(stage.generations(), [2, 2, 2]);
}

#[test]
fn on_the_way_back_nothing_waits_for_a_slot_that_fails_again_and_again() {
    let crash = Manner::Ends(ExitStatus::Code(1));
    let policy = UpdatePolicy { order: UpdateOrder::StopFirst, soak: secs(5), ..policy() };
    let mut stage = Stage::started(3).script(2, [crash]);
    let reload = stage.reload(policy, None);
    // Two are replaced, the third fails; on its way back the first crashes for ever.
    stage = stage.script(0, [Manner::Serves]).script(0, vec![crash; 200]);
    stage.settle();
    stage.pass(secs(60));
    assert!(matches!(stage.verdict(reload), Some(Verdict::RolledBack(_))), "{:?}", stage.verdict(reload));
    assert_eq!(stage.generations(), [1, 1, 1]);
}

#[test]
fn a_slot_that_could_not_go_back_gets_the_old_generation_next_time() {
    let crash = Manner::Ends(ExitStatus::Code(1));
    let mut stage = Stage::started(2).script(0, [Manner::Serves, crash]).script(1, [crash]);
    let reload = stage.reload(policy(), None);
    stage.settle();
    assert!(matches!(stage.verdict(reload), Some(Verdict::RolledBack(_))));
    assert_eq!(stage.generations(), [2, 1], "what serves stays");
    stage.end_process(0, killed(11));
    stage.pass(secs(5));
    assert_eq!(stage.generations(), [1, 1]);
    assert!(!stage.fleet.uses(Generation(2)));
}

#[test]
fn a_suspended_slot_whose_replacement_fails_stays_suspended() {
    for order in [UpdateOrder::StopFirst, UpdateOrder::StartFirst] {
        for manner in [Manner::Ends(ExitStatus::Code(1)), Manner::Dawdles] {
            let policy = UpdatePolicy { on_failure: OnUpdateFailure::Pause, order, ..policy() };
            let mut stage = Stage::started(2);
            stage.reload(policy, Some(1));
            stage.settle();
            stage.operate_on(SlotRequest::Suspend, 1);
            stage.settle();
            stage = stage.script(1, [manner]);
            let promote = stage.promote();
            stage.settle();
            stage.pass(secs(60));
            assert!(matches!(stage.verdict(promote), Some(Verdict::Paused(_))), "{order:?} {manner:?}");
            assert!(stage.fleet.is_suspended(SlotIndex(1)), "{order:?} {manner:?}");
            assert_ne!(stage.slot(1).phase, Phase::Started, "{order:?} {manner:?}");
            let resume = stage.operate_on(SlotRequest::Resume, 1);
            stage.settle();
            assert_eq!(stage.verdict(resume), Some(Verdict::Done));
            assert_eq!((stage.slot(1).phase, stage.fleet.status().ready), (Phase::Started, 2));
        }
    }
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
        let mut other = rules(Protocol::Drover);
        other.stop.drain_timeout = secs(77);
        if fails {
            stage = stage.script(0, [Manner::Ends(ExitStatus::Code(1))]);
        }
        stage.reload_to(other, policy(), None, true);
        let second = stage.reload(policy(), None);
        stage.settle();
        assert_eq!(stage.verdict(second), Some(Verdict::Done));
        let drains = stage.fleet.worker(stage.id_in(0)).unwrap().rules().stop.drain_timeout;
        assert_eq!((stage.generations(), drains == secs(77)), (vec![3], !fails));
    }
}

#[test]
fn one_that_outlives_sigkill_on_the_way_back_is_followed_by_the_old_generation() {
    let policy = UpdatePolicy { order: UpdateOrder::StopFirst, ..policy() };
    let crash = Manner::Ends(ExitStatus::Code(1));
    let mut stage = Stage::started(2).script(0, [Manner::Stuck]).script(1, [crash]);
    let reload = stage.reload(policy, None);
    stage.settle();
    stage.pass(secs(120));
    assert!(matches!(stage.verdict(reload), Some(Verdict::RolledBack(_))), "{:?}", stage.verdict(reload));
    stage.release();
    stage.settle();
    assert_eq!(stage.generations(), [1, 1]);
}
