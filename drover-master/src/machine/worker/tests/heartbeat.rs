//! What answers to heartbeats, and none, do to a worker.

use super::super::*;
use super::life::*;
use crate::machine::exit::{ExitReason, KillCause};
use crate::signal::Signal;

fn pinged(life: &Life) -> bool {
    life.done.contains(&WorkerAction::SendPing)
}

#[test]
fn a_worker_that_answers_its_heartbeats_is_left_in_peace() {
    let mut life = started();
    for _ in 0..100 {
        life = life.overtaken();
        assert!(pinged(&life));
        life = life.feed([said(WorkerReport::Pong)]);
    }
    assert_eq!(life.worker.phase(), Phase::Started);
}

#[test]
fn whatever_a_worker_says_counts_as_a_sign_of_life() {
    let mut life = started();
    for _ in 0..10 {
        life = life.overtaken().feed([said(WorkerReport::Status {
            text: String::new(),
            in_flight: 1,
            requests: 0,
            gauges: Default::default(),
        })]);
    }
    assert_eq!(life.worker.phase(), Phase::Started);
}

#[test]
fn a_worker_that_answers_no_heartbeat_is_ended_as_unresponsive() {
    let life = started().overtaken().overtaken().overtaken();
    assert!(pinged(&life));
    let life = life.overtaken();
    assert!(life.done.contains(&WorkerAction::Signal { signal: Signal::TERM }), "{:?}", life.done);
    let status = killed_by(Signal::TERM);
    let reason = ExitReason::KilledByMaster { cause: KillCause::Unresponsive, status };
    assert_eq!(life.exit(status), (reason, Phase::Failed));
}

#[test]
fn a_master_that_was_away_itself_asks_again_before_it_judges() {
    // It was stopped for a minute, and so was everything that it would have read.
    let life = started().overtaken().overtaken().overtaken().feed([away()]).overtaken();
    assert!(pinged(&life), "{:?}", life.done);
    let life = life.overtaken().overtaken();
    assert_eq!(life.worker.phase(), Phase::Started);
}

#[test]
fn heartbeats_are_judged_neither_before_a_worker_is_ready_nor_while_it_drains() {
    let life = Life::new(Protocol::Drover).feed([spawned(), WorkerInput::Connected]);
    assert_eq!(life.worker.deadline(), Some(life.now + life.worker.spec.start.timeout));
    let life = started().overtaken().overtaken().overtaken().feed([shutdown()]);
    assert_eq!(life.worker.deadline(), Some(life.now + life.worker.spec.stop.drain_timeout));
}
