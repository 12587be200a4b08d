//! How an end is called, in every state, and the evidence that goes with it.

use drover_e2e::harness::{App, patiently, signal};
use drover_master::config::{Protocol, StopPolicy};
use drover_master::{Exit, ExitReason, ExitStatus, KillCause, MasterBuilder, Phase, Signal};
use nix::sys::signal::{SIGKILL, SIGTERM, SIGUSR1};

use crate::policies::{SHORT, keep_going, never, short_drain, soon};

/// A process that ran has used memory and time, and took some.
fn has_used_something(exit: &Exit) {
    assert!(exit.usage.max_rss_kb > 0, "{exit:?}");
    assert!(!exit.usage.cpu.is_zero(), "{exit:?}");
    assert!(!exit.uptime.is_zero(), "{exit:?}");
}

fn ended_by(cause: KillCause, number: i32) -> ExitReason {
    ExitReason::KilledByMaster {
        cause,
        status: ExitStatus::Signal { signal: of(number), core_dumped: false },
    }
}

fn of(number: i32) -> Signal {
    Signal::new(number).unwrap()
}

fn from_outside(number: i32) -> ExitReason {
    ExitReason::ExternalSignal { signal: of(number), core_dumped: false }
}

#[tokio::test]
async fn an_end_before_the_worker_was_ready_is_a_failure_whatever_its_code() {
    for (variable, value, reason, sentence) in [
        ("E2E_CODE", "0", ExitReason::NormalExit, "exited with code 0 while starting"),
        ("E2E_CODE", "3", ExitReason::AbnormalExit { code: 3 }, "exited with code 3 while starting"),
        ("E2E_SIGNAL", "10", from_outside(10), "was ended by SIGUSR1 from outside while starting"),
    ] {
        let mut app = App::new(
            App::builder(program!("worker_exits_at_start"))
                .start_policy(keep_going())
                .restart_policy(never())
                .env(variable, value),
        );
        drop(app.master().start());
        let event = app.until("exited").await;
        assert_eq!(event.phase, Phase::Failed, "{value}");
        let exit = app.worker(0).last_exit.unwrap();
        assert_eq!((exit.reason, exit.during), (reason, Phase::Starting));
        assert_eq!(exit.to_string(), sentence);
        assert_eq!(exit.stderr_tail, ["no config", "giving up"]);
        assert_eq!(exit.asked_by, None);
        has_used_something(&exit);
        app.end().await;
    }
}

#[tokio::test]
async fn a_crash_of_a_ready_worker_is_told_with_its_last_words() {
    for (variable, value, reason, sentence) in [
        ("E2E_CODE", "7", ExitReason::AbnormalExit { code: 7 }, "exited with code 7 while ready"),
        ("E2E_SIGNAL", "1", from_outside(1), "was ended by SIGHUP from outside while ready"),
    ] {
        let mut app = App::started(
            App::builder(program!("worker_crashes_when_ready")).restart_policy(never()).env(variable, value),
        )
        .await;
        let exit = app.exit().await;
        assert_eq!((exit.reason, exit.during), (reason, Phase::Started));
        assert_eq!(exit.to_string(), sentence);
        assert_eq!(
            (exit.stderr_tail.as_slice(), exit.asked_by.as_deref()),
            (&["so long".to_owned()][..], None)
        );
        has_used_something(&exit);
        app.outcome().await;
    }
}

#[tokio::test]
async fn a_signal_that_the_master_did_not_send_is_external_in_every_state() {
    let mut app = App::started(App::builder(program!("worker_good")).restart_policy(never())).await;
    signal(app.pid(0), SIGKILL);
    let exit = app.exit().await;
    assert_eq!((exit.reason, exit.during), (from_outside(9), Phase::Started));
    app.outcome().await;

    let mut app = App::started(App::builder(program!("worker_ignores_stop"))).await;
    let pid = app.pid(0);
    let shutdown = app.master().shutdown();
    app.until("stopping").await;
    signal(pid, SIGUSR1);
    let exit = app.exit().await;
    assert_eq!((exit.reason, exit.during), (from_outside(SIGUSR1 as i32), Phase::Stopping));
    assert_eq!(exit.to_string(), "was ended by SIGUSR1 from outside while draining");
    assert_eq!(exit.asked_by.as_deref(), Some("shutdown()"));
    patiently("the shutdown", shutdown).await.unwrap();
    app.is_gone().await;
}

#[tokio::test]
async fn an_end_during_stop_or_quit_completes_the_shutdown_and_keeps_its_code() {
    for (at, code, reason, during, phase) in [
        ("stop", "0", ExitReason::NormalExit, Phase::Stopping, Phase::ShutDown),
        ("stop", "5", ExitReason::AbnormalExit { code: 5 }, Phase::Stopping, Phase::Failed),
        ("quit", "0", ExitReason::NormalExit, Phase::ShuttingDown, Phase::ShutDown),
        ("quit", "6", ExitReason::AbnormalExit { code: 6 }, Phase::ShuttingDown, Phase::Failed),
    ] {
        let worker = App::builder(program!("worker_crashes_when_asked"));
        let mut app = App::started(worker.env("E2E_AT", at).env("E2E_CODE", code)).await;
        patiently("the shutdown", app.master().shutdown()).await.unwrap();
        let event = app.until("exited").await;
        assert_eq!(event.phase, phase, "{at} {code}");
        let exit = app.worker(0).last_exit.unwrap();
        assert_eq!((exit.reason, exit.during), (reason, during), "{at} {code}");
        assert_eq!(exit.asked_by.as_deref(), Some("shutdown()"));
        has_used_something(&exit);
        app.is_gone().await;
    }
}

/// Shuts down a worker that will not leave, and tells what deadline it missed and how it ended.
async fn overdue(builder: MasterBuilder) -> (String, Exit) {
    let mut app = App::started(builder).await;
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    let missed = app.until("deadline_missed").await.kind.detail();
    let exit = app.exit().await;
    app.is_gone().await;
    has_used_something(&exit);
    assert_eq!(exit.asked_by.as_deref(), Some("shutdown()"));
    (missed, (*exit).clone())
}

#[tokio::test]
async fn a_worker_that_does_not_drain_in_time_is_ended_by_sigterm() {
    let worker = App::builder(program!("worker_ignores_stop")).stop_policy(short_drain());
    let (missed, exit) = overdue(worker).await;
    assert_eq!(missed, "it did not drain in time");
    assert_eq!((exit.reason, exit.during), (ended_by(KillCause::StopDeadline, 15), Phase::ShuttingDown));
    assert_eq!(exit.to_string(), "was ended by SIGTERM: it did not drain in time");
}

#[tokio::test]
async fn a_worker_that_drains_but_does_not_leave_in_time_is_ended_by_sigterm() {
    let stop = StopPolicy { quit_timeout: SHORT, ..StopPolicy::default() };
    let (missed, exit) = overdue(App::builder(program!("worker_ignores_quit")).stop_policy(stop)).await;
    assert_eq!(missed, "it did not leave in time");
    assert_eq!((exit.reason, exit.during), (ended_by(KillCause::QuitDeadline, 15), Phase::ShuttingDown));
    assert_eq!(exit.to_string(), "was ended by SIGTERM: it did not leave in time");
}

#[tokio::test]
async fn a_plain_worker_that_is_deaf_to_its_stop_signal_is_killed() {
    let sink = drover_e2e::harness::Captured::default();
    let worker = App::builder(program!("worker_ignores_sigterm"))
        .protocol(Protocol::None)
        .start_policy(soon())
        .stop_policy(short_drain())
        .output_sink(sink.clone());
    let mut app = App::started(worker).await;
    assert_eq!(sink.line(0).await, "deaf");
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    assert_eq!(app.until("deadline_missed").await.kind.detail(), "it did not drain in time");
    let exit = app.exit().await;
    assert_eq!(exit.reason, ended_by(KillCause::StopDeadline, 9));
    assert_eq!(exit.to_string(), "was ended by SIGKILL: it did not drain in time");
    app.is_gone().await;
}

#[tokio::test]
async fn a_plain_worker_that_obeys_its_stop_signal_ended_as_asked() {
    let worker = App::builder(program!("worker_plain")).protocol(Protocol::None).start_policy(soon());
    let mut app = App::started(worker).await;
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    let event = app.until("exited").await;
    assert_eq!(event.phase, Phase::ShutDown);
    let exit = app.worker(0).last_exit.unwrap();
    assert_eq!(exit.reason, ended_by(KillCause::StopSignal, SIGTERM as i32));
    assert_eq!(exit.to_string(), "was ended by SIGTERM, as asked");
    app.is_gone().await;
}

#[tokio::test]
async fn a_worker_that_is_not_ready_in_time_is_ended_and_the_start_fails() {
    let start = drover_master::config::StartPolicy { timeout: SHORT, ..Default::default() };
    let (mut app, error) =
        App::failed(App::builder(program!("worker_never_ready")).start_policy(start)).await;
    let name = app.name().to_owned();
    assert_eq!(
        error.to_string(),
        format!("app `{name}` failed to start: worker 0 was ended by SIGTERM: it was not ready in time")
    );
    let exit = app.exit().await;
    assert_eq!((exit.reason, exit.asked_by.as_deref()), (ended_by(KillCause::StartDeadline, 15), None));
    app.is_gone().await;
}

#[tokio::test]
async fn a_killed_app_says_so_of_every_worker() {
    let mut app = App::started(App::builder(program!("worker_good")).workers(3)).await;
    patiently("the kill", app.master().kill()).await.unwrap();
    for _ in 0..3 {
        let exit = app.exit().await;
        assert_eq!((exit.reason, exit.during), (ended_by(KillCause::HardShutdown, 9), Phase::ShuttingDown));
        assert_eq!(exit.to_string(), "was ended by SIGKILL: the app was killed");
        assert_eq!(exit.asked_by.as_deref(), Some("kill()"));
        has_used_something(&exit);
    }
    assert_eq!(app.outcome().await.to_string(), "killed, asked by kill()");
}

#[tokio::test]
async fn only_the_last_lines_of_stderr_are_kept() {
    let script = "i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo line $i >&2; done; exit 4";
    let command = drover_master::Command::new("/bin/sh").args(["-c", script]);
    let spec = drover_master::config::AppSpec {
        command,
        restart: never(),
        start: keep_going(),
        protocol: Protocol::None,
        ..App::builder("/bin/sh").spec().clone()
    };
    let mut app = App::new(MasterBuilder::from_spec(spec));
    drop(app.master().start());
    let exit = app.exit().await;
    let expected: Vec<String> = (31..=50).map(|number| format!("line {number}")).collect();
    assert_eq!(exit.stderr_tail, expected);
    app.end().await;
}
