//! Replacements that fail, are paused, or are held: what goes back, and what stays.

use super::super::*;
use super::rollout::{all_at_once, events, policy};
use super::stage::{Manner, Stage, exited, killed, secs};
use crate::config::{OnUpdateFailure, UpdateOrder, UpdatePolicy};
use crate::machine::exit::ExitStatus;
use crate::machine::gate::{DenyReason, SlotRequest};
use crate::signal::Signal;

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
    stage.end_process(0, killed(Signal::SEGV));
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
    stage.end_process(1, killed(Signal::SEGV));
    stage.settle();
    assert_eq!((stage.generations(), stage.fleet.status().ready), (vec![1, 1, 1], 3));
    let promote = stage.promote();
    assert_eq!(stage.verdict(promote), Some(Verdict::Denied(DenyReason::NoRollout)));
}

#[test]
fn a_stop_first_reload_that_fails_starts_the_old_again_before_it_says_so() {
    let mut stage = Stage::started(2).script(0, [Manner::Ends(ExitStatus::Code(1))]);
    let reload = stage.reload(UpdatePolicy { order: UpdateOrder::StopFirst, ..policy() }, None);
    while stage.verdict(reload).is_none() {
        assert!(stage.tell_one(0));
    }
    assert!(matches!(stage.verdict(reload), Some(Verdict::RolledBack(_))));
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
fn a_restart_beside_that_fails_leaves_the_old_worker_there() {
    let mut stage = Stage::started(2).script(1, [Manner::Ends(ExitStatus::Code(1))]);
    let old = stage.id_in(1);
    let renewal = stage.renew(Target::Slot(SlotIndex(1)));
    stage.settle();
    assert!(matches!(stage.verdict(renewal), Some(Verdict::StartFailed(_))));
    assert_eq!((stage.id_in(1), stage.fleet.status().operation), (old, None));
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
    stage.end_process(0, killed(Signal::SEGV));
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

#[test]
fn a_new_worker_whose_process_has_ended_takes_no_place_before_its_exit_is_known() {
    let mut stage = Stage::started(2);
    let reload = stage.reload(UpdatePolicy { soak: secs(1), ..policy() }, None);
    stage.settle();
    let old = [stage.id_in(0), stage.id_in(1)];
    let new =
        stage.fleet.workers().map(|worker| worker.identity()).find(|one| one.generation.0 == 2).unwrap();
    stage.feed(FleetInput::Worker { id: new.id, input: WorkerInput::Died { status: ExitStatus::Code(0) } });
    // What it left behind is looked for meanwhile.
    stage.pass(Duration::from_millis(1500));
    assert_eq!((stage.verdict(reload), [stage.id_in(0), stage.id_in(1)]), (None, old));
    stage.feed(FleetInput::Worker { id: new.id, input: exited(ExitStatus::Code(0)) });
    stage.settle();
    assert!(matches!(stage.verdict(reload), Some(Verdict::RolledBack(_))), "{:?}", stage.verdict(reload));
    assert_eq!(([stage.id_in(0), stage.id_in(1)], stage.fleet.status().ready), (old, 2));
}
