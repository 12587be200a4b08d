//! What becomes of the rest of a tree: asked or crashed, main process alive or gone, deadline passed or not.

use super::super::*;
use super::life::{Life, killed_by, shutdown, spawned};
use crate::config::{Command, StopTo};
use crate::machine::exit::{Exit, ExitReason, ExitStatus, KillCause, Usage};
use crate::machine::phase::Phase;
use crate::signal::Signal;

const TERM: Signal = Signal::TERM;
const KILL: Signal = Signal::KILL;

fn serving(protocol: Protocol, to: StopTo) -> Life {
    let mut spec = AppSpec::new("app", Command::new("app"));
    spec.protocol = protocol;
    (spec.stop.signal, spec.stop.to) = (Signal::QUIT, to);
    let life = Life::of(&spec).feed([spawned()]);
    match protocol {
        Protocol::None => life.overtaken(),
        Protocol::Notify => life.feed([WorkerInput::Notified(Notice::Ready)]),
        Protocol::Drover => life.feed([WorkerInput::Connected, WorkerReport::Started.into()]),
    }
}

fn died(code: i32) -> WorkerInput {
    WorkerInput::Died { status: ExitStatus::Code(code) }
}

fn found() -> WorkerInput {
    WorkerInput::RestFound { pids: [7, 8].into() }
}

fn tree(signal: Signal) -> WorkerAction {
    WorkerAction::Signal { signal }
}

fn ended(life: Life, status: ExitStatus) -> Exit {
    let life = life.feed([WorkerInput::Exited { status, usage: Usage::default(), stderr_tail: Vec::new() }]);
    life.worker.into_exit().unwrap().0
}

/// The signals of the rungs, each when the deadline of the one before has passed.
fn rungs(mut life: Life) -> Vec<WorkerAction> {
    let mut done = Vec::new();
    while life.worker.deadline().is_some() {
        life = life.overtaken();
        let reports = |action: &WorkerAction| matches!(action, WorkerAction::ReportDeadline { .. });
        done.extend(life.done.iter().filter(|action| !reports(action)).cloned());
    }
    done
}

#[test]
fn the_main_process_is_told_first_and_alone_unless_the_group_is_to_be() {
    for protocol in [Protocol::None, Protocol::Notify] {
        let first = |to| serving(protocol, to).feed([shutdown()]).done;
        assert_eq!(first(StopTo::Process), [WorkerAction::SignalMain { signal: Signal::QUIT }]);
        assert_eq!(first(StopTo::Group), [tree(Signal::QUIT)]);
    }
}

#[test]
fn what_is_left_after_an_end_that_was_asked_for_is_told_and_has_the_rest_of_the_time() {
    for protocol in [Protocol::None, Protocol::Notify, Protocol::Drover] {
        let mut life = serving(protocol, StopTo::Process).feed([shutdown()]);
        let until = life.now + Duration::from_secs(20);
        life.now += Duration::from_secs(3);
        if protocol == Protocol::Drover {
            life = life.feed([WorkerReport::Stopped.into()]);
        }
        let life = life.feed([died(0), found()]);
        assert_eq!(life.worker.deadline(), Some(until), "{protocol:?}");
        let life = serving(protocol, StopTo::Process).feed([shutdown(), died(0)]);
        assert_eq!(life.done, [tree(Signal::QUIT)], "{protocol:?}");
        assert_eq!(rungs(life), [tree(TERM), tree(KILL), WorkerAction::AbandonRest], "{protocol:?}");
    }
    let told = serving(Protocol::None, StopTo::Group).feed([shutdown(), died(0)]);
    assert!(told.done.is_empty(), "nobody is told twice");
}

#[test]
fn what_a_crash_leaves_is_killed_at_once() {
    for protocol in [Protocol::None, Protocol::Notify, Protocol::Drover] {
        let life = serving(protocol, StopTo::Process).feed([died(1)]);
        assert_eq!(life.done, [tree(KILL)], "{protocol:?}");
        assert_eq!(rungs(life), [WorkerAction::AbandonRest], "{protocol:?}");
    }
}

#[test]
fn one_that_leaves_by_itself_with_a_success_and_leaves_others_behind_is_told_of_as_a_daemon() {
    let life = serving(Protocol::None, StopTo::Process).feed([died(0)]);
    assert!(life.done.is_empty());
    let life = life.feed([found()]);
    assert_eq!(life.done, [tree(KILL)]);
    let exit = ended(life, ExitStatus::Code(0));
    assert_eq!(exit.reason, ExitReason::NormalExit);
    let detail = exit.detail.unwrap();
    assert!(detail.contains("7, 8") && detail.contains("run it in the foreground"), "{detail}");
}

#[test]
fn only_what_nobody_wanted_gone_has_left_by_itself() {
    let running = || serving(Protocol::None, StopTo::Process);
    let by = || "a test".into();
    assert!(!running().worker.has_left_by_itself());
    assert!(running().feed([died(0)]).worker.has_left_by_itself());
    for wish in [shutdown(), WorkerInput::Hurried { by: by() }, WorkerInput::KillAsked { by: by() }] {
        let life = running().feed([wish.clone(), died(0)]);
        assert!(!life.worker.has_left_by_itself(), "{wish:?}");
    }
}

#[test]
fn a_main_process_that_dies_on_a_rung_leaves_the_rest_on_it() {
    let hurried =
        serving(Protocol::None, StopTo::Process).feed([WorkerInput::Hurried { by: "a test".into() }]);
    let until = hurried.worker.deadline();
    let mut life = hurried;
    life.now += Duration::from_secs(1);
    let life = life.feed([died(0)]);
    assert_eq!((life.done.len(), life.worker.deadline()), (0, until));
    assert_eq!(rungs(life), [tree(KILL), WorkerAction::AbandonRest]);
    let killed =
        serving(Protocol::None, StopTo::Process).feed([WorkerInput::KillAsked { by: "a test".into() }]);
    assert_eq!(rungs(killed.feed([died(0)])), [WorkerAction::AbandonRest]);
}

#[test]
fn a_hurry_and_a_kill_reach_what_is_left() {
    let left = || serving(Protocol::None, StopTo::Process).feed([shutdown(), died(0)]);
    let life = left().feed([WorkerInput::Hurried { by: "a test".into() }]);
    assert_eq!(life.done, [tree(TERM)]);
    let life = left().feed([WorkerInput::KillAsked { by: "a test".into() }]);
    assert_eq!(life.done, [tree(KILL)]);
}

#[test]
fn a_rest_that_does_not_drain_in_time_is_no_success() {
    let life = serving(Protocol::None, StopTo::Process).feed([shutdown(), died(0)]).overtaken();
    let status = ExitStatus::Code(0);
    let exit = ended(life, status);
    assert_eq!(exit.reason, ExitReason::KilledByMaster { cause: KillCause::StopDeadline, status });
}

#[test]
fn a_signal_to_the_rest_does_not_explain_the_end_of_the_main_process() {
    let life = serving(Protocol::None, StopTo::Process).feed([shutdown()]);
    let life = life.feed([WorkerInput::Died { status: killed_by(KILL) }]);
    let life = life.feed([WorkerInput::KillAsked { by: "a test".into() }]);
    assert_eq!(life.done, [tree(KILL)]);
    let exit = ended(life, killed_by(KILL));
    assert_eq!(exit.reason, ExitReason::ExternalSignal { signal: KILL, core_dumped: false });
}

#[test]
fn survivors_are_told_with_the_exit() {
    let life = serving(Protocol::None, StopTo::Process).feed([died(1)]);
    let exit = ended(life.feed([WorkerInput::RestSurvived { pids: [9].into() }]), ExitStatus::Code(1));
    assert_eq!(exit.detail.as_deref(), Some("process 9 of its tree could not be ended"));
}

#[test]
fn what_a_crashed_worker_said_before_its_end_counts_though_it_comes_after_the_news_of_it() {
    let life = {
        let mut spec = AppSpec::new("app", Command::new("app"));
        spec.protocol = Protocol::Drover;
        Life::of(&spec).feed([spawned(), WorkerInput::Connected, died(7), WorkerReport::Started.into()])
    };
    let exit = ended(life, ExitStatus::Code(7));
    assert_eq!((exit.reason, exit.during), (ExitReason::AbnormalExit { code: 7 }, Phase::Started));
}
