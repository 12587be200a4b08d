//! Workers that are told by a signal to read their configuration again.

use crate::signal::Signal;
use std::time::Duration;

use super::super::*;
use super::stage::{Manner, Stage, interrupted, killed, secs, spec};
use crate::config::{Protocol, ReloadSignal, UpdatePolicy};
use crate::machine::exit::ExitStatus;
use crate::machine::gate::{DenyReason, Request, SlotRequest};
use crate::machine::worker::Notice;

/// An app that has started, whose workers reload by SIGHUP.
fn reloading(protocol: Protocol, count: u32) -> Stage {
    let mut spec = spec(protocol);
    spec.reload = Some(ReloadSignal { signal: Signal::HUP, waits: protocol == Protocol::Notify });
    Stage::new(spec, count, false).begun()
}

fn reload(stage: &mut Stage) -> TicketId {
    stage.reload(UpdatePolicy::default(), None)
}

fn says(stage: &mut Stage, slot: u32, notice: Notice) {
    let id = stage.id_in(slot);
    stage.feed(FleetInput::Worker { id, input: WorkerInput::Notified(notice) });
}

/// Which slots are through, in order.
fn reloaded(stage: &Stage) -> Vec<u32> {
    let told = stage.events.iter().filter(|event| event.kind == EventKind::Reloaded);
    told.filter_map(|event| event.worker).map(|(identity, _)| identity.slot.0).collect()
}

fn failure(stage: &Stage, ticket: TicketId) -> String {
    match stage.verdict(ticket) {
        Some(Verdict::NotReloaded(failure)) => failure.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_worker_after_the_other_reloads_and_all_stay() {
    let mut stage = reloading(Protocol::Notify, 3);
    let ticket = reload(&mut stage);
    for slot in 0..3 {
        assert_eq!(reloaded(&stage), (0..slot).collect::<Vec<_>>());
        assert_eq!(stage.fleet.status().operation, Some("reload"));
        says(&mut stage, slot, Notice::Reloading { since: None });
        assert_eq!(stage.verdict(ticket), None);
        says(&mut stage, slot, Notice::Ready);
    }
    assert_eq!(stage.verdict(ticket), Some(Verdict::Done));
    assert_eq!((stage.spawned.len(), stage.fleet.status().operation), (3, None));
    let last: Vec<_> = stage.app_events().into_iter().rev().take(2).collect();
    assert_eq!(last, ["reloaded", "reloading"]);
}

#[test]
fn plain_workers_have_reloaded_when_each_has_lived_on() {
    let mut stage = reloading(Protocol::None, 2);
    let ticket = reload(&mut stage);
    stage.pass(Duration::from_millis(1500));
    assert_eq!((reloaded(&stage), stage.verdict(ticket)), (vec![0], None));
    stage.pass(secs(1));
    assert_eq!((reloaded(&stage), stage.verdict(ticket)), (vec![0, 1], Some(Verdict::Done)));
}

#[test]
fn one_that_does_not_come_back_fails_the_reload_and_those_after_it_are_not_told() {
    let mut stage = reloading(Protocol::Notify, 3);
    let ticket = reload(&mut stage);
    says(&mut stage, 0, Notice::Ready);
    stage.pass(secs(30));
    assert_eq!(failure(&stage, ticket), "worker 1 did not say in time that it has reloaded");
    assert_eq!((reloaded(&stage), stage.fleet.status().ready, stage.spawned.len()), (vec![0], 3, 3));
    let again = reload(&mut stage);
    (0..3).for_each(|slot| says(&mut stage, slot, Notice::Ready));
    assert_eq!(stage.verdict(again), Some(Verdict::Done));
}

#[test]
fn one_that_dies_of_it_fails_the_reload_and_is_healed() {
    for protocol in [Protocol::None, Protocol::Notify] {
        let mut stage = reloading(protocol, 2);
        let ticket = reload(&mut stage);
        stage.end_process(0, ExitStatus::Code(1));
        assert_eq!(failure(&stage, ticket), "worker 0 exited with code 1 while ready");
        stage.pass(secs(60));
        assert_eq!((stage.fleet.status().ready, reloaded(&stage).len()), (2, 0));
    }
}

#[test]
fn one_that_is_restarted_meanwhile_has_the_new_configuration_and_the_next_is_told() {
    let mut stage = reloading(Protocol::Notify, 2);
    let ticket = reload(&mut stage);
    let restart = stage.operate_on(SlotRequest::Restart, 0);
    stage.settle();
    assert_eq!((stage.verdict(restart), stage.verdict(ticket)), (Some(Verdict::Done), None));
    says(&mut stage, 1, Notice::Ready);
    assert_eq!(stage.verdict(ticket), Some(Verdict::Done));
}

#[test]
fn one_that_outlives_sigkill_fails_the_reload_instead_of_holding_it_up_for_ever() {
    let mut spec = spec(Protocol::Notify);
    spec.reload = Some(ReloadSignal { signal: Signal::HUP, waits: true });
    let mut stage = Stage::new(spec, 2, false).script(0, [Manner::Stuck]).begun();
    let ticket = reload(&mut stage);
    stage.operate_on(SlotRequest::Restart, 0);
    stage.pass(secs(60));
    assert_eq!(failure(&stage, ticket), "worker 0 does not end, even by SIGKILL");
}

#[test]
fn one_that_is_suspended_meanwhile_holds_nobody_up() {
    let mut stage = reloading(Protocol::Notify, 1);
    let mut spec = (*stage.fleet.current.spec).clone();
    spec.suspend = Some(crate::config::SuspendSignals { signal: Signal::USR1, resume_signal: Signal::USR2 });
    stage.fleet.current.spec = Arc::new(spec);
    stage.adjust();
    let ticket = reload(&mut stage);
    stage.operate_on(SlotRequest::Suspend, 0);
    stage.settle();
    assert_eq!(stage.verdict(ticket), Some(Verdict::Done));
}

#[test]
fn one_that_is_starting_is_waited_for() {
    let mut stage = reloading(Protocol::None, 1);
    stage.end_process(0, killed(Signal::KILL));
    // Its pause, and then it is starting.
    stage.tick();
    assert_eq!(stage.slot(0).phase, Phase::Starting);
    let ticket = reload(&mut stage);
    assert_eq!(stage.verdict(ticket), None);
    stage.pass(secs(3));
    assert_eq!((reloaded(&stage), stage.verdict(ticket)), (vec![0], Some(Verdict::Done)));
}

#[test]
fn the_end_of_the_app_interrupts_it() {
    let mut stage = reloading(Protocol::Notify, 2);
    let ticket = reload(&mut stage);
    stage.end(Request::Shutdown);
    stage.settle();
    assert_eq!(stage.verdict(ticket), interrupted("a test"));
}

#[test]
fn a_second_one_waits_for_the_first_and_a_canary_is_denied() {
    let mut stage = reloading(Protocol::Notify, 1);
    let tickets = [reload(&mut stage), reload(&mut stage), reload(&mut stage)];
    says(&mut stage, 0, Notice::Ready);
    assert_eq!(tickets.map(|ticket| stage.verdict(ticket).is_some()), [true, false, false]);
    says(&mut stage, 0, Notice::Ready);
    assert_eq!(tickets.map(|ticket| stage.verdict(ticket)), [(); 3].map(|()| Some(Verdict::Done)));
    let canary = stage.reload(UpdatePolicy::default(), Some(1));
    assert_eq!(stage.verdict(canary), Some(Verdict::Denied(DenyReason::ReloadsItself)));
}

#[test]
fn another_description_replaces_the_workers_all_the_same() {
    let mut stage = reloading(Protocol::Notify, 2);
    let mut other = spec(Protocol::Notify);
    other.reload = stage.fleet.current.spec.reload;
    let ticket = stage.reload_to(other, UpdatePolicy::default(), None, true);
    stage.settle();
    assert_eq!((stage.verdict(ticket), stage.generations()), (Some(Verdict::Done), vec![2, 2]));
}
