//! What a worker notifies, and what becomes of it, on a simulated clock.

use super::super::*;
use super::life::*;
use crate::machine::exit::{ExitReason, ExitStatus, KillCause};
use crate::machine::phase::Phase;
use crate::signal::Signal;

const TEN: Duration = Duration::from_secs(10);

fn ready() -> Life {
    noticed(notifying(), Notice::Ready)
}

fn ended_by(cause: KillCause) -> ExitReason {
    ExitReason::KilledByMaster { cause, status: killed_by(Signal::TERM) }
}

#[test]
fn a_worker_is_ready_when_it_says_so_and_ended_when_it_does_not_in_time() {
    assert_eq!(notifying().worker.phase(), Phase::Starting);
    let life = ready();
    assert_eq!((life.worker.phase(), life.done.len()), (Phase::Started, 0));
    let late = noticed(notifying(), Notice::Unsaid { how: "it hung up".into() }).overtaken();
    assert_eq!(late.done.last(), Some(&WorkerAction::Signal { signal: Signal::TERM }));
    let late = late.feed([WorkerInput::Exited {
        status: killed_by(Signal::TERM),
        usage: crate::machine::exit::Usage::default(),
        stderr_tail: Vec::new(),
    }]);
    let WorkerState::Exited { exit, .. } = late.worker.state() else { panic!("{:?}", late.worker.state()) };
    assert_eq!(exit.to_string(), "was ended by SIGTERM: it was not ready in time: it hung up");
}

#[test]
fn leaving_with_code_0_before_it_was_ready_is_a_failure_even_if_it_said_that_it_leaves() {
    for life in [notifying(), noticed(notifying(), Notice::Stopping)] {
        assert_eq!(life.exit(ExitStatus::Code(0)), (ExitReason::NormalExit, Phase::Failed));
    }
}

#[test]
fn one_that_says_that_it_leaves_is_judged_by_its_code_and_ended_if_it_does_not_leave() {
    let leaving = || noticed(ready(), Notice::Stopping);
    assert_eq!((leaving().worker.phase(), leaving().done.len()), (Phase::ShuttingDown, 0));
    assert_eq!(leaving().exit(ExitStatus::Code(0)), (ExitReason::NormalExit, Phase::ShutDown));
    assert_eq!(leaving().exit(ExitStatus::Code(3)), (ExitReason::AbnormalExit { code: 3 }, Phase::Failed));
    let stuck = leaving().overtaken();
    assert_eq!(stuck.done.last(), Some(&WorkerAction::Signal { signal: Signal::TERM }));
    let reason = ended_by(KillCause::StopDeadline);
    assert_eq!(stuck.exit(killed_by(Signal::TERM)), (reason, Phase::Failed));
}

#[test]
fn a_worker_extends_the_time_to_start_to_stop_and_to_reload_within_their_maximum_and_no_other() {
    let extend = |life, seconds| noticed(life, Notice::Extend { by: Duration::from_secs(seconds) });
    for life in [notifying(), ready().feed([shutdown()]), reloading(true)] {
        let (_, before) = life.worker.deadline.unwrap();
        let life = extend(life, 1);
        assert_eq!(life.worker.deadline.unwrap().1, before, "never back");
        let now = life.now;
        let life = extend(life, 100);
        assert_eq!(life.worker.deadline.unwrap().1, now + Duration::from_secs(100));
        let life = extend(life, 100_000);
        assert_eq!(life.worker.deadline.unwrap().1, now + Duration::from_secs(300), "the maximum");
    }
    assert!(extend(ready(), 1).worker.deadline.is_none());
}

#[test]
fn a_worker_that_says_in_time_that_it_makes_progress_is_left_in_peace() {
    let mut life = ready();
    for _ in 0..100 {
        life.now += TEN - Duration::from_millis(1);
        life = noticed(life, Notice::KeepAlive).feed([WorkerInput::DeadlinePassed]);
    }
    assert_eq!(life.worker.phase(), Phase::Started);
}

#[test]
fn a_worker_that_does_not_is_ended_by_its_watchdog() {
    let life = ready();
    assert_eq!(life.worker.deadline(), Some(life.now + TEN));
    let life = life.overtaken();
    assert_eq!(life.done.last(), Some(&WorkerAction::Signal { signal: Signal::TERM }));
    let reason = ended_by(KillCause::Watchdog);
    assert_eq!(life.exit(killed_by(Signal::TERM)), (reason, Phase::Failed));
    for life in [notifying(), ready()] {
        let life = noticed(life, Notice::Trigger);
        assert_eq!(life.exit(killed_by(Signal::TERM)), (reason, Phase::Failed));
    }
}

#[test]
fn the_watchdog_of_a_master_that_was_away_itself_judges_so_much_later() {
    let mut life = ready().feed([away()]);
    for (after, phase) in [(69, Phase::Started), (1, Phase::ShuttingDown)] {
        life.now += Duration::from_secs(after);
        life = life.feed([WorkerInput::DeadlinePassed]);
        assert_eq!(life.worker.phase(), phase);
    }
}

#[test]
fn the_watchdog_judges_neither_before_a_worker_is_ready_nor_on_its_way_out() {
    let start = notifying();
    let by_start = start.worker.deadline();
    assert_eq!(noticed(start, Notice::KeepAlive).worker.deadline(), by_start);
    for life in [
        ready().feed([shutdown()]),
        noticed(ready(), Notice::Stopping),
        ready().feed([WorkerInput::Died { status: ExitStatus::Code(1) }]),
    ] {
        assert_eq!(noticed(life, Notice::KeepAlive).worker.watchdog.due(), None);
    }
}

#[test]
fn a_worker_of_the_protocol_feeds_its_watchdog_by_progress_and_by_nothing_else() {
    let life = || {
        let mut spec = AppSpec::new("app", crate::config::Command::new("app"));
        (spec.watchdog, spec.heartbeat) = (Some(TEN), None);
        let mut life =
            Life::of(&spec).feed([spawned(), WorkerInput::Connected, WorkerReport::Started.into()]);
        life.now += Duration::from_secs(9);
        life
    };
    for (said, phase) in [(WorkerReport::Progress, Phase::Started), (WorkerReport::Pong, Phase::ShuttingDown)]
    {
        let mut life = life().feed([said.into()]);
        life.now += Duration::from_secs(1);
        assert_eq!(life.feed([WorkerInput::DeadlinePassed]).worker.phase(), phase);
    }
}

#[test]
fn a_worker_sets_the_interval_of_its_watchdog() {
    let second = Duration::from_secs(1);
    let life = noticed(ready(), Notice::WatchdogEvery { every: second });
    assert_eq!(life.worker.deadline(), Some(life.now + second));
    let life = noticed(life, Notice::WatchdogEvery { every: Duration::ZERO });
    assert_eq!(life.worker.deadline(), None);
    let early = noticed(notifying(), Notice::WatchdogEvery { every: second });
    let early = noticed(early, Notice::Ready);
    assert_eq!(early.worker.deadline(), Some(early.now + second));
}

#[test]
fn a_reload_is_done_when_the_worker_is_ready_again_and_the_phase_stays() {
    let done = [WorkerAction::ReportReloaded];
    let begun = noticed(reloading(true), Notice::Reloading { since: None });
    assert_eq!((begun.worker.phase(), begun.worker.is_reloading()), (Phase::Started, true));
    let life = noticed(begun, Notice::Ready);
    assert_eq!((&life.done[..], life.worker.is_reloading()), (&done[..], false));
    assert_eq!(noticed(reloading(true), Notice::Ready).done, done, "without RELOADING");
    assert!(noticed(ready(), Notice::Ready).done.is_empty(), "nobody asked");
}

#[test]
fn a_reload_that_began_before_the_signal_is_another_one() {
    let life = reloading(true);
    let older = life.now.checked_sub(Duration::from_secs(1));
    let life = noticed(noticed(life, Notice::Reloading { since: older }), Notice::Ready);
    assert!(life.done.is_empty() && life.worker.is_reloading());
    let since = Some(life.now);
    let life = noticed(noticed(life, Notice::Reloading { since }), Notice::Ready);
    assert_eq!(life.done, [WorkerAction::ReportReloaded]);
}

#[test]
fn a_worker_that_does_not_come_back_from_its_reload_stays_and_is_told_of() {
    let mut life = reloading(true);
    life.worker.watchdog.disarm();
    let life = life.overtaken();
    assert!(matches!(&life.done[..], [WorkerAction::ReportNotReloaded { .. }]), "{:?}", life.done);
    assert_eq!((life.worker.phase(), life.worker.deadline), (Phase::Started, None));
}

#[test]
fn one_that_need_not_say_anything_has_reloaded_if_it_lives_for_its_min_uptime() {
    let life = reloading(false);
    assert_eq!(life.worker.deadline(), Some(life.now + Duration::from_secs(1)));
    assert_eq!(life.overtaken().done, [WorkerAction::ReportReloaded]);
    let mut stopped = reloading(false);
    stopped.stopped_by = Some(Signal::STOP);
    assert!(matches!(&stopped.overtaken().done[..], [WorkerAction::ReportNotReloaded { .. }]));
}

#[test]
fn a_worker_that_leaves_does_not_reload_any_more() {
    let life = reloading(true).feed([shutdown()]);
    assert!(!life.worker.is_reloading());
    let life = life.feed([WorkerInput::ReloadAsked]);
    assert_eq!(life.done, [WorkerAction::ReportNotReloaded { why: "it is not ready" }]);
}

#[test]
fn what_a_worker_told_of_what_went_wrong_is_shown_with_its_exit() {
    let life = noticed(noticed(ready(), Notice::Errno { errno: 13 }), Notice::ExitStatus { code: 4 });
    let life = life.feed([exited()]);
    let WorkerState::Exited { exit, .. } = life.worker.state() else { panic!("{:?}", life.worker.state()) };
    let shown = "exited with code 1 while ready: it reported errno 13 (Permission denied) and exit status 4";
    assert_eq!(exit.to_string(), shown);
}

#[test]
fn a_worker_that_notifies_is_asked_to_leave_by_its_stop_signal() {
    let life = ready().feed([shutdown()]);
    assert_eq!(life.done, [WorkerAction::SignalMain { signal: Signal::TERM }]);
    let asked = ExitReason::KilledByMaster { cause: KillCause::StopSignal, status: killed_by(Signal::TERM) };
    assert_eq!(life.exit(killed_by(Signal::TERM)), (asked, Phase::ShutDown));
}
