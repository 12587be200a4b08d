//! The program's own say in what follows an exit.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use drover_e2e::harness::{App, signal};
use drover_master::{EventKind, ExitDecision, Outcome, Phase};
use nix::sys::signal::SIGKILL;

use crate::policies::never;

/// An app of two workers under this decision; the worker in slot 0 is killed.
async fn after_a_kill(decision: ExitDecision) -> App {
    let worker = App::builder(program!("worker_good")).workers(2).on_exit(move |_| decision);
    let mut app = App::started(worker).await;
    signal(app.pid(0), SIGKILL);
    app.until("exited").await;
    app
}

#[tokio::test]
async fn the_hook_is_given_the_worker_its_end_and_the_policys_proposal() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&seen);
    let worker =
        App::builder(program!("worker_crashes_when_ready")).env("E2E_CODE", "7").on_exit(move |context| {
            let exit = context.exit;
            let said =
                (context.worker.slot.0, context.worker.id.0, exit.to_string(), exit.stderr_tail.clone());
            asked.lock().unwrap().push((said, context.proposed));
            ExitDecision::Leave
        });
    let mut app = App::started(worker).await;
    app.outcome().await;
    let seen = seen.lock().unwrap();
    let [((slot, id, sentence, words), proposed)] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((*slot, *id, sentence.as_str()), (0, 1, "exited with code 7 while ready"));
    assert_eq!(words, &["so long"]);
    assert!(matches!(proposed, ExitDecision::RestartAfter(_)), "{proposed:?}");
}

#[tokio::test]
async fn restart_means_at_once() {
    let mut app = after_a_kill(ExitDecision::Restart).await;
    let scheduled = app.until("restart_scheduled").await;
    assert!(matches!(scheduled.kind, EventKind::RestartScheduled { after: Duration::ZERO, .. }));
    app.until("started").await;
    assert_eq!(app.worker(0).restarts, 1);
    app.end().await;
}

#[tokio::test]
async fn restart_after_waits_as_long_as_it_says() {
    let pause = Duration::from_millis(30);
    let mut app = after_a_kill(ExitDecision::RestartAfter(pause)).await;
    let scheduled = app.until("restart_scheduled").await;
    assert!(matches!(scheduled.kind, EventKind::RestartScheduled { after, .. } if after == pause));
    let started = app.until("started").await;
    assert!(started.time.duration_since(scheduled.time).unwrap() >= pause);
    app.end().await;
}

#[tokio::test]
async fn leave_empties_the_slot_and_the_others_go_on() {
    let mut app = after_a_kill(ExitDecision::Leave).await;
    assert_eq!(app.until("gave_up").await.kind.detail(), "the policy hook said so");
    assert_eq!((app.worker(0).phase, app.worker(1).phase), (Phase::Failed, Phase::Started));
    assert_eq!(app.master().snapshot().status.ready, 1);
    app.end().await;
}

#[tokio::test]
async fn stop_app_and_stop_all_end_the_app_gracefully() {
    for (decision, stops_all) in [(ExitDecision::StopApp, false), (ExitDecision::StopAll, true)] {
        let mut app = after_a_kill(decision).await;
        assert_eq!(app.until("app_stopping").await.kind.detail(), "asked by the policy hook");
        assert_eq!(app.exit().await.to_string(), "exited with code 0 while quitting");
        let outcome = app.outcome().await;
        assert!(matches!(outcome, Outcome::Failed { stop_all, .. } if stop_all == stops_all), "{outcome:?}");
        assert_eq!(outcome.to_string(), "failed: the policy hook said so");
    }
}

#[tokio::test]
async fn a_hook_that_panics_has_no_say() {
    let worker = App::builder(program!("worker_good")).restart_policy(never());
    let mut app = App::started(worker.on_exit(|_| panic!("a fault of the hook, as the test wants it"))).await;
    signal(app.pid(0), SIGKILL);
    assert_eq!(app.until("gave_up").await.kind.detail(), "the restart policy says never");
    app.outcome().await;
}

#[tokio::test]
async fn the_hook_is_not_asked_about_an_end_that_was_asked_for() {
    let worker = App::builder(program!("worker_good")).workers(2);
    let app = App::started(worker.on_exit(|context| panic!("{context:?}"))).await;
    app.end().await;
}
