//! The start of an app that can be started.

use std::num::NonZeroU32;

use drover_e2e::harness::{App, of_app, patiently, signal, variable_of};
use drover_master::config::{Probe, Protocol, StartPolicy, cpus};
use drover_master::{Command, Phase};
use nix::sys::signal::SIGCONT;

use crate::policies::soon;
use crate::surroundings::plain;

#[tokio::test]
async fn a_start_resolves_once_every_worker_is_ready() {
    let app = App::new(App::builder(program!("worker_good")).workers(4).env("E2E_READY_AFTER_MS", "50"));
    let before = app.master().snapshot();
    assert_eq!((before.status.phase, before.status.ready), (Phase::Initialized, 0));
    assert!(before.workers.iter().all(|worker| worker.phase == Phase::Initialized && worker.pid.is_none()));

    patiently("the start", app.master().start()).await.unwrap();

    let after = app.master().snapshot();
    assert_eq!((after.status.phase, after.status.ready, after.status.desired), (Phase::Started, 4, 4));
    assert_eq!((after.status.operation, after.status.outcome), (None, None));
    assert_eq!(after.workers.len(), 4);
    for (slot, worker) in after.workers.iter().enumerate() {
        assert_eq!((worker.slot.0 as usize, worker.phase, worker.restarts), (slot, Phase::Started, 0));
        let pid = worker.pid.unwrap();
        assert_eq!(variable_of(pid, "DROVER_SLOT").unwrap(), slot.to_string());
        assert_eq!(variable_of(pid, "DROVER_WORKER_ID").unwrap(), worker.id.unwrap().to_string());
    }
    let mut pids: Vec<u32> = after.workers.iter().filter_map(|worker| worker.pid).collect();
    pids.sort_unstable();
    let mut running = of_app(app.name());
    running.sort_unstable();
    assert_eq!(running, pids);
    app.end().await;
}

#[tokio::test]
async fn the_number_of_workers_defaults_to_the_cpus() {
    let described = App::builder(program!("worker_good"));
    let name = described.spec().name.clone();
    let command = Command::new(program!("worker_good"));
    let app = App::started(drover_master::Master::builder(&name, command)).await;
    assert_eq!(app.master().snapshot().status.ready, cpus());
    assert_eq!(of_app(&name).len(), cpus() as usize);
    app.end().await;
}

#[tokio::test]
async fn a_worker_without_the_protocol_is_ready_when_it_has_lived_long_enough() {
    let app = App::started(
        App::builder(program!("worker_plain")).workers(2).protocol(Protocol::None).start_policy(soon()),
    )
    .await;
    let snapshot = app.master().snapshot();
    assert_eq!((snapshot.status.phase, snapshot.status.ready), (Phase::Started, 2));
    assert_eq!(variable_of(app.pid(0), "DROVER_SOCKET"), None);
    assert_eq!(variable_of(app.pid(0), "DROVER_TOKEN"), None);
    app.end().await;
}

#[tokio::test]
async fn a_second_start_joins_the_first_and_one_of_a_running_app_changes_nothing() {
    let app = App::new(App::builder(program!("worker_good")).workers(2));
    let (first, second) = (app.master().start(), app.master().start());
    patiently("the first", first).await.unwrap();
    patiently("the second", second).await.unwrap();
    let pids = [app.pid(0), app.pid(1)];
    patiently("the third", app.master().start()).await.unwrap();
    assert_eq!([app.pid(0), app.pid(1)], pids);
    assert_eq!(of_app(app.name()).len(), 2);
    app.end().await;
}

#[tokio::test]
async fn no_more_workers_are_starting_at_once_than_the_policy_allows() {
    let start = StartPolicy { parallel: NonZeroU32::new(2).unwrap(), ..StartPolicy::default() };
    let app = App::started(App::builder(program!("worker_good")).workers(6).start_policy(start)).await;
    let (mut starting, mut most) = (0, 0);
    for event in app.all_events() {
        match event.name() {
            "starting" => starting += 1,
            "started" => starting -= 1,
            _ => {}
        }
        most = most.max(starting);
    }
    assert_eq!((starting, most), (0, 2));
    app.end().await;
}

#[tokio::test]
async fn dropping_the_ticket_of_a_start_cancels_nothing() {
    let mut app = App::new(App::builder(program!("worker_good")));
    drop(app.master().start());
    app.until("app_started").await;
    assert_eq!(app.worker(0).phase, Phase::Started);
    app.end().await;
}

#[tokio::test]
async fn a_program_that_is_stopped_by_a_signal_is_not_ready_until_it_goes_on() {
    // The probe passes as soon as it stands still.
    let stands_still = Probe::exec("/bin/sh", ["-c", "grep -q '^State:.T' /proc/$DROVER_PID/status"]);
    let start = StartPolicy { probe: Some(stands_still), ..StartPolicy::default() };
    let command = Command::new("sh").args(["-c", "kill -STOP $$; exec sleep 300"]);
    let mut app = App::new(plain(command).start_policy(start));
    let start = app.master().start();
    let told = app.until("not_ready").await.kind.detail();
    assert!(told.contains("stopped by SIGSTOP"), "{told}");
    let worker = app.worker(0);
    assert_eq!((worker.phase, worker.unready.as_deref()), (Phase::Starting, Some(told.as_str())));
    signal(app.pid(0), SIGCONT);
    patiently("the start", start).await.unwrap();
    app.end().await;
}
