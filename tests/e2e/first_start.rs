//! A first start that fails: at once, wholly, with the reason, and not for ever.

use drover_e2e::harness::{App, of_app, patiently};
use drover_master::config::LimitReached;
use drover_master::{Outcome, Phase, StartError};

use crate::policies::{at_most, keep_going};

#[tokio::test]
async fn a_failed_first_start_leaves_nothing_and_can_be_repeated_once_the_cause_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let cure = dir.path().join("config");
    let worker = App::builder(program!("worker_exits_at_start"))
        .workers(3)
        .env("E2E_CURE", cure.as_os_str())
        .env("E2E_CODE", "3");
    let (mut app, error) = App::failed(worker).await;

    let StartError::Worker { failure, .. } = &error else { panic!("{error:?}") };
    assert_eq!(
        error.to_string(),
        format!(
            "app `{}` failed to start: worker {} exited with code 3 while starting",
            app.name(),
            failure.slot
        )
    );
    assert_eq!(error.last_words(), ["no config", "giving up"]);
    assert!(!app.all_events().iter().any(|event| event.name() == "restart_scheduled"), "it failed fast");
    let status = app.master().snapshot().status;
    assert_eq!((status.phase, status.ready), (Phase::Failed, 0));
    app.is_gone().await;
    assert!(matches!(app.outcome().await, Outcome::StartFailed(_)));

    std::fs::write(&cure, "").unwrap();
    patiently("the second start", app.master().start()).await.unwrap();
    let snapshot = app.master().snapshot();
    assert_eq!((snapshot.status.phase, snapshot.status.ready), (Phase::Started, 3));
    assert_eq!(snapshot.status.outcome, None);
    assert!(snapshot.workers.iter().all(|worker| worker.restarts == 0 && worker.last_exit.is_none()));
    app.end().await;
}

#[tokio::test]
async fn the_ready_neighbours_of_a_worker_that_fails_the_start_are_stopped_gracefully() {
    // Slot 0 is cured, slot 1 is not: the shell gives each its own worker.
    let script = format!(
        "[ $DROVER_SLOT = 0 ] && exec {}; E2E_CODE=9 exec {}",
        program!("worker_good"),
        program!("worker_exits_at_start")
    );
    let start = drover_master::config::StartPolicy { parallel: 1.try_into().unwrap(), ..Default::default() };
    let command = drover_master::Command::new("/bin/sh").args(["-c", &script]);
    let spec = drover_master::config::AppSpec {
        command,
        start,
        ..App::builder("/bin/sh").workers(2).spec().clone()
    };
    let (mut app, error) = App::failed(drover_master::MasterBuilder::from_spec(spec)).await;
    assert!(
        error.to_string().ends_with("failed to start: worker 1 exited with code 9 while starting"),
        "{error}"
    );
    let neighbour = app.worker(0).last_exit.unwrap();
    assert_eq!(neighbour.to_string(), "exited with code 0 while quitting");
    assert_eq!(neighbour.asked_by.as_deref(), Some("a failed start"));
    app.is_gone().await;
}

#[tokio::test]
async fn everybody_who_waits_for_a_failed_start_is_told() {
    let app = App::new(App::builder(program!("worker_exits_at_start")).env("E2E_CODE", "3"));
    let (first, second) = (app.master().start(), app.master().start());
    for ticket in [first, second] {
        let error = patiently("the failure", ticket).await.unwrap_err();
        assert!(matches!(error, StartError::Worker { .. }), "{error:?}");
    }
    assert_eq!(of_app(app.name()), [0; 0]);
    app.end().await;
}

#[tokio::test]
async fn a_start_that_keeps_going_fails_when_every_slot_is_given_up() {
    let worker = App::builder(program!("worker_exits_at_start")).workers(2).env("E2E_CODE", "3");
    let policy = at_most(2, LimitReached::GiveUp);
    let (mut app, error) = App::failed(worker.start_policy(keep_going()).restart_policy(policy)).await;
    assert_eq!(
        error.to_string(),
        format!(
            "the start of app `{}` was interrupted: failed: too many failed starts within the window of the restart limit",
            app.name()
        )
    );
    assert_eq!(
        app.outcome().await.to_string(),
        "failed: too many failed starts within the window of the restart limit"
    );
    assert_eq!(app.worker(0).restarts, 2);
}
