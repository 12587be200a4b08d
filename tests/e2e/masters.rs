//! Several masters in one program, and what becomes of workers when their master is let go.

use drover_e2e::harness::{App, eventually, of_app, patiently};
use drover_master::config::Protocol;
use drover_master::{EventLog, Phase, StartError};

use crate::policies::soon;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_beside_each_other_do_not_notice_each_other() {
    let log = EventLog::new();
    let describe = |_| App::builder(program!("worker_good")).workers(2).event_log(log.clone());
    let apps: Vec<App> = (0..4).map(describe).map(App::new).collect();
    let starts: Vec<_> = apps.iter().map(|app| app.master().start()).collect();
    for start in starts {
        patiently("a start", start).await.unwrap();
    }
    let mut pids: Vec<u32> = apps.iter().flat_map(|app| [app.pid(0), app.pid(1)]).collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 8);

    let [first, rest @ ..] = apps.as_slice() else { panic!("four apps") };
    patiently("a shutdown", first.master().shutdown()).await.unwrap();
    assert_eq!(of_app(first.name()), [0; 0]);
    for app in rest {
        assert_eq!(app.master().snapshot().status.ready, 2);
        assert_eq!(of_app(app.name()).len(), 2);
    }
    // The shared log numbers the events of all without a gap.
    let mut events = log.since(0);
    let mut expected = 1;
    while let Some(event) = events.try_next() {
        assert_eq!(event.unwrap().seq, expected);
        expected += 1;
    }
    assert!(expected > 4 * 10);
    for app in apps {
        app.end().await;
    }
}

#[tokio::test]
async fn masters_one_after_the_other_leave_the_place_as_they_found_it() {
    let mut addr = "127.0.0.1:0".to_owned();
    for _ in 0..5 {
        let app = App::started(App::builder(program!("worker_good")).listen("http", &addr)).await;
        addr = app.master().listener_addr("http").unwrap().to_string();
        app.end().await;
    }
}

#[tokio::test]
async fn dropping_the_last_handle_shuts_the_app_down() {
    let mut app = App::started(App::builder(program!("worker_good")).workers(2)).await;
    let other = app.master().clone();
    app.drop_master();
    assert_eq!(other.snapshot().status.phase, Phase::Started, "one handle is left");
    drop(other);
    assert_eq!(app.until("app_stopping").await.kind.detail(), "asked by the drop of the last handle");
    assert_eq!(app.exit().await.to_string(), "exited with code 0 while quitting");
    app.until("app_ended").await;
    app.is_gone().await;
}

#[tokio::test]
async fn dropping_the_last_handle_while_starting_interrupts_the_start() {
    let mut app = App::new(App::builder(program!("worker_never_ready")));
    let start = app.master().start();
    app.until("handshaken").await;
    app.drop_master();
    let error = patiently("the start", start).await.unwrap_err();
    assert!(matches!(&error, StartError::Interrupted { by, .. } if &**by == "the drop of the last handle"));
    app.until("app_ended").await;
    app.is_gone().await;
}

#[test]
fn dropping_the_runtime_kills_every_worker_and_removes_the_socket() {
    for (program, protocol) in
        [(program!("worker_good"), Protocol::Drover), (program!("worker_ignores_sigterm"), Protocol::None)]
    {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let app = runtime
            .block_on(App::started(App::builder(program).workers(3).protocol(protocol).start_policy(soon())));
        assert_eq!(of_app(app.name()).len(), 3);
        let (name, master) = (app.name().to_owned(), app.master().clone());
        drop(runtime);
        assert_eq!(of_app(&name), [0; 0]);

        let after = tokio::runtime::Runtime::new().unwrap();
        after.block_on(async {
            let error = patiently("the refusal", master.start()).await.unwrap_err();
            assert_eq!(error.to_string(), "the master's task is gone: its runtime was shut down");
            let error = patiently("the refusal", master.shutdown()).await.unwrap_err();
            assert_eq!(error.to_string(), "the master's task is gone: its runtime was shut down");
            let error = patiently("the refusal", master.wait()).await.unwrap_err();
            assert_eq!(error.to_string(), "the master's task is gone: its runtime was shut down");
            let mut app = app;
            app.is_gone().await;
        });
    }
}

#[test]
fn dropping_the_runtime_while_starting_leaves_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let app = runtime.block_on(async {
        let app = App::new(App::builder(program!("worker_good")).workers(32));
        drop(app.master().start());
        tokio::task::yield_now().await;
        app
    });
    let name = app.name().to_owned();
    drop(runtime);
    // What the spawner was just making comes to life, finds nobody who wants it, and is ended.
    let after = tokio::runtime::Runtime::new().unwrap();
    after.block_on(async {
        // A process made on request goes through the same queue, so what was before it is through by then.
        App::started(App::builder(program!("worker_good"))).await.end().await;
        eventually("nothing", || of_app(&name).is_empty().then_some(())).await;
    });
}

#[test]
fn a_master_outside_a_runtime_is_refused_with_the_reason() {
    let error = App::builder(program!("worker_good")).build().unwrap_err();
    assert_eq!(error.to_string(), "a master is built inside a tokio runtime, with its I/O and time enabled");
}

#[tokio::test]
async fn descriptions_that_can_not_be_meant_are_refused_before_anything_runs() {
    let app = || App::builder(program!("worker_good"));
    for (builder, sentence) in [
        (app().workers(0), "workers is 0, but must be 1 to 100000"),
        (App::builder(""), "command is empty"),
        (
            app().listen("http", "8080"),
            "`8080` is not an address to listen on: expected HOST:PORT, udp:HOST:PORT or unix:PATH",
        ),
        (
            app().listen("http", ":8080"),
            "`:8080` is not an address to listen on: the host is empty; use 0.0.0.0 or [::] for all",
        ),
        (
            app().listen("http", "localhost:http"),
            "`localhost:http` is not an address to listen on: the port must be a number from 0 to 65535",
        ),
        (app().listen("a", "127.0.0.1:0").listen("a", "127.0.0.1:0"), "the listener name `a` is given twice"),
        (
            app().listen("a b", "127.0.0.1:0"),
            "`a b` is not a usable name: use 1 to 64 letters, digits, `-`, `_` and `.`",
        ),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.ends_with(sentence), "{error}");
    }
}

#[tokio::test]
async fn the_description_can_be_read_back_from_the_handle() {
    let worker = App::builder(program!("worker_good")).workers(3).listen("http", "127.0.0.1:0");
    let app = App::new(worker.protocol(Protocol::None).start_policy(soon()));
    let spec = app.master().spec();
    assert_eq!((spec.name.as_str(), spec.workers, spec.protocol), (app.name(), 3, Protocol::None));
    assert_eq!((&spec.start, spec.listeners[0].name.as_str()), (&soon(), "http"));
    assert_eq!(spec.command, drover_master::Command::new(program!("worker_good")));
}

#[tokio::test]
async fn a_run_is_the_whole_life_of_an_app() {
    let mut app = App::new(App::builder(program!("worker_good")));
    let master = app.master().clone();
    let run = tokio::spawn(async move { master.run().await });
    app.until("app_started").await;
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    let outcome = patiently("the run", run).await.unwrap().unwrap();
    assert_eq!(outcome.to_string(), "shut down, asked by shutdown()");
}

#[tokio::test]
async fn a_run_that_is_ended_while_it_starts_is_no_error() {
    let mut app = App::new(App::builder(program!("worker_never_ready")));
    let master = app.master().clone();
    let run = tokio::spawn(async move { master.run().await });
    app.until("handshaken").await;
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    let outcome = patiently("the run", run).await.unwrap().unwrap();
    assert_eq!(outcome.to_string(), "shut down, asked by shutdown()");
}
