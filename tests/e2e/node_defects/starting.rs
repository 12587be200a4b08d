//! Starts: those that hang, those that fail, those that come again.

use drover_e2e::harness::{App, patiently, signal};
use drover_master::config::StartPolicy;
use drover_master::{EventKind, ExitReason, Phase, SpawnStep, StartError};
use nix::sys::signal::SIGKILL;

use super::{running, scripted, told};
use crate::policies::SHORT;

/// "A worker that never reports ready hangs `start()` for ever."
#[tokio::test]
async fn defect_01_a_worker_that_never_says_ready_does_not_hang_the_start() {
    let start = StartPolicy { timeout: SHORT, ..StartPolicy::default() };
    let never_ready = App::builder(program!("worker_never_ready")).start_policy(start);
    let (mut app, error) = App::failed(never_ready).await;
    assert!(error.to_string().ends_with("was ended by SIGTERM: it was not ready in time"), "{error}");
    app.is_gone().await;
}

/// "A failed start bricks the master": nothing could be asked of it any more, and workers that had started lived on.
#[tokio::test]
async fn defect_03_after_a_failed_start_nothing_lives_and_everything_can_be_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let cure = dir.path().join("cure");
    // The first slot starts always, the second only with the cure.
    let script = format!(
        "[ $DROVER_SLOT = 0 ] || [ -e {} ] || exit 3; exec {}",
        cure.display(),
        program!("worker_good")
    );
    let one_by_one = StartPolicy { parallel: 1.try_into().unwrap(), ..StartPolicy::default() };
    let (mut app, error) = App::failed(scripted(&script).start_policy(one_by_one)).await;
    let started = app.until("started").await;
    assert_eq!(started.worker.unwrap().slot.0, 0, "one had started");
    app.is_gone().await;

    let master = app.master();
    assert_eq!(master.snapshot().status.phase, Phase::Failed);
    patiently("a shutdown", master.shutdown()).await.unwrap();
    patiently("a hurry", master.hurry()).await.unwrap();
    patiently("a kill", master.kill()).await.unwrap();
    let again = patiently("a second failure", master.start()).await.unwrap_err();
    assert_eq!(again.to_string(), error.to_string());

    std::fs::write(&cure, "").unwrap();
    patiently("the start", master.start()).await.unwrap();
    assert_eq!(master.snapshot().status.ready, 2);
    app.end().await;
}

/// "Sequential everything: start time = N × boot, drain time = sum of drains, while later old workers keep accepting."
#[tokio::test]
async fn defect_10_workers_start_and_drain_side_by_side() {
    let start = StartPolicy { parallel: 4.try_into().unwrap(), ..StartPolicy::default() };
    let mut app = App::new(App::builder(program!("worker_never_ready")).workers(4).start_policy(start));
    drop(app.master().start());
    for _ in 0..4 {
        assert_eq!(app.until("handshaken").await.phase, Phase::Starting, "none has to wait for another");
    }
    patiently("the kill", app.master().kill()).await.unwrap();
    app.is_gone().await;

    let mut app = App::started(App::builder(program!("worker_ignores_stop")).workers(4)).await;
    let shutdown = app.master().shutdown();
    for _ in 0..4 {
        app.until("stopping").await;
    }
    let workers = app.master().snapshot().workers;
    assert!(workers.iter().all(|worker| worker.phase == Phase::Stopping), "{workers:?}");
    patiently("the kill", app.master().kill()).await.unwrap();
    patiently("the shutdown", shutdown).await.unwrap();
    app.is_gone().await;
}

/// "Master is single-use: after graceful shutdown `start()` succeeds with zero workers; after hard shutdown it rejects and
/// sticks."
#[tokio::test]
async fn defect_11_a_master_starts_all_its_workers_again_after_every_end() {
    let app = App::new(App::builder(program!("worker_good")).workers(2));
    let master = app.master();
    for gracefully in [true, false] {
        patiently("the start", master.start()).await.unwrap();
        assert_eq!((master.snapshot().status.ready, running(&app).len()), (2, 2));
        let end = if gracefully { master.shutdown() } else { master.kill() };
        patiently("the end", end).await.unwrap();
        assert_eq!(running(&app), [0; 0]);
    }
    patiently("the last start", master.start()).await.unwrap();
    assert_eq!((master.snapshot().status.ready, told(&app)), (2, running(&app)));
    app.end().await;
}

/// "`error` of a worker proxy has no listener in the master: a spawn failure becomes an uncaught exception in the master."
#[tokio::test]
async fn defect_15_a_process_that_can_not_be_made_is_an_error_first_and_a_failure_to_try_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("worker");
    let missing = ExitReason::SpawnFailed { step: SpawnStep::Exec, errno: libc::ENOENT };
    let mut app = App::new(App::builder(&program).workers(2));
    let error = patiently("the failure", app.master().start()).await.unwrap_err();
    let StartError::Worker { failure, .. } = &error else { panic!("{error:?}") };
    assert_eq!(failure.exit.reason, missing);

    let link = || std::os::unix::fs::symlink(program!("worker_good"), &program).unwrap();
    link();
    patiently("the start", app.master().start()).await.unwrap();
    app.until("app_started").await;
    let (killed, neighbour) = (app.pid(0), app.pid(1));
    std::fs::remove_file(&program).unwrap();
    signal(killed, SIGKILL);
    assert_eq!(
        app.exit().await.reason,
        ExitReason::ExternalSignal { signal: drover_master::Signal::KILL, core_dumped: false }
    );
    assert_eq!(app.exit().await.reason, missing);
    let scheduled = app.until("restart_scheduled").await;
    assert!(matches!(scheduled.kind, EventKind::RestartScheduled { attempt: 2.., .. }), "{scheduled:?}");
    link();
    app.until("started").await;
    assert_eq!((app.pid(1), app.worker(1).restarts), (neighbour, 0));
    app.end().await;
}
