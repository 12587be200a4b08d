//! Single workers of a running app: stopped, started, restarted, signalled.

use std::time::Duration;

use drover_e2e::harness::{App, Captured, of_app, signal};
use drover_master::config::{AppSpec, Protocol, RestartPolicy, RestartWhen, StopPolicy};
use drover_master::{
    Command, Count, DenyReason, EventKind, ExitReason, MasterBuilder, OperateError, Phase, SlotIndex, Stream,
    Target, WorkerId,
};
use nix::sys::signal::SIGKILL;

use crate::policies::soon;

/// An app of a shell script, which is ready as soon as it runs.
fn script(text: &str, sink: &Captured) -> MasterBuilder {
    let spec = App::builder("sh").start_policy(soon()).protocol(Protocol::None).spec().clone();
    let command = Command::new("sh").args(["-c", text]);
    MasterBuilder::from_spec(AppSpec { command, ..spec }).output_sink(sink.clone())
}

fn slot(index: u32) -> Target {
    Target::Slot(SlotIndex(index))
}

#[tokio::test]
async fn a_restarted_worker_drains_first_and_exactly_one_takes_its_place() {
    let mut app = App::started(App::builder(program!("worker_good")).workers(2)).await;
    let (old, neighbour) = (app.pid(0), app.pid(1));
    app.master().restart(slot(0)).await.unwrap();
    assert_ne!(app.pid(0), old);
    assert_eq!((app.pid(1), app.worker(0).restarts), (neighbour, 1));
    let exit = app.worker(0).last_exit.unwrap();
    assert_eq!((exit.reason, exit.asked_by.as_deref()), (ExitReason::NormalExit, Some("restart()")));
    let phases = ["stopping", "stopped", "shutting_down", "exited", "spawned", "starting", "started"];
    for phase in phases {
        assert_eq!(app.until(phase).await.worker.unwrap().slot.0, 0);
    }
    assert_eq!(of_app(app.name()).len(), 2);
    app.end().await;
}

#[tokio::test]
async fn a_restart_of_all_keeps_the_listener_open_and_replaces_every_worker() {
    let builder = App::builder(program!("worker_good")).workers(3).listen("http", "127.0.0.1:0");
    let app = App::started(builder).await;
    let addr = app.master().listener_addr("http").unwrap();
    let old: Vec<u32> = (0..3).map(|slot| app.pid(slot)).collect();
    let restart = app.master().restart(Target::All);
    // Whoever connects meanwhile waits in the queue, and is not refused.
    let client = tokio::net::TcpStream::connect(addr).await;
    assert!(client.is_ok(), "{client:?}");
    drop(client);
    restart.await.unwrap();
    assert_eq!(app.master().listener_addr("http"), Some(addr));
    assert!((0..3).all(|slot| !old.contains(&app.pid(slot))));
    assert_eq!(of_app(app.name()).len(), 3);
    app.end().await;
}

#[tokio::test]
async fn a_stopped_worker_stays_away_until_it_is_started_and_the_app_runs_on() {
    let app = App::started(App::builder(program!("worker_good")).workers(2)).await;
    app.master().stop_workers(slot(1)).await.unwrap();
    assert_eq!(of_app(app.name()).len(), 1);
    let status = app.master().snapshot().status;
    assert_eq!((status.phase, status.desired, status.ready), (Phase::Started, 1, 1));
    assert_eq!((app.worker(1).phase, app.worker(1).pid), (Phase::ShutDown, None));
    app.master().stop_workers(slot(0)).await.unwrap();
    assert_eq!(of_app(app.name()).len(), 0);
    assert_eq!(app.master().snapshot().status.phase, Phase::Started);
    app.master().start_workers(slot(1)).await.unwrap();
    assert_eq!((app.worker(1).phase, of_app(app.name()).len()), (Phase::Started, 1));
    // A start of the app brings back the rest.
    app.master().start().await.unwrap();
    assert_eq!(of_app(app.name()).len(), 2);
    app.end().await;
}

#[tokio::test]
async fn a_stop_beats_a_pending_restart() {
    let policy = RestartPolicy::new(RestartWhen::Always);
    let mut app = App::started(App::builder(program!("worker_good")).restart_policy(policy)).await;
    signal(app.pid(0), SIGKILL);
    app.until("restart_scheduled").await;
    app.master().stop_workers(slot(0)).await.unwrap();
    assert_eq!((app.worker(0).phase, app.worker(0).next_try), (Phase::ShutDown, None));
    // Longer than the pause would have been.
    let spawned = tokio::time::timeout(Duration::from_millis(500), app.until("spawned")).await;
    assert!(spawned.is_err(), "{spawned:?}");
    app.end().await;
}

#[tokio::test]
async fn ten_restarts_at_once_are_one() {
    let app = App::started(App::builder(program!("worker_good"))).await;
    let id = app.worker(0).id.unwrap();
    let tickets: Vec<_> = (0..10).map(|_| app.master().restart(slot(0))).collect();
    for ticket in tickets {
        ticket.await.unwrap();
    }
    assert_eq!((app.worker(0).id, app.worker(0).restarts), (Some(WorkerId(id.0 + 1)), 1));
    assert_eq!(of_app(app.name()).len(), 1);
    app.end().await;
}

#[tokio::test]
async fn a_ticket_that_is_dropped_cancels_nothing() {
    let mut app = App::started(App::builder(program!("worker_good"))).await;
    let old = app.pid(0);
    drop(app.master().restart(slot(0)));
    app.until("exited").await;
    app.until("started").await;
    assert_ne!(app.pid(0), old);
    app.end().await;
}

#[tokio::test]
async fn who_does_not_want_to_wait_knows_whether_it_was_let_in() {
    let app = App::started(App::builder(program!("worker_ignores_stop"))).await;
    let mut stop = app.master().stop_workers(slot(0));
    stop.admitted().await.unwrap();
    assert_eq!(app.worker(0).phase, Phase::Stopping, "let in, and not done");
    let denied = app.master().restart(slot(0)).admitted().await;
    let Err(OperateError::Denied { reason, .. }) = denied else { panic!("{denied:?}") };
    assert_eq!(reason, DenyReason::SlotStopping { slot: SlotIndex(0) });
    app.master().kill().await.unwrap();
    stop.await.unwrap();
    app.end().await;
}

#[tokio::test]
async fn a_restart_that_comes_to_nothing_says_why_with_the_last_words() {
    let dir = tempfile::tempdir().unwrap();
    let flag = dir.path().join("broken");
    let text = format!("if [ -e {0} ]; then echo no license >&2; exit 3; fi; sleep 1000", flag.display());
    let app = App::started(script(&text, &Captured::default())).await;
    std::fs::write(&flag, "").unwrap();
    let failed = app.master().restart(slot(0)).await.unwrap_err();
    assert_eq!(failed.last_words(), ["no license"], "{failed}");
    assert!(failed.to_string().contains("exited with code 3"), "{failed}");
    std::fs::remove_file(&flag).unwrap();
    // The policy goes on trying.
    app.master().start_workers(slot(0)).await.unwrap();
    app.end().await;
}

#[tokio::test]
async fn who_is_not_there_is_named() {
    let app = App::started(App::builder(program!("worker_good"))).await;
    let error = app.master().restart(slot(3)).await.unwrap_err().to_string();
    assert!(error.ends_with("there is no worker 3 among the 1 of the app"), "{error}");
    let error = app.master().stop_workers(Target::Worker(WorkerId(99))).await.unwrap_err().to_string();
    assert!(error.ends_with("there is no living worker with the id 99"), "{error}");
    app.master().shutdown().await.unwrap();
    let error = app.master().restart(Target::All).await.unwrap_err().to_string();
    assert!(error.ends_with("start the app by its own name"), "{error}");
    app.end().await;
}

#[tokio::test]
async fn a_signal_goes_to_the_process_and_not_to_what_it_started() {
    // The child would say so and end.
    let text = "trap 'echo heard' USR1; sh -c 'trap \"echo child heard\" USR1; while :; do sleep 0.05; done' & \
                  echo up; while :; do sleep 0.05; done";
    let sink = Captured::default();
    let mut app = App::started(script(text, &sink)).await;
    assert_eq!(sink.line(0).await, "up");
    app.master().signal(slot(0), drover_master::Signal::USR1).await.unwrap();
    assert_eq!(sink.line(1).await, "heard");
    let told = app.until("signalled").await;
    let EventKind::Signalled { signal, by } = &told.kind else { panic!("{told:?}") };
    assert_eq!((*signal, &**by), (drover_master::Signal::USR1, "signal()"));
    assert_eq!(sink.lines(Stream::Stdout).len(), 2, "the child heard nothing");
    app.end().await;
}

#[tokio::test]
async fn a_worker_serves_on_during_the_pre_stop_delay() {
    let stop = StopPolicy { pre_delay: Duration::from_millis(600), ..StopPolicy::default() };
    let builder = App::builder(program!("worker_good")).listen("http", "127.0.0.1:0").stop_policy(stop);
    let mut app = App::started(builder).await;
    let shutdown = app.master().shutdown();
    let lingering = app.until("stopping").await;
    assert_eq!(app.worker(0).phase, Phase::Stopping);
    shutdown.await.unwrap();
    let stopped = app.until("stopped").await;
    let lasted = stopped.time.duration_since(lingering.time).unwrap();
    assert!(lasted >= Duration::from_millis(600), "{lasted:?}");
    app.end().await;
}

#[tokio::test]
async fn the_history_of_a_slot_is_kept_and_bounded() {
    let app = App::started(App::builder(program!("worker_good"))).await;
    for _ in 0..10 {
        app.master().restart(slot(0)).await.unwrap();
    }
    let history = app.master().history(SlotIndex(0)).await.unwrap();
    assert_eq!(history.len(), 8);
    assert!(history.iter().all(|exit| exit.reason == ExitReason::NormalExit));
    assert!(app.master().history(SlotIndex(9)).await.unwrap().is_empty());
    app.end().await;
}

#[tokio::test]
async fn an_app_grows_and_shrinks_while_it_runs() {
    let app = App::started(App::builder(program!("worker_good")).workers(2)).await;
    let first = [app.pid(0), app.pid(1)];
    app.master().scale(Count::To(5)).await.unwrap();
    assert_eq!((of_app(app.name()).len(), app.master().snapshot().status.ready), (5, 5));
    app.master().scale(Count::By(-3)).await.unwrap();
    assert_eq!([app.pid(0), app.pid(1)], first, "the youngest left");
    let rows = app.master().snapshot().workers;
    assert_eq!((of_app(app.name()).len(), rows.len()), (2, 2));
    assert!(rows.iter().all(|row| row.restarts == 0));
    app.master().shutdown().await.unwrap();
    app.master().scale(Count::To(3)).await.unwrap();
    app.master().start().await.unwrap();
    assert_eq!(of_app(app.name()).len(), 3, "what was asked for while it did not run");
    app.end().await;
}

#[tokio::test]
async fn a_worker_that_leaves_because_of_a_scale_finishes_its_requests() {
    let builder = App::builder(program!("worker_good")).workers(2).listen("http", "127.0.0.1:0");
    let mut app = App::started(builder).await;
    app.master().scale(Count::To(1)).await.unwrap();
    for phase in ["stopping", "stopped", "shutting_down"] {
        app.until(phase).await;
    }
    let exit = app.exit().await;
    assert_eq!((exit.reason, exit.asked_by.as_deref()), (ExitReason::NormalExit, Some("scale()")));
    app.end().await;
}
