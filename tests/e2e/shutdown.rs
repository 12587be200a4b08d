//! The end of an app, in every way it can be asked for.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use drover_e2e::harness::{App, PATIENCE, eventually, is_running, of_app, patiently, signal};
use drover_master::config::{Protocol, StopPolicy};
use drover_master::{ExitReason, ExitStatus, KillCause, Phase, StartError};
use nix::sys::signal::SIGSTOP;

use crate::policies::{SHORT, short_drain, soon};

/// A client in the middle of its conversation with a worker.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn says(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
        self.line()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_waits_for_the_connection_under_way_and_no_longer() {
    let worker = App::builder(program!("worker_good")).listen("http", "127.0.0.1:0");
    let mut app = App::started(worker).await;
    let addr = app.master().listener_addr("http").unwrap();
    let mut client = Client::connect(addr);
    assert_eq!(client.line(), format!("0 {}", app.pid(0)));

    let shutdown = app.master().shutdown();
    app.until("stopping").await;
    // The worker has been told, and serves the one who is there.
    assert_eq!(client.says("still there?"), "still there?");
    assert_eq!(app.worker(0).phase, Phase::Stopping);
    drop(client);
    patiently("the shutdown", shutdown).await.unwrap();
    let exit = app.exit().await;
    assert_eq!((exit.reason, exit.asked_by.as_deref()), (ExitReason::NormalExit, Some("shutdown()")));
    assert!(!app.all_events().iter().any(|event| event.name() == "deadline_missed"));
    assert_eq!(app.outcome().await.to_string(), "shut down, asked by shutdown()");
}

/// As `systemctl stop` does by default: it tells all processes of a service at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_get_sigterm_together_with_their_master_finish_what_is_under_way() {
    let worker = App::builder(program!("worker_good")).workers(2).listen("http", "127.0.0.1:0");
    let mut app = App::started(worker).await;
    let addr = app.master().listener_addr("http").unwrap();
    // Each worker has something under way: one that is idle may be gone before its master says a word.
    let (mut clients, mut slots) = (Vec::new(), HashSet::new());
    while slots.len() < 2 {
        let mut client = Client::connect(addr);
        slots.insert(client.line().split(' ').next().map(str::to_owned));
        clients.push(client);
        assert!(clients.len() < 1000, "one worker takes all connections");
    }
    // By somebody else: this process is their master.
    let pids = [app.pid(0), app.pid(1)].map(|pid| pid.to_string());
    let told = std::process::Command::new("kill").arg("-TERM").args(&pids).status();
    assert!(told.unwrap().success());
    let shutdown = app.master().shutdown();
    for _ in 0..2 {
        app.until("stopping").await;
        for client in &mut clients {
            assert_eq!(client.says("still there?"), "still there?");
        }
    }
    drop(clients);
    patiently("the shutdown", shutdown).await.unwrap();
    for exit in [app.exit().await, app.exit().await] {
        assert_eq!((exit.reason, exit.asked_by.as_deref()), (ExitReason::NormalExit, Some("shutdown()")));
    }
    assert_eq!(app.outcome().await.to_string(), "shut down, asked by shutdown()");
}

#[tokio::test]
async fn an_app_that_is_ending_says_so_and_what_is_under_way() {
    let mut app = App::started(App::builder(program!("worker_ignores_stop"))).await;
    let shutdown = app.master().shutdown();
    app.until("stopping").await;
    let status = app.master().snapshot().status;
    assert_eq!((status.phase, status.operation), (Phase::ShuttingDown, Some("shutdown")));
    let kill = app.master().kill();
    patiently("the shutdown", shutdown).await.unwrap();
    patiently("the kill", kill).await.unwrap();
    assert_eq!(app.master().snapshot().status.phase, Phase::ShutDown);
    app.is_gone().await;
}

#[tokio::test]
async fn every_shutdown_that_is_asked_for_meanwhile_gets_the_same_answer() {
    let app = App::started(App::builder(program!("worker_good")).workers(2)).await;
    let tickets = [app.master().shutdown(), app.master().shutdown(), app.master().shutdown()];
    for ticket in tickets {
        patiently("a shutdown", ticket).await.unwrap();
        assert_eq!(of_app(app.name()), [0; 0]);
    }
    let stopping = app.all_events().iter().filter(|event| event.name() == "app_stopping").count();
    assert_eq!(stopping, 1);
    app.end().await;
}

#[tokio::test]
async fn an_app_that_never_ran_ends_at_once() {
    let app = App::new(App::builder(program!("worker_good")));
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    patiently("the hurry", app.master().hurry()).await.unwrap();
    patiently("the kill", app.master().kill()).await.unwrap();
    assert_eq!(app.master().snapshot().status.phase, Phase::Initialized);
    assert_eq!(app.all_events(), []);
}

#[tokio::test]
async fn a_shutdown_while_starting_interrupts_the_start_and_says_who_asked() {
    let mut app = App::new(App::builder(program!("worker_never_ready")).workers(3));
    let start = app.master().start();
    app.until("handshaken").await;
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    let error = patiently("the start", start).await.unwrap_err();
    assert!(matches!(error, StartError::Interrupted { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("the start of app `{}` was interrupted: shutdown()", app.name()));
    app.is_gone().await;
}

#[tokio::test]
async fn a_start_while_shutting_down_is_refused_with_the_reason() {
    let mut app = App::started(App::builder(program!("worker_ignores_stop"))).await;
    let shutdown = app.master().shutdown();
    let error = patiently("the refusal", app.master().start()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("app `{}` can't be started now", app.name()));
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "the app is shutting down; wait for its end, then start it");
    patiently("the kill", app.master().kill()).await.unwrap();
    patiently("the shutdown", shutdown).await.unwrap();
    app.is_gone().await;
}

#[tokio::test]
async fn a_hurry_skips_the_drain_and_a_second_one_the_patience() {
    let mut app = App::started(App::builder(program!("worker_ignores_stop"))).await;
    let shutdown = app.master().shutdown();
    app.until("stopping").await;
    patiently("the hurry", app.master().hurry()).await.unwrap();
    patiently("the shutdown", shutdown).await.unwrap();
    let exit = app.exit().await;
    let status = ExitStatus::Signal { signal: drover_master::Signal::TERM, core_dumped: false };
    assert_eq!(exit.reason, ExitReason::KilledByMaster { cause: KillCause::Hurried, status });
    assert_eq!(exit.to_string(), "was ended by SIGTERM: its end was hurried");
    assert_eq!(exit.asked_by.as_deref(), Some("shutdown()"));
    app.is_gone().await;

    let sink = drover_e2e::harness::Captured::default();
    let deaf = App::builder(program!("worker_ignores_sigterm"))
        .protocol(Protocol::None)
        .start_policy(soon())
        .output_sink(sink.clone());
    let mut app = App::started(deaf).await;
    assert_eq!(sink.line(0).await, "deaf");
    let first = app.master().hurry();
    app.until("shutting_down").await;
    patiently("the second hurry", app.master().hurry()).await.unwrap();
    patiently("the first hurry", first).await.unwrap();
    let exit = app.exit().await;
    assert_eq!(exit.to_string(), "was ended by SIGKILL: its end was hurried");
    assert_eq!(app.outcome().await.to_string(), "shut down, asked by hurry()");
}

#[tokio::test]
async fn a_kill_pre_empts_a_shutdown() {
    let mut app = App::started(App::builder(program!("worker_ignores_stop")).workers(2)).await;
    let shutdown = app.master().shutdown();
    app.until("stopping").await;
    patiently("the kill", app.master().kill()).await.unwrap();
    patiently("the shutdown", shutdown).await.unwrap();
    assert_eq!(app.exit().await.to_string(), "was ended by SIGKILL: the app was killed");
    assert_eq!(app.outcome().await.to_string(), "killed, asked by kill()");
}

#[tokio::test]
async fn a_kill_while_starting_leaves_nothing() {
    let mut app = App::new(App::builder(program!("worker_good")).workers(16));
    let start = app.master().start();
    patiently("the kill", app.master().kill()).await.unwrap();
    assert!(patiently("the start", start).await.is_err());
    app.is_gone().await;
}

#[tokio::test]
async fn a_stopped_process_is_ended_as_well() {
    // By SIGTERM: the SIGCONT that follows it lets the process see it.
    let mut app = App::started(App::builder(program!("worker_good")).stop_policy(short_drain())).await;
    signal(app.pid(0), SIGSTOP);
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    let exit = app.exit().await;
    assert!(
        matches!(exit.reason, ExitReason::KilledByMaster { cause: KillCause::StopDeadline, .. }),
        "{exit:?}"
    );
    app.is_gone().await;

    let mut app =
        App::started(App::builder(program!("worker_plain")).protocol(Protocol::None).start_policy(soon()))
            .await;
    signal(app.pid(0), SIGSTOP);
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    assert_eq!(app.exit().await.to_string(), "was ended by SIGTERM, as asked");
    app.is_gone().await;
}

#[tokio::test]
async fn workers_are_stopped_at_once_and_not_one_after_the_other() {
    let worker = App::builder(program!("worker_ignores_stop")).workers(8);
    let stop = StopPolicy { drain_timeout: SHORT * 3, ..StopPolicy::default() };
    let app = App::started(worker.stop_policy(stop)).await;
    let name = app.name().to_owned();
    app.master().shutdown().await.unwrap();
    let events = app.all_events();
    let last_asked = events.iter().rposition(|event| event.name() == "stopping").unwrap();
    let first_gone = events.iter().position(|event| event.name() == "exited").unwrap();
    assert!(last_asked < first_gone);
    assert_eq!(of_app(&name), [0; 0]);
}

#[tokio::test]
async fn an_app_can_be_started_again_after_every_kind_of_end() {
    let app = App::new(App::builder(program!("worker_good")).workers(2));
    let master = app.master();
    let (mut last_pids, mut last_id) = (Vec::new(), None);
    for round in 0..4 {
        patiently("the start", master.start()).await.unwrap();
        let workers = master.snapshot().workers;
        let pids: Vec<_> = workers.iter().map(|worker| worker.pid).collect();
        assert_ne!(pids, last_pids);
        assert!(workers[0].id > last_id, "ids are unique for the life of the master");
        assert!(workers.iter().all(|worker| worker.restarts == 0 && worker.last_exit.is_none()));
        (last_pids, last_id) = (pids, workers[1].id);
        let end = match round % 3 {
            0 => master.shutdown(),
            1 => master.kill(),
            _ => master.hurry(),
        };
        patiently("the end", end).await.unwrap();
        assert_eq!(of_app(app.name()), [0; 0]);
    }

    // Completed, and failed by its policy.
    for code in ["0", "1"] {
        let worker = App::builder(program!("worker_crashes_when_ready")).env("E2E_CODE", code);
        let mut app = App::started(worker.restart_policy(crate::policies::never())).await;
        let first = app.outcome().await;
        patiently("the second start", app.master().start()).await.unwrap();
        assert_eq!(app.outcome().await, first);
    }
}

#[tokio::test]
async fn a_grandchild_in_the_workers_group_goes_with_it() {
    let sink = drover_e2e::harness::Captured::default();
    let mut app =
        App::started(App::builder(program!("worker_forks_grandchild")).output_sink(sink.clone())).await;
    let grandchild: u32 = sink.line(0).await.parse().unwrap();
    assert!(is_running(grandchild));
    // Also when the worker is killed from outside: what it leaves would hold the ports of the next one.
    signal(app.pid(0), nix::sys::signal::SIGKILL);
    app.until("exited").await;
    assert!(!is_running(grandchild));
    app.until("started").await;
    let grandchild: u32 = sink.line(1).await.parse().unwrap();
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    assert!(!is_running(grandchild));
    app.is_gone().await;
}

#[tokio::test]
async fn a_grandchild_that_holds_stdout_does_not_hold_up_the_end() {
    let sink = drover_e2e::harness::Captured::default();
    let worker = App::builder(program!("worker_grandchild_holds_stdout")).output_sink(sink.clone());
    let app = App::started(worker.listen("http", "127.0.0.1:0")).await;
    let addr = app.master().listener_addr("http").unwrap();
    let grandchild: u32 = sink.line(0).await.parse().unwrap();
    // In a session of its own it is out of reach by its group.
    eventually("a session of its own", || {
        (nix::unistd::getsid(Some(pid(grandchild))) == Ok(pid(grandchild))).then_some(())
    })
    .await;
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    assert!(is_running(grandchild), "the test is about a grandchild that lives on");
    assert!(TcpStream::connect(addr).is_err(), "nobody serves there any more, so nobody may queue there");
    std::net::TcpListener::bind(addr).expect("the port is free though the grandchild holds the socket");
    signal(grandchild, nix::sys::signal::SIGKILL);
}

fn pid(number: u32) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(number.try_into().unwrap())
}
