//! How a worker becomes ready, and when it does not.

use super::super::*;
use super::life::*;
use crate::config::{StartPolicy, StopPolicy};
use crate::machine::exit::{ExitReason, ExitStatus, KillCause, SpawnStep, Usage};
use crate::signal::Signal;

#[test]
fn a_probed_worker_is_ready_when_it_answers_and_failed_when_it_does_not_in_time() {
    let life = probed();
    assert_eq!((life.worker.phase(), &life.done[..]), (Phase::Starting, &[WorkerAction::StartProbe][..]));
    assert_eq!(life.feed([WorkerInput::ProbePassed]).worker.phase(), Phase::Started);
    let life = probed().overtaken();
    let status = killed_by(Signal::TERM);
    let reason = ExitReason::KilledByMaster { cause: KillCause::StartDeadline, status };
    assert_eq!(life.exit(status), (reason, Phase::Failed));
}

#[test]
fn why_a_probe_failed_is_evidence_of_a_start_that_took_too_long_and_of_no_other_end() {
    let failed = |reason: &str| WorkerInput::ProbeFailed { reason: reason.into() };
    let asked = || probed().feed([failed("GET / answered 404"), failed("GET / answered 500")]);
    let term = WorkerInput::Exited {
        status: killed_by(Signal::TERM),
        usage: Usage::default(),
        stderr_tail: Vec::new(),
    };
    let ready = || asked().feed([WorkerInput::ProbePassed]);
    for (life, end, sentence) in [
        (
            asked().overtaken(),
            term.clone(),
            "was ended by SIGTERM: it was not ready in time: GET / answered 500",
        ),
        (asked(), exited(), "exited with code 1 while starting"),
        (asked().feed([shutdown()]), term, "was ended by SIGTERM, as asked"),
        (ready(), exited(), "exited with code 1 while ready"),
    ] {
        let life = life.feed([end]);
        let WorkerState::Exited { exit, .. } = life.worker.state() else {
            panic!("{:?}", life.worker.state())
        };
        assert_eq!(exit.to_string(), sentence);
    }
}

#[test]
fn a_process_that_never_comes_to_be_is_given_up_and_sooner_by_force() {
    for (input, within) in [
        (None, Duration::from_secs(30)),
        (Some(hurry()), Duration::from_secs(1)),
        (Some(kill()), Duration::from_secs(1)),
    ] {
        let life = Life::new(Protocol::None);
        let start = life.now;
        let life = life.feed(input).overtaken();
        assert_eq!(life.now - start, within);
        let WorkerState::Exited { exit, .. } = life.worker.state() else {
            panic!("{:?}", life.worker.state())
        };
        assert_eq!(exit.reason, ExitReason::SpawnFailed { step: SpawnStep::Prepare, errno: libc::ETIMEDOUT });
    }
}

#[test]
fn a_process_that_is_stopped_by_a_signal_is_not_ready_until_it_goes_on() {
    let plain = || Life::new(Protocol::None).feed([spawned()]);
    for mut life in [plain().overtaken_while_stopped(), {
        let mut life = probed();
        life.stopped_by = Signal::new(libc::SIGTTIN);
        life.feed([WorkerInput::ProbePassed])
    }] {
        let why = life.worker.unready().expect("a reason").to_string();
        assert!(why.contains("stopped by SIGTTIN") && why.contains("kill -CONT 4711"), "{why}");
        assert_eq!(life.done, [WorkerAction::ReportNotReady { why: why.into() }]);
        life = life.overtaken();
        assert_eq!((life.worker.phase(), &life.done[..]), (Phase::Starting, &[][..]), "it is told once");
        life.stopped_by = None;
        assert_eq!(life.overtaken().worker.phase(), Phase::Started);
    }
    let mut life = plain().overtaken_while_stopped();
    let began = life.now;
    while life.worker.phase() == Phase::Starting {
        life = life.overtaken();
    }
    assert_eq!(life.now - began, life.worker.spec.start.timeout, "a stopped process has the time to start");
    let WorkerState::Exited { exit, .. } = life.feed([exited()]).worker.state().clone() else {
        panic!("it ended")
    };
    assert!(exit.detail.is_some_and(|detail| detail.contains("stopped by SIGTTIN")));
}

#[test]
fn leaving_with_code_0_before_it_was_ready_is_a_failure_of_a_protocol_worker_only() {
    let early = Life::new(Protocol::Drover).feed([spawned()]).exit(ExitStatus::Code(0));
    assert_eq!(early, (ExitReason::NormalExit, Phase::Failed));
    let plain = Life::new(Protocol::None).feed([spawned()]).exit(ExitStatus::Code(0));
    assert_eq!(plain, (ExitReason::NormalExit, Phase::ShutDown));
}

#[test]
fn an_extension_moves_the_deadline_within_its_maximum_and_never_back() {
    let life = Life::new(Protocol::Drover).feed([spawned(), WorkerInput::Connected]);
    let (now, start) = (life.now, life.worker.spec.start.clone());
    let life = life.feed([said(WorkerReport::Extend { by: Duration::from_secs(1) })]);
    assert_eq!(life.worker.deadline(), Some(now + start.timeout));
    let life = life.feed([said(WorkerReport::Extend { by: Duration::from_secs(60) })]);
    assert_eq!(life.worker.deadline(), Some(now + Duration::from_secs(60)));
    let life = life.feed([said(WorkerReport::Extend { by: Duration::MAX })]);
    assert_eq!(life.worker.deadline(), Some(now + start.max_timeout));
}

/// Who heard it first may have died before it wrote that down.
#[test]
fn a_worker_that_is_connected_again_says_started_once_more_and_not_twice() {
    let refusal = |life: &Life| {
        life.done.iter().any(|action| matches!(action, WorkerAction::RefuseMessage { said: "Started", .. }))
    };
    for life in [started as fn() -> Life, checking] {
        let phase = life().worker.phase();
        let first = life().feed([said(WorkerReport::Started)]);
        assert!(refusal(&first), "on its first connection it has said it already");
        let mut again = life();
        for connection in 2..5 {
            again =
                again.feed([WorkerInput::Disconnected, WorkerInput::Connected, said(WorkerReport::Started)]);
            assert!(!refusal(&again), "connection {connection}");
            assert_eq!(again.worker.phase(), phase);
        }
        assert!(refusal(&again.feed([said(WorkerReport::Started)])));
    }
    let unheard = Life::new(Protocol::Drover).feed([spawned(), WorkerInput::Connected]);
    let heard =
        unheard.feed([WorkerInput::Disconnected, WorkerInput::Connected, said(WorkerReport::Started)]);
    assert_eq!(heard.worker.phase(), Phase::Started);
}

#[test]
fn a_worker_that_is_ready_before_the_news_of_its_process_comes_is_ready_with_that_news() {
    let ready = || Life::new(Protocol::Drover).feed([WorkerInput::Connected, said(WorkerReport::Started)]);
    let life = ready().feed([spawned()]);
    assert_eq!(life.worker.phase(), Phase::Started);
    let life = ready().feed([WorkerInput::Disconnected, spawned()]);
    assert_eq!(life.worker.deadline(), Some(life.now + life.worker.spec.start.timeout));
    let life = ready().feed([shutdown(), spawned()]);
    assert_eq!((life.worker.phase(), life.done.len()), (Phase::ShuttingDown, 1));
}

#[test]
fn a_dead_worker_becomes_ready_neither_by_its_uptime_nor_by_its_probe() {
    for life in [Life::new(Protocol::None).feed([spawned()]), probed()] {
        let life = life.feed([
            WorkerInput::Died { status: ExitStatus::Code(1) },
            WorkerInput::ProbePassed,
            WorkerInput::DeadlinePassed,
        ]);
        assert_eq!(life.worker.phase(), Phase::Starting);
        assert_eq!(life.exit(ExitStatus::Code(3)), (ExitReason::AbnormalExit { code: 3 }, Phase::Failed));
    }
}

#[test]
fn what_a_worker_said_before_it_died_still_counts() {
    let life = Life::new(Protocol::Drover).feed([
        spawned(),
        WorkerInput::Connected,
        WorkerInput::Died { status: ExitStatus::Code(1) },
    ]);
    let life = life.feed([said(WorkerReport::Started)]);
    assert_eq!(life.worker.phase(), Phase::Started);
    // What it left behind is not waited for longer because of that.
    assert_eq!(life.overtaken().done, [WorkerAction::AbandonRest]);
}

#[test]
fn a_timeout_that_is_meant_as_never_does_not_overflow_the_clock() {
    let mut life = Life::new(Protocol::Drover);
    let spec = Arc::get_mut(&mut life.worker.spec).unwrap();
    spec.start = StartPolicy { timeout: Duration::MAX, max_timeout: Duration::MAX, ..spec.start.clone() };
    spec.stop = StopPolicy {
        drain_timeout: Duration::MAX,
        quit_timeout: Duration::MAX,
        term_timeout: Duration::MAX,
        max_timeout: Duration::MAX,
        ..spec.stop.clone()
    };
    let life = life.feed([spawned(), WorkerInput::Connected, said(WorkerReport::Started), shutdown()]);
    let life = life.feed([said(WorkerReport::Stopped), hurry()]);
    assert!(life.worker.deadline().unwrap() > life.now);
}
