//! What follows the end of a worker that nobody asked for.

use crate::signal::Signal;
use std::num::NonZeroU32;
use std::time::Duration;

use super::super::*;
use super::stage::{Manner, Stage, killed, secs, spec};
use crate::config::{LimitReached, Protocol};
use crate::machine::exit::ExitStatus;
use crate::machine::gate::Request;
use crate::machine::worker::WorkerReport;

const CRASH: ExitStatus = ExitStatus::Code(1);

/// A started app of two whose slots may fail twice.
fn limited(then: LimitReached, has_hook: bool) -> Stage {
    let mut spec = spec(Protocol::Drover);
    spec.restart.limit.count = NonZeroU32::new(2).unwrap();
    spec.restart.limit.then = then;
    Stage::new(spec, 2, has_hook).begun()
}

fn hooked() -> Stage {
    limited(LimitReached::GiveUp, true)
}

impl Stage {
    /// Answers the last question to the hook.
    fn decide(&mut self, decision: ExitDecision) {
        let (worker, _) = *self.asked.last().expect("a question");
        self.feed(FleetInput::ExitDecided { worker, decision });
        self.settle();
    }

    fn gave_up_for(&self) -> Option<LeaveReason> {
        self.events.iter().rev().find_map(|event| match event.kind {
            EventKind::GaveUp { reason } => Some(reason),
            _ => None,
        })
    }
}

#[test]
fn a_crashed_worker_is_back_in_its_slot_after_growing_pauses() {
    let mut stage = Stage::started(2);
    for (attempt, pause) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
        let before = stage.id_in(0);
        stage.end_process(0, CRASH);
        assert_eq!(stage.pauses().last(), Some(&(secs(pause), attempt)));
        let slot = stage.slot(0);
        assert_eq!((slot.phase, slot.next_try), (Phase::BackingOff, Some(stage.now + secs(pause))));
        stage.pass(secs(pause) - Duration::from_millis(1));
        assert_eq!(stage.slot(0).phase, Phase::BackingOff);
        stage.pass(Duration::from_millis(1));
        let slot = stage.slot(0);
        assert_eq!((slot.phase, slot.restarts), (Phase::Started, u64::from(attempt)));
        assert!(slot.id > Some(before), "with an id of its own");
    }
    assert_eq!(stage.slot(1).restarts, 0);
    assert_eq!(stage.fleet.phase(), Phase::Started);
}

#[test]
fn after_a_healthy_time_pauses_and_tries_count_anew() {
    let mut stage = Stage::started(1);
    for _ in 0..2 {
        stage.end_process(0, CRASH);
        stage.pass(secs(2));
    }
    stage.pass(secs(60));
    stage.end_process(0, CRASH);
    assert_eq!(stage.pauses(), [(secs(1), 1), (secs(2), 2), (secs(1), 1)]);
}

#[test]
fn without_a_pause_the_next_worker_is_created_in_the_same_step() {
    let mut spec = spec(Protocol::Drover);
    spec.restart.backoff.initial = Duration::ZERO;
    let mut stage = Stage::new(spec, 1, false).begun();
    stage.end_process(0, killed(Signal::KILL));
    assert_eq!((stage.slot(0).phase, stage.pauses()), (Phase::Started, vec![(Duration::ZERO, 1)]));
}

#[test]
fn a_try_that_fails_is_tried_again() {
    let manners = [Manner::Serves, Manner::NoSpawn, Manner::Ends(CRASH), Manner::Dawdles];
    let mut stage = Stage::protocol(1).script(0, manners).begun();
    stage.end_process(0, CRASH);
    stage.pass(secs(1 + 2 + 4 + 30 + 8));
    assert_eq!((stage.slot(0).phase, stage.slot(0).restarts), (Phase::Started, 4));
    assert_eq!(stage.pauses().len(), 4);
    assert_eq!(stage.fleet.phase(), Phase::Started, "a later try that fails does not fail the start");
}

#[test]
fn too_many_failures_give_the_slot_up_and_leave_the_others() {
    let mut stage = limited(LimitReached::GiveUp, false);
    for _ in 0..3 {
        stage.end_process(0, CRASH);
        stage.pass(secs(10));
    }
    assert_eq!((stage.slot(0).phase, stage.gave_up_for()), (Phase::Failed, Some(LeaveReason::Limit)));
    assert_eq!((stage.fleet.phase(), stage.fleet.status().ready), (Phase::Started, 1));
    assert_eq!(stage.ends, []);
    stage.end_process(1, ExitStatus::Code(0));
    assert_eq!(stage.ends, [Outcome::Failed { reason: LeaveReason::Limit, stop_all: false }]);
}

#[test]
fn too_many_failures_may_end_the_app_or_all_apps() {
    for (then, stop_all) in [(LimitReached::StopApp, false), (LimitReached::StopAll, true)] {
        let mut stage = limited(then, false);
        for _ in 0..3 {
            stage.end_process(0, CRASH);
            stage.pass(secs(10));
        }
        assert_eq!(stage.ends, [Outcome::Failed { reason: LeaveReason::Limit, stop_all }]);
        assert_eq!(stage.last_exit(1).asked_by.as_deref(), Some("the restart limit"), "the other is drained");
        assert_eq!(stage.fleet.phase(), Phase::Failed);
        assert_eq!((stage.slot(0).phase, stage.slot(1).phase), (Phase::Failed, Phase::ShutDown));
    }
}

#[test]
fn the_hook_is_told_who_ended_and_what_the_policy_would_do() {
    let mut stage = hooked();
    let id = stage.id_in(1);
    stage.end_process(1, CRASH);
    let (worker, proposed) = stage.asked[0];
    assert_eq!((worker.id, worker.slot, proposed), (id, SlotIndex(1), ExitDecision::RestartAfter(secs(1))));
    assert_eq!((stage.slot(1).phase, stage.spawned.len()), (Phase::BackingOff, 2), "it waits for the answer");
}

#[test]
fn the_hook_decides() {
    type Check = fn(&Stage) -> bool;
    let cases: [(ExitDecision, Check); 5] = [
        (ExitDecision::Restart, |stage| stage.slot(0).phase == Phase::Started),
        (ExitDecision::RestartAfter(secs(7)), |stage| stage.slot(0).next_try == Some(stage.now + secs(7))),
        (ExitDecision::Leave, |stage| {
            stage.slot(0).phase == Phase::Failed && stage.gave_up_for() == Some(LeaveReason::Hook)
        }),
        (ExitDecision::StopApp, |stage| {
            stage.ends == [Outcome::Failed { reason: LeaveReason::Hook, stop_all: false }]
        }),
        (ExitDecision::StopAll, |stage| {
            stage.ends == [Outcome::Failed { reason: LeaveReason::Hook, stop_all: true }]
        }),
    ];
    for (decision, holds) in cases {
        for status in [ExitStatus::Code(0), CRASH] {
            if (decision, status) == (ExitDecision::Leave, ExitStatus::Code(0)) {
                continue; // The policy's own proposal.
            }
            let mut stage = hooked();
            stage.end_process(0, status);
            stage.decide(decision);
            assert!(holds(&stage), "{decision:?} {status:?}: {:?}", stage.slot(0));
        }
    }
}

#[test]
fn a_hook_that_keeps_to_the_proposal_keeps_its_reason() {
    let mut stage = hooked();
    stage.end_process(0, ExitStatus::Code(0));
    stage.decide(ExitDecision::Leave);
    assert_eq!((stage.slot(0).phase, stage.gave_up_for()), (Phase::ShutDown, None), "completed");

    for (then, decision) in
        [(LimitReached::GiveUp, ExitDecision::Leave), (LimitReached::StopApp, ExitDecision::StopApp)]
    {
        let mut stage = limited(then, true);
        for _ in 0..3 {
            stage.end_process(0, CRASH);
            let (_, proposed) = *stage.asked.last().unwrap();
            stage.decide(proposed);
            stage.pass(secs(10));
        }
        assert_eq!(stage.asked[2].1, decision);
        assert_eq!(stage.gave_up_for(), Some(LeaveReason::Limit));
    }
}

#[test]
fn a_stop_beats_a_question_to_the_hook_and_its_late_answer() {
    let mut stage = hooked();
    stage.end_process(0, CRASH);
    stage.end_process(1, CRASH);
    let end = stage.end(Request::Shutdown);
    assert_eq!(stage.verdict(end), Some(Verdict::Done));
    stage.decide(ExitDecision::Restart);
    assert_eq!((stage.spawned.len(), stage.fleet.doing()), (2, Doing::Idle));
}

#[test]
fn a_late_answer_of_the_hook_does_not_decide_on_another_worker() {
    let mut stage = hooked();
    stage.end_process(0, CRASH);
    let (before, _) = stage.asked[0];
    stage.end(Request::Kill);
    stage.settle();
    let mut stage = stage.begun();
    stage.end_process(0, CRASH);
    stage.feed(FleetInput::ExitDecided { worker: before, decision: ExitDecision::StopAll });
    assert_eq!((stage.fleet.phase(), stage.slot(0).phase), (Phase::Started, Phase::BackingOff));
    stage.decide(ExitDecision::Restart);
    assert_eq!(stage.slot(0).phase, Phase::Started);
    stage.decide(ExitDecision::StopAll);
    assert_eq!(stage.fleet.phase(), Phase::Started, "a second answer is none");
}

#[test]
fn tries_that_only_the_hook_wants_are_counted_too() {
    let mut stage = hooked();
    stage.witness.longest_pause = Duration::MAX;
    for _ in 0..3 {
        stage.end_process(0, ExitStatus::Code(0));
        assert_eq!(stage.asked.last().unwrap().1, ExitDecision::Leave);
        stage.decide(ExitDecision::RestartAfter(secs(1)));
        stage.pass(secs(1));
    }
    stage.pass(secs(60));
    stage.end_process(0, ExitStatus::Code(0));
    stage.decide(ExitDecision::RestartAfter(secs(1)));
    let attempts: Vec<u32> = stage.pauses().into_iter().map(|(_, attempt)| attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 1], "anew after a healthy time");
}

#[test]
fn a_hook_that_wants_a_pause_for_ever_does_not_overflow_the_clock() {
    let mut stage = hooked();
    stage.witness.longest_pause = Duration::MAX;
    stage.end_process(0, CRASH);
    stage.decide(ExitDecision::RestartAfter(Duration::MAX));
    stage.pass(secs(365 * 24 * 60 * 60));
    assert_eq!(stage.slot(0).phase, Phase::BackingOff);
}

#[test]
fn a_worker_that_repeats_itself_out_of_order_is_told_once() {
    let mut stage = Stage::started(1);
    let told = |stage: &Stage| {
        let said = |event: &FleetEvent| match event.kind {
            EventKind::OutOfOrder { said } => Some(said),
            _ => None,
        };
        stage.events.iter().filter_map(said).collect::<Vec<_>>()
    };
    let say = |stage: &mut Stage, said: WorkerReport| {
        let id = *stage.fleet.workers.keys().next().expect("a worker");
        stage.feed(FleetInput::Worker { id, input: said.into() });
    };
    for said in [WorkerReport::Stopped, WorkerReport::ShutDown, WorkerReport::Stopped, WorkerReport::Stopped]
    {
        say(&mut stage, said);
    }
    assert_eq!(told(&stage), ["Stopped", "ShutDown"]);
    assert_eq!(stage.fleet.repeated(), 2);
    // The next worker in its place is another one.
    stage.end_process(0, CRASH);
    stage.pass(secs(5));
    say(&mut stage, WorkerReport::Stopped);
    assert_eq!(told(&stage), ["Stopped", "ShutDown", "Stopped"]);
    assert_eq!(stage.fleet.out_of_order.len(), 1);
}
