//! Restarts: those that leak, those that loop, those that never come.

use std::num::NonZeroU32;
use std::time::Duration;

use drover_e2e::harness::{App, patiently, signal};
use drover_master::config::{Heartbeat, LimitReached};
use drover_master::{ExitDecision, ExitReason, KillCause, OperateError, Phase, Target};
use nix::sys::signal::{SIGKILL, SIGSTOP};

use super::{running, told};
use crate::policies::{at_most, at_once};

/// "Restart by id leaks a process": handler and library both replaced the worker, 2 processes alive, 1 tracked.
#[tokio::test]
async fn defect_05_a_killed_worker_has_one_replacement_whoever_else_reacts() {
    let worker = App::builder(program!("worker_good")).workers(2).restart_policy(at_once());
    let mut app = App::started(worker.on_exit(|_| ExitDecision::Restart)).await;
    app.until("app_started").await;
    // A program that answers each end by an operation of its own, as the Node module's page advises.
    let (master, mut events) = (app.master().clone(), app.master().events());
    let reacts = tokio::spawn(async move {
        while let Ok(event) = events.next().await {
            if event.name() == "exited" {
                drop(master.start());
            }
        }
    });
    for _ in 0..3 {
        for slot in 0..2 {
            signal(app.pid(slot), SIGKILL);
        }
        for _ in 0..2 {
            app.until("started").await;
        }
        assert_eq!(running(&app), told(&app));
        assert_eq!(running(&app).len(), 2);
    }
    reacts.abort();
    assert!(reacts.await.unwrap_err().is_cancelled());
    app.end().await;
}

/// "Both replacements target the same index, the first is overwritten."
#[tokio::test]
async fn defect_05_a_restart_by_id_leaves_one_process_however_often_it_is_asked_for() {
    let mut app = App::started(App::builder(program!("worker_good")).workers(2)).await;
    app.until("app_started").await;
    // The restart's own exit is answered by one more, as the Node module's page advises.
    let (master, mut events) = (app.master().clone(), app.master().events());
    let reacts = tokio::spawn(async move {
        loop {
            let event = events.next().await.unwrap();
            if event.name() == "exited" {
                let id = event.worker.and_then(|worker| worker.id).unwrap();
                return master.restart(Target::Worker(id)).await;
            }
        }
    });
    let (id, old, neighbour) = (app.worker(0).id.unwrap(), app.pid(0), app.pid(1));
    for ticket in [(); 3].map(|()| app.master().restart(Target::Worker(id))) {
        patiently("a restart", ticket).await.unwrap();
    }
    let refused = patiently("the reaction", reacts).await.unwrap().unwrap_err();
    assert!(matches!(refused, OperateError::Denied { .. }), "{refused:?}");
    assert_eq!((running(&app), app.pid(1)), (told(&app), neighbour));
    assert_eq!((told(&app).len(), told(&app).contains(&old)), (2, false));
    app.end().await;
}

/// "One worker killed plus a replacement that crashes at boot ends the whole master; the slot is never retried."
#[tokio::test]
async fn defect_13_a_replacement_that_fails_at_its_boot_is_tried_again_and_ends_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let cure = dir.path().join("config");
    std::fs::write(&cure, "").unwrap();
    let worker = App::builder(program!("worker_exits_at_start")).workers(2);
    let mut app = App::started(worker.env("E2E_CURE", cure.as_os_str()).env("E2E_CODE", "3")).await;
    app.until("app_started").await;
    let neighbour = app.pid(1);

    std::fs::remove_file(&cure).unwrap();
    signal(app.pid(0), SIGKILL);
    assert_eq!(app.exit().await.during, Phase::Started);
    let at_boot = app.exit().await;
    assert_eq!((at_boot.reason, at_boot.during), (ExitReason::AbnormalExit { code: 3 }, Phase::Starting));
    app.until("restart_scheduled").await;
    assert_eq!(app.master().snapshot().status.phase, Phase::Started);
    std::fs::write(&cure, "").unwrap();
    app.until("started").await;
    assert!(app.worker(0).restarts >= 2);
    assert_eq!((app.pid(1), app.worker(1).restarts), (neighbour, 0));
    app.end().await;
}

/// "Crash loop: no policy in the library."
#[tokio::test]
async fn defect_13_a_crash_loop_ends_at_its_limit_and_says_so() {
    let worker = App::builder(program!("worker_crashes_when_ready")).env("E2E_CODE", "1");
    let mut app = App::started(worker.restart_policy(at_most(3, LimitReached::StopApp))).await;
    let outcome = app.outcome().await;
    assert_eq!(outcome.to_string(), "failed: too many failures within the window of restart.limit");
    assert_eq!(app.worker(0).restarts, 3);
}

/// "Absent: hung-worker detection."
#[tokio::test]
async fn defect_22_a_worker_that_hangs_is_noticed_and_replaced() {
    let often = Heartbeat { interval: Duration::from_millis(100), misses: NonZeroU32::new(3).unwrap() };
    let worker = App::builder(program!("worker_good")).workers(2).heartbeat(Some(often));
    let mut app = App::started(worker.restart_policy(at_once())).await;
    app.until("app_started").await;
    let (hung, neighbour) = (app.pid(0), app.pid(1));
    signal(hung, SIGSTOP);
    let exit = app.exit().await;
    assert!(matches!(exit.reason, ExitReason::KilledByMaster { cause: KillCause::Unresponsive, .. }));
    app.until("started").await;
    assert!(app.pid(0) != hung && app.pid(1) == neighbour);
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    app.is_gone().await;
}
