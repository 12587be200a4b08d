//! What can be seen: who is who, what was said, what is kept and what is never shown.

use std::collections::BTreeSet;

use drover_e2e::harness::{App, Captured, eventually, patiently, signal, variable_of};
use drover_master::config::{AppSpec, Protocol};
use drover_master::{Command, Phase};
use nix::sys::signal::SIGKILL;

use super::running;
use crate::policies::{at_once, soon};

/// "`rescale` accepts NaN, fractions and strings."
#[tokio::test]
async fn defect_09_a_count_that_can_not_be_meant_is_refused_before_anything_runs() {
    for count in [0, 100_001, u32::MAX] {
        let error = App::builder(program!("worker_good")).workers(count).build().unwrap_err();
        let sentence = format!("workers is {count}, but must be 1 to 100000");
        assert!(error.to_string().ends_with(&sentence), "{error}");
    }
}

/// "Listener leaks: status waiters are not removed on rejection; `start-failed` listener never removed on success."
#[tokio::test]
async fn defect_16_neither_failures_nor_successes_leave_anybody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let cure = dir.path().join("cure");
    let worker = App::builder(program!("worker_exits_at_start")).env("E2E_CURE", cure.as_os_str());
    let app = App::new(worker.env("E2E_CODE", "3"));
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for round in 0..20 {
        if round == 10 {
            std::fs::write(&cure, "").unwrap();
        }
        let start = patiently("the start", app.master().start()).await;
        assert_eq!(start.is_ok(), round >= 10, "{start:?}");
        patiently("the shutdown", app.master().shutdown()).await.unwrap();
    }
    eventually("no task more than at first", || (tasks() <= before).then_some(())).await;
    app.end().await;
}

/// "Reload deep-clones live process objects with a generic clone; it works only because bound methods still point at the
/// originals."
#[tokio::test]
async fn defect_17_a_clone_of_the_handle_is_the_same_master() {
    let app = App::new(App::builder(program!("worker_good")).workers(2));
    let clone = app.master().clone();
    patiently("the start", clone.start()).await.unwrap();
    assert_eq!(app.master().snapshot().workers, clone.snapshot().workers);
    assert_eq!(running(&app).len(), 2);
    patiently("the shutdown", clone.shutdown()).await.unwrap();
    assert_eq!(app.master().snapshot().status.phase, Phase::ShutDown);
    app.end().await;
}

/// "Workers' statuses can go backwards or skip (no state machine check); duplicate `stop` gives no status change, hence a
/// hang."
#[tokio::test]
async fn defect_19_a_word_out_of_order_changes_no_status_and_a_second_stop_is_answered() {
    for program in [program!("worker_says_started_twice"), program!("worker_says_stopped_unasked")] {
        let mut app = App::started(App::builder(program)).await;
        app.until("out_of_order").await;
        assert_eq!(app.worker(0).phase, Phase::Started);
        let (first, second) = (app.master().shutdown(), app.master().shutdown());
        patiently("the first", first).await.unwrap();
        patiently("the second", second).await.unwrap();
        let phases: Vec<Phase> =
            app.all_events().iter().filter(|event| event.worker.is_some()).map(|event| event.phase).collect();
        let order = |phase: &Phase| Phase::ALL.iter().position(|one| one == phase);
        assert!(phases.is_sorted_by_key(order), "{phases:?}");
        app.is_gone().await;
    }
}

/// "Status list has no identity (no id, pid, age, generation); no event for start, ready, stop, restart."
#[tokio::test]
async fn defect_20_every_worker_and_every_event_says_who_it_is() {
    let mut app =
        App::started(App::builder(program!("worker_good")).workers(2).restart_policy(at_once())).await;
    app.until("app_started").await;
    let killed = app.pid(0);
    signal(killed, SIGKILL);
    app.until("started").await;
    let workers = app.master().snapshot().workers;
    for worker in &workers {
        let pid = worker.pid.unwrap();
        assert_eq!(variable_of(pid, "DROVER_SLOT").unwrap(), worker.slot.to_string());
        assert_eq!(variable_of(pid, "DROVER_WORKER_ID").unwrap(), worker.id.unwrap().to_string());
        assert_eq!(variable_of(pid, "DROVER_GENERATION").unwrap(), worker.generation.to_string());
        assert!(worker.since.is_some());
    }
    assert_eq!((workers[0].restarts, workers[1].restarts), (1, 0));

    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    let events = app.all_events();
    let names: BTreeSet<&str> = events.iter().map(|event| event.name()).collect();
    for name in [
        "app_starting",
        "spawned",
        "starting",
        "started",
        "restart_scheduled",
        "stopping",
        "stopped",
        "exited",
    ] {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
    let of_the_first = |name| {
        let is_it = |worker: drover_master::Occurrence| worker.pid == Some(killed);
        events.iter().any(|event| event.name() == name && event.worker.is_some_and(is_it))
    };
    assert!(of_the_first("spawned") && of_the_first("started") && of_the_first("exited"));
    app.is_gone().await;
}

/// "Env, possibly secrets, is printed in debug traces." What is traced is looked at in `secrets`.
#[tokio::test]
async fn defect_21_whatever_is_printed_shows_no_value_of_the_environment() {
    const PASSWORD: &str = "drowssap";
    let sink = Captured::default();
    let worker = App::builder(program!("worker_exits_at_start"));
    let builder = worker.env("PASSWORD", PASSWORD).env("E2E_CODE", "3").output_sink(sink);
    let mut shown = format!("{builder:#?} {:#?}", builder.spec());
    let (app, error) = App::failed(builder).await;
    shown += &format!("{error:#?} {error} {app:#?} {:#?} {:#?}", app.master().snapshot(), app.all_events());
    assert!(shown.contains("env: 2 variables"), "what is there is counted: {shown}");
    assert!(!shown.contains(PASSWORD), "{shown}");
    app.end().await;
}

/// "Absent: per-worker index, non-Node workers."
#[tokio::test]
async fn defect_22_any_program_is_a_worker_and_knows_which_one() {
    let command = Command::new("sleep").arg("300");
    let spec = App::builder("sleep").workers(3).spec().clone();
    let spec = AppSpec { command, protocol: Protocol::None, start: soon(), ..spec };
    let app = App::started(drover_master::MasterBuilder::from_spec(spec)).await;
    let slots: Vec<String> = (0..3).filter_map(|slot| variable_of(app.pid(slot), "DROVER_SLOT")).collect();
    assert_eq!(slots, ["0", "1", "2"]);
    app.end().await;
}
