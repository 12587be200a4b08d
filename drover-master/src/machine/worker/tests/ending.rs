//! How a worker is ended, rung by rung.

use super::super::*;
use super::life::*;
use crate::machine::exit::{ExitReason, ExitStatus, KillCause};
use crate::signal::Signal;

#[test]
fn a_graceful_life_asks_drains_and_ends_normally() {
    let life =
        Life::new(Protocol::Drover).feed([spawned(), WorkerInput::Connected, said(WorkerReport::Started)]);
    assert_eq!(life.worker.phase(), Phase::Started);
    let life = life.feed([shutdown()]);
    assert_eq!(life.done, [WorkerAction::SendStop { deadline: Duration::from_secs(20) }]);
    let life = life.feed([said(WorkerReport::Stopped)]);
    assert_eq!(life.done, [WorkerAction::SendQuit { deadline: Duration::from_secs(5) }]);
    let life = life.feed([said(WorkerReport::ShutDown)]);
    assert_eq!(life.exit(ExitStatus::Code(0)), (ExitReason::NormalExit, Phase::ShutDown));
}

#[test]
fn the_pre_stop_delay_comes_before_the_drain_and_is_skipped_in_a_hurry() {
    let life = lingering();
    assert_eq!((life.worker.phase(), life.done.len()), (Phase::Stopping, 0), "it serves on");
    assert_eq!(life.worker.deadline(), Some(life.now + Duration::from_secs(3)));
    let life = life.feed([shutdown()]).overtaken();
    assert_eq!(life.done, [WorkerAction::SendStop { deadline: Duration::from_secs(20) }]);
    let hurried = lingering().feed([hurry()]);
    assert_eq!(hurried.done, [WorkerAction::Signal { signal: Signal::TERM }]);
    let mut plain = Life::new(Protocol::None);
    Arc::get_mut(&mut plain.worker.spec).unwrap().stop.pre_delay = Duration::from_secs(3);
    let plain = plain.feed([spawned()]).overtaken().feed([shutdown()]);
    assert!(plain.done.is_empty(), "{:?}", plain.done);
    assert_eq!(plain.overtaken().done, [WorkerAction::SignalMain { signal: Signal::TERM }]);
}

#[test]
fn a_worker_with_queues_of_its_own_is_told_to_stop_when_they_are_empty_or_the_time_to_drain_is_over() {
    let life = queued();
    assert_eq!((life.worker.phase(), &*life.done), (Phase::Stopping, &[WorkerAction::EmptyQueue][..]));
    assert_eq!(life.worker.deadline(), Some(life.now + Duration::from_secs(20)));
    let stop = WorkerAction::SendStop { deadline: Duration::from_secs(20) };
    assert_eq!(life.feed([WorkerInput::QueueEmptied]).done, std::slice::from_ref(&stop));

    let late = queued().overtaken();
    assert!(late.done.contains(&stop), "{:?}", late.done);
    assert!(late.feed([WorkerInput::QueueEmptied]).done.is_empty(), "it was told already");

    let mut delayed = started();
    let spec = Arc::get_mut(&mut delayed.worker.spec).unwrap();
    give_queues(spec);
    spec.stop.pre_delay = Duration::from_secs(3);
    let delayed = delayed.feed([shutdown(), WorkerInput::QueueEmptied]);
    assert!(delayed.done.is_empty(), "the delay comes first: {:?}", delayed.done);
    assert_eq!(delayed.overtaken().done, [WorkerAction::EmptyQueue]);
}

#[test]
fn a_worker_that_ignores_every_request_climbs_all_three_rungs_once() {
    let life = Life::new(Protocol::Drover).feed([
        spawned(),
        WorkerInput::Connected,
        said(WorkerReport::Started),
        shutdown(),
    ]);
    let life = life.overtaken();
    assert!(life.done.contains(&WorkerAction::Signal { signal: Signal::TERM }), "{:?}", life.done);
    let life = life.overtaken();
    assert!(life.done.contains(&WorkerAction::Signal { signal: Signal::KILL }), "{:?}", life.done);
    let life = life.overtaken();
    assert_eq!(life.done, [WorkerAction::ReportUnkillable]);
    assert_eq!(life.worker.intent.sent, [Signal::TERM, Signal::KILL]);
    let status = killed_by(Signal::KILL);
    let reason = ExitReason::KilledByMaster { cause: KillCause::StopDeadline, status };
    assert_eq!(life.exit(status), (reason, Phase::Failed));
}

#[test]
fn a_plain_worker_is_ready_by_uptime_and_leaves_by_its_stop_signal() {
    let life = Life::new(Protocol::None).feed([spawned()]).overtaken();
    assert_eq!(life.worker.phase(), Phase::Started);
    let life = life.feed([shutdown()]);
    assert_eq!(life.done, [WorkerAction::SignalMain { signal: Signal::TERM }]);
    let status = killed_by(Signal::TERM);
    let reason = ExitReason::KilledByMaster { cause: KillCause::StopSignal, status };
    assert_eq!(life.exit(status), (reason, Phase::ShutDown));
}

#[test]
fn a_plain_worker_that_ignores_its_stop_signal_is_told_with_its_tree_after_the_time_to_drain_and_then_killed()
{
    let life = Life::new(Protocol::None).feed([spawned()]).overtaken().feed([shutdown()]);
    let drain = life.worker.spec.stop.drain_timeout;
    assert_eq!(life.worker.deadline(), Some(life.now + drain));
    let life = life.overtaken();
    assert!(life.done.contains(&WorkerAction::Signal { signal: Signal::TERM }), "{:?}", life.done);
    let life = life.overtaken();
    assert!(life.done.contains(&WorkerAction::Signal { signal: Signal::KILL }), "{:?}", life.done);
    let status = killed_by(Signal::KILL);
    let reason = ExitReason::KilledByMaster { cause: KillCause::StopDeadline, status };
    assert_eq!(life.exit(status), (reason, Phase::Failed));
}

#[test]
fn exit_code_143_after_sigterm_is_as_asked_and_another_code_is_not() {
    for (code, phase) in [(143, Phase::ShutDown), (0, Phase::ShutDown), (1, Phase::Failed)] {
        let life = Life::new(Protocol::None).feed([spawned()]).overtaken().feed([shutdown()]);
        assert_eq!(life.exit(ExitStatus::Code(code)).1, phase, "code {code}");
    }
}

#[test]
fn an_end_whose_status_was_taken_is_a_success_if_it_was_asked_for() {
    let plain = || Life::new(Protocol::None).feed([spawned()]).overtaken();
    let as_asked = ExitReason::KilledByMaster { cause: KillCause::StopSignal, status: ExitStatus::Taken };
    for (life, expected) in [
        (plain(), (ExitReason::StatusTaken, Phase::Failed)),
        (plain().feed([shutdown()]), (as_asked, Phase::ShutDown)),
        (started(), (ExitReason::StatusTaken, Phase::Failed)),
        (started().feed([shutdown()]), (ExitReason::StatusTaken, Phase::ShutDown)),
    ] {
        assert_eq!(life.exit(ExitStatus::Taken), expected);
    }
}

#[test]
fn an_end_that_was_asked_for_before_the_process_was_there_is_carried_out_once_it_is() {
    for (input, signal) in [(shutdown(), Signal::TERM), (hurry(), Signal::TERM), (kill(), Signal::KILL)] {
        let life = Life::new(Protocol::Drover).feed([input]);
        assert_eq!((life.worker.phase(), life.done.len()), (Phase::Initialized, 0));
        let life = life.feed([spawned()]);
        assert_eq!(life.done, [WorkerAction::Signal { signal }]);
    }
}

#[test]
fn a_worker_that_comes_back_while_stopping_is_told_again() {
    let started = [spawned(), WorkerInput::Connected, said(WorkerReport::Started)];
    let life = Life::new(Protocol::Drover).feed(started).feed([shutdown(), WorkerInput::Disconnected]);
    let life = life.feed([WorkerInput::Connected]);
    assert_eq!(life.done, [WorkerAction::SendStop { deadline: Duration::from_secs(20) }]);
}
