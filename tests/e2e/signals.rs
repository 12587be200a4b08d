//! Signals to the master's own process: obeyed where asked for, left alone otherwise.

use std::process::Command;
use std::time::Duration;

use drover_e2e::harness::{Ended, Process, eventually, is_running};
use nix::sys::signal::{SIGCONT, SIGINT, SIGSTOP, SIGTERM, Signal};
use nix::unistd::Pid;

/// A master of two workers in a process of its own, ready; and the pids of the workers.
pub(crate) async fn master(protocol: &str, worker: &str, setting: &[(&str, &str)]) -> (Process, Vec<u32>) {
    let mut process = Process::start(
        Command::new(program!("master")).args([protocol, worker]).envs(setting.iter().copied()),
    );
    let ready = loop {
        let line = process.line().await;
        if let Some(ready) = line.strip_prefix("ready 0 ") {
            break ready.to_owned();
        }
    };
    (process, ready.split(' ').map(|pid| pid.parse().unwrap()).collect())
}

async fn until(process: &mut Process, event: &str) {
    while process.line().await != event {}
}

#[tokio::test]
async fn the_first_signal_shuts_down_and_the_outcome_names_it() {
    for signal in [SIGTERM, SIGINT] {
        let (process, workers) = master("drover", program!("worker_good"), &[("E2E_SIGNALS", "1")]).await;
        process.signal(signal);
        let stdout = vec![format!("ended: shut down, asked by {signal}")];
        assert_eq!(process.end().await, Ended { code: Some(0), stdout, stderr: String::new() });
        assert!(workers.iter().all(|pid| !is_running(*pid)));
    }
}

/// As long as a person looks at the screen before they press again: what comes sooner is the same wish.
pub(crate) async fn look_at_the_screen() {
    tokio::time::sleep(drover_master::SAME_WISH + Duration::from_millis(50)).await;
}

#[tokio::test]
async fn a_second_signal_hurries() {
    let settings = [("E2E_SIGNALS", "1"), ("E2E_EVENTS", "1")];
    let (mut process, _) = master("drover", program!("worker_ignores_stop"), &settings).await;
    process.signal(SIGTERM);
    until(&mut process, "stopping").await;
    look_at_the_screen().await;
    process.signal(SIGINT);
    let end = process.end().await;
    assert_eq!(end.code, Some(0));
    assert_eq!(end.stdout.last().unwrap(), "ended: shut down, asked by SIGTERM");
    assert!(!end.stdout.contains(&"deadline_missed".to_owned()), "{end:?}");

    let (mut process, workers) = master("none", program!("worker_ignores_sigterm"), &settings).await;
    // If they are not deaf yet, the first signal ends them; that is fine here.
    process.signal(SIGTERM);
    until(&mut process, "shutting_down").await;
    look_at_the_screen().await;
    // It may be gone by now.
    let _ = nix::sys::signal::kill(Pid::from_raw(process.pid().try_into().unwrap()), SIGINT);
    let end = process.end().await;
    assert_eq!((end.code, end.stdout.contains(&"deadline_missed".to_owned())), (Some(0), false), "{end:?}");
    assert!(workers.iter().all(|pid| !is_running(*pid)));
}

#[tokio::test]
async fn a_press_that_a_wrapper_passes_on_is_one_press() {
    let settings = [("E2E_SIGNALS", "1"), ("E2E_EVENTS", "1"), ("E2E_DRAIN_MS", "500")];
    let (process, _) = master("drover", program!("worker_ignores_stop"), &settings).await;
    // It finds both when it goes on.
    for signal in [SIGSTOP, SIGTERM, SIGINT, SIGCONT] {
        process.signal(signal);
    }
    let end = process.end().await;
    assert_eq!(end.code, Some(0));
    // The worker, which stays, had all the time that it has to drain.
    assert!(end.stdout.contains(&"deadline_missed".to_owned()), "{end:?}");
}

#[tokio::test]
async fn a_signal_while_starting_ends_the_start() {
    let mut process = Process::start(
        Command::new(program!("master"))
            .args(["drover", program!("worker_never_ready")])
            .env("E2E_SIGNALS", "1")
            .env("E2E_EVENTS", "1"),
    );
    until(&mut process, "handshaken").await;
    process.signal(SIGTERM);
    let end = process.end().await;
    assert_eq!(end.code, Some(1));
    assert_eq!(end.stderr, "the start of app `app` was interrupted: SIGTERM\n");
}

/// The signals that a process has handlers for.
fn caught_by(pid: u32) -> Vec<Signal> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    let mask = u64::from_str_radix(mask, 16).unwrap();
    Signal::iterator().filter(|signal| mask >> (*signal as u64 - 1) & 1 == 1).collect()
}

#[tokio::test]
async fn without_being_asked_the_master_handles_no_signal() {
    let (process, workers) = master("drover", program!("worker_good"), &[]).await;
    // Rust's own, for stack overflows.
    assert_eq!(caught_by(process.pid()), [Signal::SIGBUS, Signal::SIGSEGV]);
    process.signal(SIGTERM);
    assert_eq!(process.end().await.code, None, "SIGTERM did what it does by default");
    for pid in workers {
        eventually("the worker to leave", || (!is_running(pid)).then_some(())).await;
    }

    let (process, _) = master("drover", program!("worker_good"), &[("E2E_SIGNALS", "1")]).await;
    assert_eq!(caught_by(process.pid()), [SIGINT, Signal::SIGBUS, Signal::SIGSEGV, SIGTERM]);
    process.signal(SIGTERM);
    assert_eq!(process.end().await.code, Some(0));
}

#[tokio::test]
async fn a_master_that_was_started_with_its_signals_blocked_hears_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(program!("drover_command"));
    command.arg("-s").arg(dir.path().join("d.sock")).args(["run", "--name", "app", "--"]);
    command.args(["sh", "-c", "echo up; exec sleep 1000"]);
    drover_e2e::with_signals_blocked(&mut command);
    let mut process = Process::start(&mut command);
    until(&mut process, "app/0 | up").await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap().trim();
    assert_eq!(u64::from_str_radix(blocked, 16).unwrap(), 0, "{status}");
    process.signal(SIGTERM);
    let end = process.end().await;
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.stderr.contains("app stops, asked by SIGTERM"), "{end:?}");
}
