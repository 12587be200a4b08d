//! How workers come back.

use drover_e2e::harness::{App, of_app, signal};
use drover_master::config::{Backoff, LimitReached, Protocol, RestartPolicy, RestartWhen};
use drover_master::{EventKind, Outcome, Phase};
use nix::sys::signal::SIGKILL;

use crate::policies::{at_most, at_once, keep_going, soon};

#[tokio::test]
async fn a_killed_worker_is_back_after_a_pause_in_its_slot_with_a_new_pid() {
    let mut app = App::started(App::builder(program!("worker_good")).workers(2)).await;
    let before = app.master().snapshot();
    let (old, neighbour) = (app.pid(1), app.pid(0));
    signal(old, SIGKILL);
    let exited = app.until("exited").await;
    assert_eq!(exited.worker.unwrap().pid, Some(old));
    let scheduled = app.until("restart_scheduled").await;
    let EventKind::RestartScheduled { after, attempt } = scheduled.kind else { panic!("{scheduled:?}") };
    assert_eq!((scheduled.worker.unwrap().slot.0, scheduled.phase, attempt), (1, Phase::BackingOff, 1));
    assert!((160..=240).contains(&after.as_millis()), "200 ms and a fifth to either side, got {after:?}");
    let waiting = app.worker(1);
    if waiting.phase == Phase::BackingOff {
        assert!(waiting.next_try.is_some() && waiting.pid.is_none() && waiting.id.is_none());
    }
    let started = app.until("started").await;
    let paused = started.time.duration_since(scheduled.time).unwrap();
    assert!(paused >= after, "{paused:?} instead of {after:?}");

    let now = app.worker(1);
    assert_ne!(now.pid, Some(old));
    assert!(now.id > before.workers[1].id);
    assert_eq!((now.slot.0, now.restarts, now.phase), (1, 1, Phase::Started));
    assert_eq!(now.last_exit.unwrap().to_string(), "was ended by SIGKILL from outside while ready");
    assert_eq!((app.pid(0), app.worker(0).restarts), (neighbour, 0));
    assert_eq!(of_app(app.name()).len(), 2);
    app.end().await;
}

#[tokio::test]
async fn the_pauses_between_failures_grow_and_each_restart_is_counted() {
    let backoff =
        Backoff { initial: std::time::Duration::from_millis(20), jitter: 0.0, ..Backoff::default() };
    let policy = RestartPolicy { backoff, ..RestartPolicy::default() };
    let worker = App::builder(program!("worker_crashes_when_ready")).env("E2E_CODE", "1");
    let mut app = App::started(worker.restart_policy(policy)).await;
    for (attempt, pause) in [(1, 20), (2, 40), (3, 80)] {
        let scheduled = app.until("restart_scheduled").await;
        let expected =
            EventKind::RestartScheduled { after: std::time::Duration::from_millis(pause), attempt };
        assert_eq!(scheduled.kind, expected);
        app.until("started").await;
        assert!(app.worker(0).restarts >= u64::from(attempt));
    }
    app.end().await;
}

#[tokio::test]
async fn a_slot_that_fails_too_often_is_given_up_and_the_others_go_on() {
    let mut app = App::started(
        App::builder(program!("worker_good")).workers(2).restart_policy(at_most(2, LimitReached::GiveUp)),
    )
    .await;
    for _ in 0..2 {
        signal(app.pid(1), SIGKILL);
        app.until("restart_scheduled").await;
        app.until("started").await;
    }
    signal(app.pid(1), SIGKILL);
    let gave_up = app.until("gave_up").await;
    assert_eq!(gave_up.kind.detail(), "too many failures within the window of restart.limit");
    let (given_up, other) = (app.worker(1), app.worker(0));
    assert_eq!((given_up.phase, given_up.pid, given_up.restarts), (Phase::Failed, None, 2));
    assert_eq!((other.phase, other.restarts), (Phase::Started, 0));
    assert_eq!(app.master().snapshot().status.phase, Phase::Started);
    app.end().await;
}

#[tokio::test]
async fn the_breaker_can_end_the_whole_app() {
    for (then, stops_all) in [(LimitReached::StopApp, false), (LimitReached::StopAll, true)] {
        let policy = at_most(1, then);
        let mut app =
            App::started(App::builder(program!("worker_good")).workers(2).restart_policy(policy)).await;
        signal(app.pid(0), SIGKILL);
        app.until("restart_scheduled").await;
        app.until("started").await;
        signal(app.pid(0), SIGKILL);
        let outcome = app.outcome().await;
        assert!(matches!(outcome, Outcome::Failed { stop_all, .. } if stop_all == stops_all), "{outcome:?}");
        assert_eq!(outcome.to_string(), "failed: too many failures within the window of restart.limit");
        let status = app.master().snapshot().status;
        assert_eq!(status.phase, Phase::Failed);
        assert_eq!(status.outcome, Some(outcome.to_string()));
    }
}

#[tokio::test]
async fn an_app_whose_workers_all_succeed_is_completed() {
    let worker = App::builder(program!("worker_plain")).workers(3).protocol(Protocol::None);
    let mut app = App::started(worker.start_policy(soon()).env("E2E_AFTER_MS", "0")).await;
    assert_eq!(app.outcome().await, Outcome::Completed);
    let snapshot = app.master().snapshot();
    assert_eq!(snapshot.status.phase, Phase::ShutDown);
    assert!(snapshot.workers.iter().all(|worker| worker.phase == Phase::ShutDown && worker.restarts == 0));
}

#[tokio::test]
async fn a_code_that_makes_trying_again_useless_is_not_tried_again() {
    let policy = RestartPolicy { fatal_codes: vec![78], ..at_once() };
    let worker = App::builder(program!("worker_crashes_when_ready")).restart_policy(policy);
    let mut app = App::started(worker.env("E2E_CODE", "78")).await;
    assert_eq!(app.until("gave_up").await.kind.detail(), "the exit code is one of fatal_codes");
    assert_eq!(app.outcome().await.to_string(), "failed: the exit code is one of fatal_codes");
}

#[tokio::test]
async fn always_means_after_a_success_too() {
    let policy = RestartPolicy { when: RestartWhen::Always, ..at_once() };
    let worker = App::builder(program!("worker_crashes_when_ready")).restart_policy(policy);
    let mut app = App::started(worker.env("E2E_CODE", "0")).await;
    for restarts in 1..=3 {
        app.until("restart_scheduled").await;
        app.until("started").await;
        assert!(app.worker(0).restarts >= restarts);
    }
    app.end().await;
}

#[tokio::test]
async fn a_start_that_keeps_going_waits_until_the_worker_comes_up() {
    let dir = tempfile::tempdir().unwrap();
    let cure = dir.path().join("config");
    let worker = App::builder(program!("worker_exits_at_start"))
        .start_policy(keep_going())
        .env("E2E_CURE", cure.as_os_str())
        .env("E2E_CODE", "3");
    let mut app = App::new(worker);
    let start = app.master().start();
    app.until("restart_scheduled").await;
    assert_eq!(app.master().snapshot().status.phase, Phase::Starting);
    std::fs::write(&cure, "").unwrap();
    drover_e2e::harness::patiently("the start", start).await.unwrap();
    assert_eq!(app.worker(0).phase, Phase::Started);
    assert!(app.worker(0).restarts >= 1);
    app.end().await;
}

#[tokio::test]
async fn a_stop_beats_a_pending_try() {
    let backoff = Backoff {
        initial: std::time::Duration::from_secs(3600),
        max: std::time::Duration::from_secs(3600),
        ..Backoff::default()
    };
    let policy = RestartPolicy { backoff, ..RestartPolicy::default() };
    let mut app = App::started(App::builder(program!("worker_good")).workers(2).restart_policy(policy)).await;
    signal(app.pid(0), SIGKILL);
    app.until("restart_scheduled").await;
    assert_eq!(app.worker(0).phase, Phase::BackingOff);
    app.end().await;
}
