//! Whether a worker that is ready still answers.

use std::num::NonZeroU32;
use std::time::Duration;

use drover_e2e::harness::{App, signal, variable_of};
use drover_master::config::Heartbeat;
use drover_master::{ExitReason, KillCause, Phase};
use nix::sys::signal::SIGSTOP;

use crate::policies::at_once;

fn often() -> Heartbeat {
    Heartbeat { interval: Duration::from_millis(100), misses: NonZeroU32::new(3).unwrap() }
}

#[tokio::test]
async fn a_worker_that_is_frozen_is_ended_as_unresponsive_and_replaced() {
    let worker = App::builder(program!("worker_good")).heartbeat(Some(often())).restart_policy(at_once());
    let mut app = App::started(worker).await;
    let frozen = app.pid(0);
    signal(frozen, SIGSTOP);
    let missed = app.until("deadline_missed").await;
    assert_eq!(missed.kind.detail(), "it did not answer its heartbeats");
    let exit = app.exit().await;
    assert!(
        matches!(exit.reason, ExitReason::KilledByMaster { cause: KillCause::Unresponsive, .. }),
        "{:?}",
        exit.reason
    );
    app.until("started").await;
    assert_ne!(app.pid(0), frozen);
    app.end().await;
}

#[tokio::test]
async fn a_worker_that_answers_but_does_not_get_on_is_ended_by_its_watchdog() {
    let every = Duration::from_millis(300);
    let worker = || App::builder(program!("worker_good")).watchdog(Some(every)).restart_policy(at_once());
    let mut app = App::started(worker()).await;
    assert_eq!(variable_of(app.pid(0), "DROVER_WATCHDOG_MS").as_deref(), Some("300"));
    let exit = app.exit().await;
    assert!(matches!(exit.reason, ExitReason::KilledByMaster { cause: KillCause::Watchdog, .. }), "{exit}");
    app.until("started").await;
    app.end().await;

    let app = App::started(worker().env("E2E_PROGRESS_EVERY_MS", "50")).await;
    let pid = app.pid(0);
    tokio::time::sleep(every * 4).await;
    assert_eq!((app.pid(0), app.worker(0).phase), (pid, Phase::Started));
    app.end().await;
}

#[tokio::test]
async fn a_worker_that_answers_outlives_many_intervals() {
    let heartbeat = Heartbeat { interval: Duration::from_millis(5), misses: NonZeroU32::new(50).unwrap() };
    let app = App::started(App::builder(program!("worker_good")).heartbeat(Some(heartbeat))).await;
    let pid = app.pid(0);
    // Twice the time after which it would have been ended without its answers.
    tokio::time::sleep(Duration::from_millis(5) * 50 * 2).await;
    assert_eq!((app.pid(0), app.worker(0).phase), (pid, Phase::Started));
    app.end().await;
}
