//! The end of an app, as a whole.

use super::super::*;
use super::stage::{Manner, Stage, killed, secs, spec};
use crate::config::{Protocol, RestartWhen};
use crate::machine::exit::{ExitReason, ExitStatus, KillCause};
use crate::machine::gate::{self, Admission, Request};
use crate::signal::Signal;

const ALL: [Request; 3] = [Request::Shutdown, Request::Hurry, Request::Kill];

fn shut_down() -> Outcome {
    Outcome::ShutDown { by: "a test".into() }
}

/// An app of two workers in everything it can be doing.
fn doings() -> Vec<(&'static str, Stage)> {
    let mut starting = Stage::protocol(2).script(0, [Manner::Dawdles]);
    starting.start();
    starting.settle();
    let mut failing = Stage::started(2);
    failing.end_process(0, killed(Signal::SEGV));
    let mut stopping = Stage::started(2);
    stopping.end(Request::Shutdown);
    let mut killing = Stage::started(2);
    killing.end(Request::Kill);
    let mut ended = Stage::started(2);
    ended.end(Request::Shutdown);
    ended.settle();
    vec![
        ("idle", Stage::protocol(2)),
        ("starting", starting),
        ("started", Stage::started(2)),
        ("backing off", failing),
        ("stopping", stopping),
        ("killing", killing),
        ("ended", ended),
    ]
}

#[test]
fn an_end_is_answered_in_everything_an_app_can_be_doing() {
    for how in ALL {
        for (name, mut stage) in doings() {
            let admission = gate::admit(stage.fleet.doing(), how);
            let before = stage.fleet.doing();
            let end = stage.end(how);
            let answered_at_once = admission == Admission::Ignore;
            assert_eq!(stage.verdict(end).is_some(), answered_at_once, "{how:?} while {name}");
            let expected = match (before, how) {
                (Doing::Idle, _) => Doing::Idle,
                (Doing::Killing, _) | (_, Request::Kill) => Doing::Killing,
                _ => Doing::Stopping,
            };
            assert_eq!(stage.fleet.doing(), expected, "{how:?} while {name}");
            let spawned = stage.spawned.len();
            stage.settle();
            stage.pass(secs(60));
            assert_eq!(stage.verdict(end), Some(Verdict::Done), "{how:?} while {name}");
            assert_eq!(stage.fleet.doing(), Doing::Idle);
            assert_eq!(stage.spawned.len(), spawned, "{how:?} while {name}: nothing is spawned any more");
        }
    }
}

#[test]
fn a_graceful_end_drains_every_worker_and_tells_how_it_ended() {
    for mut stage in [Stage::protocol(3).begun(), Stage::plain(3).begun()] {
        let end = stage.end(Request::Shutdown);
        assert_eq!(stage.fleet.status().operation, Some("shutdown"));
        stage.settle();
        assert_eq!((stage.verdict(end), stage.ends.clone()), (Some(Verdict::Done), vec![shut_down()]));
        assert_eq!(stage.fleet.phase(), Phase::ShutDown);
        assert_eq!(stage.fleet.status().outcome.as_deref(), Some("shut down, asked by a test"));
        assert_eq!(stage.app_events()[2..], ["app_stopping", "app_ended"]);
        for slot in 0..3 {
            assert_eq!(stage.slot(slot).phase, Phase::ShutDown);
            assert_eq!(stage.last_exit(slot).asked_by.as_deref(), Some("a test"));
        }
    }
}

#[test]
fn a_second_shutdown_joins_the_first_and_hurries_nothing() {
    let mut stage = Stage::protocol(1).script(0, [Manner::Deaf]).begun();
    let first = stage.end(Request::Shutdown);
    stage.pass(secs(10));
    let second = stage.end(Request::Shutdown);
    stage.pass(secs(14));
    assert_eq!((stage.verdict(first), stage.verdict(second)), (None, None));
    stage.pass(secs(1));
    assert_eq!((stage.verdict(first), stage.verdict(second)), (Some(Verdict::Done), Some(Verdict::Done)));
    let status = killed(Signal::KILL);
    let reason = ExitReason::KilledByMaster { cause: KillCause::StopDeadline, status };
    assert_eq!(stage.last_exit(0).reason, reason);
}

#[test]
fn hurry_terminates_and_a_second_one_kills() {
    let mut stage = Stage::protocol(2).script(0, [Manner::Deaf]).begun();
    let first = stage.end(Request::Shutdown);
    stage.settle();
    assert_eq!(stage.fleet.workers().count(), 1);
    let second = stage.end(Request::Hurry);
    stage.settle();
    assert_eq!(stage.fleet.workers().count(), 1);
    let third = stage.end(Request::Hurry);
    stage.settle();
    for ticket in [first, second, third] {
        assert_eq!(stage.verdict(ticket), Some(Verdict::Done));
    }
    assert_eq!(stage.ends, [shut_down()], "hurried, but asked to end all the same");
}

#[test]
fn kill_pre_empts_a_shutdown_and_is_how_it_ended() {
    let mut stage = Stage::protocol(2).script(0, [Manner::Deaf]).script(1, [Manner::Deaf]).begun();
    let end = stage.end(Request::Shutdown);
    stage.settle();
    let kill = stage.end(Request::Kill);
    assert_eq!(stage.fleet.status().operation, Some("kill"));
    let joined = stage.end(Request::Hurry);
    stage.settle();
    for ticket in [end, kill, joined] {
        assert_eq!(stage.verdict(ticket), Some(Verdict::Done));
    }
    assert_eq!(stage.ends, [Outcome::Killed { by: "a test".into() }]);
    let status = killed(Signal::KILL);
    let reason = ExitReason::KilledByMaster { cause: KillCause::HardShutdown, status };
    assert_eq!(stage.last_exit(0).reason, reason);
}

#[test]
fn what_began_the_end_stays_the_outcome_whatever_hurries_it() {
    for how in [Request::Hurry, Request::Kill] {
        let mut stage = Stage::protocol(2).script(0, [Manner::Deaf]).script(1, [Manner::NoSpawn]);
        let start = stage.start();
        stage.settle();
        let end = stage.end(how);
        stage.settle();
        stage.pass(secs(5));
        assert!(matches!(stage.verdict(start), Some(Verdict::StartFailed(_))));
        assert_eq!(stage.verdict(end), Some(Verdict::Done));
        assert!(matches!(stage.ends[..], [Outcome::StartFailed(_)]), "{how:?} {:?}", stage.ends);
    }
}

#[test]
fn a_worker_that_ends_while_the_app_is_ending_completes_the_end() {
    for status in [ExitStatus::Code(0), ExitStatus::Code(1), killed(Signal::KILL), killed(Signal::SEGV)] {
        let mut stage = Stage::protocol(1).script(0, [Manner::Deaf]).begun();
        let end = stage.end(Request::Shutdown);
        stage.end_process(0, status);
        assert_eq!(stage.verdict(end), Some(Verdict::Done), "{status:?}");
        assert_eq!((stage.ends.clone(), stage.pauses()), (vec![shut_down()], vec![]), "{status:?}");
    }
}

#[test]
fn a_stop_beats_a_pending_restart() {
    for how in ALL {
        let mut stage = Stage::started(1);
        stage.end_process(0, ExitStatus::Code(1));
        assert_eq!(stage.slot(0).phase, Phase::BackingOff);
        let end = stage.end(how);
        assert_eq!(stage.verdict(end), Some(Verdict::Done), "nothing is left to wait for");
        stage.pass(secs(600));
        assert_eq!((stage.spawned.len(), stage.slot(0).phase), (1, Phase::ShutDown), "{how:?}");
    }
}

#[test]
fn an_ended_app_can_be_started_again() {
    for how in ALL {
        let mut stage = Stage::started(2);
        stage.end(how);
        stage.settle();
        let stage = stage.begun();
        assert_eq!((stage.fleet.status().ready, stage.spawned.len(), stage.ends.len()), (2, 4, 1));
    }
}

#[test]
fn an_end_is_answered_with_the_process_that_outlives_sigkill_and_is_over_once_that_is_gone() {
    let mut stage = Stage::protocol(1).script(0, [Manner::Stuck]).begun();
    let end = stage.end(Request::Shutdown);
    stage.pass(secs(20 + 5 + 9));
    assert_eq!(stage.verdict(end), None);
    stage.pass(secs(1));
    assert_eq!(stage.verdict(end), Some(Verdict::Unkillable { pid: 1001 }));
    assert_eq!(stage.fleet.phase(), Phase::ShuttingDown, "it is not gone, so the app has not ended");
    stage.release();
    stage.settle();
    assert_eq!(stage.ends, [shut_down()]);
}

#[test]
fn who_asks_for_an_end_later_is_told_of_a_process_that_outlived_sigkill_too() {
    for how in ALL {
        let mut stage = Stage::protocol(1).script(0, [Manner::Stuck]).begun();
        stage.end(Request::Kill);
        stage.pass(secs(10));
        let later = stage.end(how);
        assert_eq!(stage.verdict(later), Some(Verdict::Unkillable { pid: 1001 }), "{how:?}");
    }
}

#[test]
fn an_end_waits_for_the_workers_that_can_still_drain_beside_one_that_outlives_sigkill() {
    let mut stage = Stage::protocol(2).script(0, [Manner::Stuck]).script(1, [Manner::Deaf]).begun();
    let trouble = WorkerInput::ProtocolBroken { trouble: "stray text".into() };
    stage.feed(FleetInput::Worker { id: stage.id_in(0), input: trouble });
    stage.pass(secs(5 + 10));
    assert_eq!(stage.witness.unkillable.len(), 1);
    let end = stage.end(Request::Shutdown);
    stage.pass(secs(20 + 4));
    assert_eq!(stage.verdict(end), None);
    stage.pass(secs(1));
    assert_eq!(stage.verdict(end), Some(Verdict::Unkillable { pid: 1001 }));
}

#[test]
fn an_app_is_completed_once_every_worker_is() {
    let mut stage = Stage::started(2);
    stage.end_process(0, ExitStatus::Code(0));
    assert_eq!((stage.slot(0).phase, stage.fleet.phase()), (Phase::ShutDown, Phase::Started));
    stage.end_process(1, ExitStatus::Code(0));
    assert_eq!((stage.ends.clone(), stage.fleet.phase()), (vec![Outcome::Completed], Phase::ShutDown));
}

#[test]
fn an_app_that_is_completed_in_part_and_given_up_in_part_has_failed() {
    for crash_comes_first in [true, false] {
        let mut spec = spec(Protocol::Drover);
        spec.restart.when = RestartWhen::Never;
        let mut stage = Stage::new(spec, 2, false).begun();
        let (first, second) = if crash_comes_first { (1, 0) } else { (0, 1) };
        stage.end_process(0, ExitStatus::Code(first));
        stage.end_process(1, ExitStatus::Code(second));
        let failed = Outcome::Failed { reason: LeaveReason::Policy, stop_all: false };
        assert_eq!((stage.ends.clone(), stage.fleet.phase()), (vec![failed], Phase::Failed));
    }
}

#[test]
fn news_of_a_dead_worker_is_dropped_and_counted() {
    let mut stage = Stage::started(1);
    let dead = stage.id_in(0);
    stage.end_process(0, ExitStatus::Code(1));
    stage.pass(secs(1));
    let events = stage.events.len();
    for input in [WorkerInput::Connected, WorkerInput::Disconnected, WorkerInput::Spawned { pid: 1 }] {
        stage.feed(FleetInput::Worker { id: dead, input });
    }
    stage.feed(FleetInput::Worker { id: WorkerId(99), input: WorkerInput::DeadlinePassed });
    assert_eq!((stage.fleet.dropped(), stage.events.len()), (4, events));
    assert_eq!(stage.slot(0).phase, Phase::Started);
}
