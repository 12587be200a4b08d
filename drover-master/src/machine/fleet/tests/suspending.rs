//! Workers that take no work for a while.

use super::super::*;
use super::stage::{Manner, Stage, interrupted, killed, secs, spec};
use crate::config::{Protocol, SuspendSignals};
use crate::machine::gate::{DenyReason, SlotRequest};
use crate::signal::Signal;

#[test]
fn a_suspended_worker_drains_lives_on_and_comes_back_by_the_same_process() {
    let mut stage = Stage::started(2);
    let id = stage.id_in(1);
    for _ in 0..3 {
        let suspend = stage.operate_on(SlotRequest::Suspend, 1);
        stage.settle();
        assert_eq!((stage.verdict(suspend), stage.slot(1).phase), (Some(Verdict::Done), Phase::Stopped));
        assert_eq!((stage.fleet.status().ready, stage.fleet.status().desired), (1, 2));
        assert_eq!(stage.fleet.next_deadline(), None, "it may be suspended for as long as somebody wishes");
        let resume = stage.operate_on(SlotRequest::Resume, 1);
        stage.settle();
        assert_eq!((stage.verdict(resume), stage.slot(1).phase), (Some(Verdict::Done), Phase::Started));
    }
    assert_eq!((stage.id_in(1), stage.spawned.len()), (id, 2));
}

#[test]
fn a_worker_that_cant_resume_is_replaced_in_its_slot() {
    let mut stage = Stage::protocol(1);
    stage.can_resume = false;
    let mut stage = stage.begun();
    stage.operate_on(SlotRequest::Suspend, 0);
    stage.settle();
    let (old, resume) = (stage.id_in(0), stage.operate_on(SlotRequest::Resume, 0));
    stage.settle();
    assert_eq!((stage.verdict(resume), stage.slot(0).phase), (Some(Verdict::Done), Phase::Started));
    assert_ne!(stage.id_in(0), old);
}

#[test]
fn a_worker_that_ends_while_it_is_suspended_is_replaced_only_when_it_is_resumed() {
    let mut stage = Stage::started(1);
    stage.operate_on(SlotRequest::Suspend, 0);
    stage.settle();
    stage.end_process(0, killed(Signal::KILL));
    stage.pass(secs(60));
    assert_eq!((stage.slot(0).id, stage.fleet.doing()), (None, Doing::Started));
    let resume = stage.operate_on(SlotRequest::Resume, 0);
    stage.settle();
    assert_eq!((stage.verdict(resume), stage.slot(0).phase), (Some(Verdict::Done), Phase::Started));
}

#[test]
fn a_worker_that_does_not_drain_in_time_is_ended_and_its_slot_stays_suspended() {
    let mut stage = Stage::protocol(1).script(0, [Manner::Deaf]).begun();
    let suspend = stage.operate_on(SlotRequest::Suspend, 0);
    stage.pass(secs(60));
    assert_eq!((stage.verdict(suspend), stage.slot(0).id), (Some(Verdict::Done), None));
}

#[test]
fn what_is_wished_last_holds_even_while_it_drains_or_comes_back() {
    let mut stage = Stage::started(1);
    let suspend = stage.operate_on(SlotRequest::Suspend, 0);
    let resume = stage.operate_on(SlotRequest::Resume, 0);
    assert_eq!(stage.verdict(suspend), interrupted("a test"));
    stage.settle();
    assert_eq!((stage.verdict(resume), stage.slot(0).phase), (Some(Verdict::Done), Phase::Started));
    stage.operate_on(SlotRequest::Suspend, 0);
    stage.settle();
    let resume = stage.operate_on(SlotRequest::Resume, 0);
    let suspend = stage.operate_on(SlotRequest::Suspend, 0);
    assert_eq!(stage.verdict(resume), interrupted("a test"));
    stage.settle();
    assert_eq!((stage.verdict(suspend), stage.slot(0).phase), (Some(Verdict::Done), Phase::Stopped));
}

#[test]
fn a_worker_that_is_suspended_before_it_is_ready_rests_as_soon_as_it_is() {
    let mut stage = Stage::started(1);
    stage.operate_on(SlotRequest::Stop, 0);
    stage.settle();
    let start = stage.operate_on(SlotRequest::Start, 0);
    let suspend = stage.operate_on(SlotRequest::Suspend, 0);
    assert_eq!(stage.verdict(start), interrupted("a test"));
    stage.settle();
    assert_eq!((stage.verdict(suspend), stage.slot(0).phase), (Some(Verdict::Done), Phase::Stopped));
}

#[test]
fn stop_restart_and_start_end_a_suspension_each_in_its_way() {
    for (request, phase, living) in [
        (SlotRequest::Stop, Phase::ShutDown, 0),
        (SlotRequest::Restart, Phase::Started, 1),
        (SlotRequest::Start, Phase::Started, 1),
    ] {
        let mut stage = Stage::started(1);
        stage.operate_on(SlotRequest::Suspend, 0);
        stage.settle();
        let ticket = stage.operate_on(request, 0);
        stage.settle();
        assert_eq!((stage.verdict(ticket), stage.slot(0).phase), (Some(Verdict::Done), phase));
        assert_eq!(
            (stage.fleet.workers().count(), stage.spawned.len()),
            (living, 1 + usize::from(request == SlotRequest::Restart))
        );
    }
}

#[test]
fn plain_workers_are_suspended_by_their_signals_or_not_at_all() {
    let mut stage = Stage::plain(1).begun();
    let refused = stage.operate_on(SlotRequest::Suspend, 0);
    assert_eq!(stage.verdict(refused), Some(Verdict::Denied(DenyReason::CantSuspend)));
    let mut spec = spec(Protocol::None);
    spec.suspend = Some(SuspendSignals { signal: Signal::USR1, resume_signal: Signal::USR2 });
    let mut stage = Stage::new(spec, 1, false).begun();
    let suspend = stage.operate_on(SlotRequest::Suspend, 0);
    assert_eq!((stage.verdict(suspend), stage.slot(0).phase), (Some(Verdict::Done), Phase::Stopped));
    let resume = stage.operate_on(SlotRequest::Resume, 0);
    assert_eq!((stage.verdict(resume), stage.slot(0).phase), (Some(Verdict::Done), Phase::Started));
}

#[test]
fn an_app_with_suspended_workers_is_not_reloaded() {
    let mut stage = Stage::started(2);
    stage.operate_on(SlotRequest::Suspend, 0);
    let reload = stage.reload(crate::config::UpdatePolicy::default(), None);
    assert_eq!(stage.verdict(reload), Some(Verdict::Denied(DenyReason::Suspended)));
}

#[test]
fn a_slot_is_not_given_up_while_connections_wait_that_only_its_suspended_worker_can_take() {
    let mut stage = Stage::started(3);
    for slot in 0..3 {
        stage.operate_on(SlotRequest::Suspend, slot);
    }
    let queued = |slots: &[u32]| slots.iter().copied().map(SlotIndex).collect();
    let denied = |slot| Some(Verdict::Denied(DenyReason::Queued { slot: SlotIndex(slot) }));
    let scale = stage.scale_with(Count::To(1), queued(&[0, 1, 2]));
    assert!(matches!(stage.verdict(scale), Some(Verdict::Denied(DenyReason::Queued { .. }))));
    stage.operate_on(SlotRequest::Resume, 0);
    let scale = stage.scale_with(Count::To(2), queued(&[0, 2]));
    assert_eq!(stage.verdict(scale), denied(2), "of those that are suspended the last goes first");
    stage.operate_on(SlotRequest::Stop, 2);
    let scale = stage.scale_with(Count::To(2), queued(&[0, 2]));
    assert_eq!(stage.verdict(scale), denied(2), "who is stopped takes nothing either");
    // Nobody waits any more; and who serves takes what waits before it leaves.
    stage.scale_with(Count::To(1), queued(&[0]));
    assert_eq!(stage.fleet.status().desired, 1);
}
