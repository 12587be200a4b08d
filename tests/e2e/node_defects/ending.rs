//! Ends: those that hang, those that are not noticed, those that leave something.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use drover_e2e::harness::{App, Captured, PATIENCE, Process, eventually, is_running, patiently, signal};
use drover_master::config::{RestartPolicy, RestartWhen};
use drover_master::{
    ExitDecision, ExitReason, KillCause, OperateError, Phase, SlotIndex, StartError, Target,
};
use nix::sys::signal::{SIGKILL, SIGTERM};

use super::{running, told};
use crate::policies::{at_once, short_drain};

const KILLED: ExitReason =
    ExitReason::ExternalSignal { signal: drover_master::Signal::KILL, core_dumped: false };

/// A client that has been greeted by a worker, and the slot of that worker.
pub(super) fn client(addr: SocketAddr) -> (BufReader<TcpStream>, SlotIndex) {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = BufReader::new(stream);
    let mut greeting = String::new();
    client.read_line(&mut greeting).unwrap();
    let (slot, _pid) = greeting.split_once(' ').unwrap();
    (client, SlotIndex(slot.parse().unwrap()))
}

/// "One that ignores `stop` hangs shutdown."
#[tokio::test]
async fn defect_01_a_worker_that_ignores_stop_does_not_hang_the_shutdown() {
    let mut app =
        App::started(App::builder(program!("worker_ignores_stop")).stop_policy(short_drain())).await;
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    assert_eq!(app.exit().await.to_string(), "was ended by SIGTERM: it did not drain in time");
    app.is_gone().await;
}

/// "A single half-sent request or idle keep-alive connection hangs shutdown. No escalation to kill."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_01_a_half_sent_request_does_not_hang_the_shutdown() {
    let worker = App::builder(program!("worker_good")).listen("http", "127.0.0.1:0");
    let mut app = App::started(worker.stop_policy(short_drain())).await;
    let (mut client, _) = client(app.master().listener_addr("http").unwrap());
    client.get_mut().write_all(b"GET / HT").unwrap();
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    assert_eq!(app.exit().await.to_string(), "was ended by SIGTERM: it did not drain in time");
    app.is_gone().await;
}

/// "Exit during drain is swallowed and hangs: `gracefulShutdown` hangs, no `worker-exit`, status stays STOPPING."
#[tokio::test]
async fn defect_02_an_end_during_drain_or_quit_is_told_and_completes_the_shutdown() {
    for (program, during) in [
        (program!("worker_ignores_stop"), Phase::Stopping),
        (program!("worker_ignores_quit"), Phase::ShuttingDown),
    ] {
        let mut app = App::started(App::builder(program)).await;
        let pid = app.pid(0);
        let shutdown = app.master().shutdown();
        app.until(during.name()).await;
        signal(pid, SIGKILL);
        let exit = app.exit().await;
        assert_eq!((exit.reason, exit.during), (KILLED, during));
        patiently("the shutdown", shutdown).await.unwrap();
        assert_eq!(app.master().snapshot().status.phase, Phase::ShutDown);
        app.is_gone().await;
    }
}

/// "Concurrent operations interleave": two at once left workers that nobody tracked.
#[tokio::test]
async fn defect_06_operations_that_are_asked_for_at_once_do_not_interleave() {
    const ROUNDS: usize = 5;
    let app = App::new(App::builder(program!("worker_good")).workers(2));
    let master = app.master();
    for _ in 0..ROUNDS {
        let starts = [master.start(), master.start()];
        let ends = [master.shutdown(), master.hurry(), master.shutdown(), master.kill()];
        let refused = master.start();
        for start in starts {
            let error = patiently("a start", start).await.unwrap_err();
            assert!(matches!(error, StartError::Interrupted { .. }), "{error:?}");
        }
        for end in ends {
            patiently("an end", end).await.unwrap();
        }
        let error = patiently("the refusal", refused).await.unwrap_err();
        assert!(matches!(error, StartError::Denied { .. }), "{error:?}");
        assert_eq!(running(&app), [0; 0]);
    }
    let events = app.all_events();
    let whole: Vec<&str> =
        events.iter().map(|event| event.name()).filter(|name| name.starts_with("app_")).collect();
    assert_eq!(whole, ["app_starting", "app_stopping", "app_ended"].repeat(ROUNDS));
    patiently("a start after all", master.start()).await.unwrap();
    assert_eq!(running(&app), told(&app));
    app.end().await;
}

/// "Concurrent operations interleave. Reload does not change status"; here with restarts and stops of an app that runs.
#[tokio::test]
async fn defect_06_restarts_and_stops_at_the_same_time_do_not_interleave() {
    let app = App::started(App::builder(program!("worker_good")).workers(2)).await;
    let master = app.master();
    for _ in 0..3 {
        let all = master.restart(Target::All);
        let first = master.restart(Target::Slot(SlotIndex(0)));
        let stop = master.stop_workers(Target::Slot(SlotIndex(1)));
        let refused = master.restart(Target::All);
        let error = patiently("the restart of all", all).await.unwrap_err();
        assert!(matches!(error, OperateError::Interrupted { .. }), "{error:?}");
        let error = patiently("the refusal", refused).await.unwrap_err();
        assert!(matches!(error, OperateError::Denied { .. }), "{error:?}");
        patiently("the restart of one", first).await.unwrap();
        patiently("the stop", stop).await.unwrap();
        assert_eq!((told(&app).len(), running(&app)), (1, told(&app)));
        patiently("the start", master.start()).await.unwrap();
        assert_eq!((told(&app).len(), running(&app)), (2, told(&app)));
    }
    let (restart, shutdown) = (master.restart(Target::All), master.shutdown());
    let error = patiently("the last restart", restart).await.unwrap_err();
    assert!(matches!(error, OperateError::Interrupted { .. }), "{error:?}");
    patiently("the shutdown", shutdown).await.unwrap();
    app.end().await;
}

/// "Scale-down is not graceful. Victims get `quit` only, never `stop`: with 8 requests in flight, scaling 2 to 1 reset 4 of
/// them." Here a worker is stopped by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_07_a_worker_that_is_stopped_by_itself_finishes_what_is_under_way() {
    let worker = App::builder(program!("worker_good")).workers(2).listen("http", "127.0.0.1:0");
    let mut app = App::started(worker).await;
    let (mut client, slot) = client(app.master().listener_addr("http").unwrap());
    client.get_mut().write_all(b"half a ").unwrap();
    let stop = app.master().stop_workers(Target::Slot(slot));
    app.until("stopping").await;
    client.get_mut().write_all(b"request\n").unwrap();
    let mut answer = String::new();
    client.read_line(&mut answer).unwrap();
    assert_eq!(answer, "half a request\n");
    drop(client);
    patiently("the stop", stop).await.unwrap();
    assert_eq!(app.exit().await.reason, ExitReason::NormalExit);
    assert_eq!((app.master().snapshot().status.ready, running(&app)), (1, told(&app)));
    app.end().await;
}

/// "Hard shutdown does not wait; its own kills arrive as `worker-exit ExternalSignal`, which the documented handler answers by
/// respawning."
#[tokio::test]
async fn defect_12_a_kill_waits_for_every_end_and_nothing_comes_back() {
    let policy = RestartPolicy { when: RestartWhen::Always, ..at_once() };
    let worker = App::builder(program!("worker_good")).workers(3).restart_policy(policy);
    let mut app = App::started(worker.on_exit(|_| ExitDecision::Restart)).await;
    patiently("the kill", app.master().kill()).await.unwrap();
    app.is_gone().await;
    for worker in app.master().snapshot().workers {
        let reason = worker.last_exit.unwrap().reason;
        assert!(
            matches!(reason, ExitReason::KilledByMaster { cause: KillCause::HardShutdown, .. }),
            "{reason:?}"
        );
    }
    let events = app.all_events();
    let names: Vec<&str> = events.iter().map(|event| event.name()).collect();
    assert!(!names.contains(&"restart_scheduled"), "{names:?}");
    assert_eq!(names.last(), Some(&"app_ended"));
}

/// "SIGTERM while STARTING is an unhandled rejection and the master keeps running, un-terminable by SIGTERM; second SIGTERM
/// the same."
#[tokio::test]
async fn defect_14_sigterm_ends_a_master_that_is_starting_and_a_second_one_hurries() {
    let mut process = Process::start(
        Command::new(program!("master"))
            .args(["drover", program!("worker_never_ready")])
            .env("E2E_SIGNALS", "1")
            .env("E2E_EVENTS", "1"),
    );
    while process.line().await != "handshaken" {}
    process.signal(SIGTERM);
    while process.line().await != "app_stopping" {}
    crate::signals::look_at_the_screen().await;
    process.signal(SIGTERM);
    let end = process.end().await;
    assert_eq!(end.code, Some(1));
    assert_eq!(end.stderr, "the start of app `app` was interrupted: SIGTERM\n");
    assert!(!end.stdout.contains(&"deadline_missed".to_owned()), "{end:?}");
}

/// "Workers die at once, without drain, when the IPC channel closes: SIGKILL of the master resets every in-flight request."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_18_the_death_of_the_master_does_not_reset_what_is_under_way() {
    let mut process = Process::start(Command::new(program!("master")).args([
        "drover",
        program!("worker_good"),
        "127.0.0.1:0",
    ]));
    let ready = process.line().await;
    let numbers: Vec<u32> =
        ready.strip_prefix("ready ").unwrap().split(' ').map(|number| number.parse().unwrap()).collect();
    let addr = SocketAddr::from(([127, 0, 0, 1], numbers[0].try_into().unwrap()));
    let (mut client, _) = client(addr);
    client.get_mut().write_all(b"half a ").unwrap();
    process.signal(SIGKILL);
    assert_eq!(process.end().await.code, None);
    client.get_mut().write_all(b"request\n").unwrap();
    let mut answer = String::new();
    client.read_line(&mut answer).unwrap();
    assert_eq!(answer, "half a request\n");
    drop(client);
    for pid in &numbers[1..] {
        eventually("the workers to leave", || (!is_running(*pid)).then_some(())).await;
    }
}

/// "Workers ignore SIGTERM/SIGINT. Grandchildren are not considered."
#[tokio::test]
async fn defect_18_a_worker_obeys_sigterm_and_takes_along_what_it_started() {
    let sink = Captured::default();
    let worker = App::builder(program!("worker_forks_grandchild")).output_sink(sink.clone());
    let mut app = App::started(worker.restart_policy(at_once())).await;
    let grandchild = sink.line(0).await.parse().unwrap();
    assert!(is_running(grandchild));
    signal(app.pid(0), SIGTERM);
    assert_eq!(app.exit().await.to_string(), "was ended by SIGTERM from outside while ready");
    assert!(!is_running(grandchild));
    app.until("started").await;
    app.end().await;
}
