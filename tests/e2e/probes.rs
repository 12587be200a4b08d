//! Plain workers that are asked from outside whether they are ready.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use drover_e2e::harness::{App, Captured, eventually, is_running, patiently, signal};
use drover_master::config::{Probe, StartPolicy};
use drover_master::{MasterBuilder, OperateError, Output, Phase, Protocol, Reload, Stream};
use nix::sys::signal::Signal;

/// One worker that is asked every 10 ms, and has this long.
fn asked(program: &str, probe: Probe, timeout: Duration) -> MasterBuilder {
    let probe = Some(Probe { interval: Duration::from_millis(10), ..probe });
    let start = StartPolicy { probe, timeout, ..StartPolicy::default() };
    App::builder(program).protocol(Protocol::None).start_policy(start)
}

/// The same with words for the program, of which one line tells that it is ready.
fn heard(program: &str, words: &[&str], text: &str, timeout: Duration) -> MasterBuilder {
    let mut spec = asked(program, Probe::log(text), timeout).spec().clone();
    spec.command = spec.command.args(words);
    MasterBuilder::from_spec(spec)
}

fn http(socket: &Path) -> Probe {
    Probe::http(format!("unix:{}:/health", socket.display()).parse().unwrap())
}

/// A check that takes as long as it is let, and tells its pid in this file once it runs.
fn hanging(told: &Path) -> Probe {
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; sleep 300; true", told.display());
    Probe { timeout: Duration::from_secs(300), ..Probe::exec("/bin/sh", ["-c", &script]) }
}

/// The pid in this file, once it is there.
async fn pid_in(told: &Path) -> u32 {
    eventually("the check", || std::fs::read_to_string(told).ok()?.trim().parse().ok()).await
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_worker_is_ready_when_it_answers_a_get_well_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("web.sock");
    let worker = asked(program!("worker_health"), http(&socket), LONG);
    let app = App::started(worker.env("E2E_SOCKET", &socket).env("E2E_STATUSES", "500 503 200 599")).await;
    let status = app.master().snapshot().status;
    assert_eq!((status.phase, status.ready), (Phase::Started, 1));
    // It was asked three times: who asks next gets the fourth answer.
    let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let answer = std::io::read_to_string(stream).unwrap();
    assert!(answer.starts_with("HTTP/1.1 599 "), "{answer}");
    app.end().await;
}

#[tokio::test]
async fn a_worker_that_never_answers_well_fails_the_start_with_what_it_answered() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("web.sock");
    let worker = asked(program!("worker_health"), http(&socket), SHORT);
    let (mut app, error) = App::failed(worker.env("E2E_SOCKET", &socket).env("E2E_STATUSES", "500")).await;
    let reason = "was ended by SIGTERM: it was not ready in time: GET /health answered 500";
    assert!(error.to_string().ends_with(reason), "{error}");
    app.is_gone().await;
}

#[tokio::test]
async fn a_reload_to_a_version_that_answers_its_probe_with_500_is_rolled_back_and_the_old_one_serves_on() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old.sock"), dir.path().join("new.sock"));
    let version = |socket: &Path, statuses| {
        let worker = asked(program!("worker_health"), http(socket), SHORT);
        worker.env("E2E_SOCKET", socket).env("E2E_STATUSES", statuses).spec().clone()
    };
    let app = App::started(MasterBuilder::from_spec(version(&old, "200"))).await;
    let pid = app.pid(0);
    let mut bad = version(&new, "500");
    bad.name = app.name().to_owned();
    let reload = app.master().reload(Reload::to(bad));
    match patiently("the verdict of the reload", reload).await {
        Err(OperateError::RolledBack { failure, .. }) => {
            assert!(failure.to_string().ends_with("GET /health answered 500"), "{failure}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((app.pid(0), app.master().snapshot().status.ready), (pid, 1));
    let mut stream = std::os::unix::net::UnixStream::connect(&old).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(std::io::read_to_string(stream).unwrap().starts_with("HTTP/1.1 200 "));
    app.end().await;
}

#[tokio::test]
async fn a_worker_is_ready_when_the_check_exits_with_0_which_knows_whom_it_asks_about_and_no_token() {
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    // The third try is the first good one.
    let script = format!(
        "env | grep -E '^(DROVER|LISTEN)_' | sort > {0}; echo . >> {0}.tries; [ $(wc -l < {0}.tries) = 3 ]",
        seen.display()
    );
    let app =
        App::started(asked(program!("worker_plain"), Probe::exec("/bin/sh", ["-c", &script]), LONG)).await;
    let tries = std::fs::read_to_string(dir.path().join("seen.tries")).unwrap();
    assert_eq!(tries.lines().count(), 3);
    let names = ["DROVER_APP", "DROVER_GENERATION", "DROVER_PID", "DROVER_SLOT", "DROVER_WORKER_ID"];
    let seen = std::fs::read_to_string(seen).unwrap();
    // What whoever runs the tests has in the environment is inherited, and no word of the master's.
    let told = |name: &str| std::env::var_os(name).is_none();
    let words = seen.lines().filter_map(|line| line.split_once('='));
    let words: Vec<(&str, &str)> = words.filter(|(name, _)| told(name)).collect();
    assert_eq!(words.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    assert!(words.contains(&("DROVER_PID", &app.pid(0).to_string())), "{seen}");
    app.end().await;
}

#[tokio::test]
async fn a_check_that_never_exits_with_0_fails_the_start_with_its_last_line() {
    let probe = Probe::exec("/bin/sh", ["-c", "echo 'no tables yet'; exit 1"]);
    let (mut app, error) = App::failed(asked(program!("worker_plain"), probe, SHORT)).await;
    let reason = "it was not ready in time: /bin/sh exited with code 1: no tables yet";
    assert!(error.to_string().ends_with(reason), "{error}");
    app.is_gone().await;
}

#[tokio::test]
async fn a_check_that_hangs_is_gone_when_the_start_has_failed() {
    let dir = tempfile::tempdir().unwrap();
    let told = dir.path().join("pid");
    let (mut app, _) = App::failed(asked(program!("worker_plain"), hanging(&told), SHORT)).await;
    assert!(!is_running(pid_in(&told).await));
    app.is_gone().await;
}

#[tokio::test]
async fn a_check_that_hangs_is_gone_with_the_worker_it_asks_about() {
    let dir = tempfile::tempdir().unwrap();
    let told = dir.path().join("pid");
    let mut app = App::new(asked(program!("worker_plain"), hanging(&told), LONG));
    let start = app.master().start();
    let check = pid_in(&told).await;
    signal(app.pid(0), Signal::SIGKILL);
    let error = patiently("the failure", start).await.unwrap_err();
    assert!(error.to_string().ends_with("was ended by SIGKILL from outside while starting"), "{error}");
    assert!(!is_running(check));
    app.is_gone().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_check_that_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let told = dir.path().join("pid");
    let app = App::new(asked(program!("worker_plain"), hanging(&told), LONG));
    let _start = app.master().start();
    let check = pid_in(&told).await;
    app.end().await;
    assert!(!is_running(check));
}

#[tokio::test]
async fn an_unmodified_server_is_ready_once_it_has_printed_its_line_and_so_is_each_one_after_it() {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        drover_e2e::complain("SKIPPED: python3 is not installed");
        return;
    }
    let (dir, printed) = (tempfile::tempdir().unwrap(), Captured::default());
    let dir = dir.path().to_str().unwrap();
    let args = ["-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", dir, "0"];
    let worker = heard("python3", &args, "Serving HTTP on 127.0.0.1", LONG);
    let app = App::started(worker.output_sink(printed.clone())).await;
    // `… port 41234 (http://…) ...`: one line for each worker that was ready by it.
    let serves = |lines: usize| {
        let printed = printed.lines(Stream::Stdout);
        assert_eq!(printed.len(), lines, "{printed:?}");
        let port = printed[lines - 1].split(' ').nth(5).unwrap().parse().unwrap();
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    };
    assert!(serves(1), "it is ready because it serves");
    patiently("the reload", app.master().reload(Reload::new())).await.unwrap();
    assert!(serves(2));
    let second = app.pid(0);
    signal(second, Signal::SIGKILL);
    let ready = || {
        let status = app.master().snapshot().status;
        (status.ready == 1 && app.pid(0) != second).then_some(())
    };
    eventually("another one that is ready", ready).await;
    assert!(serves(3));
    app.end().await;
}

#[tokio::test]
async fn a_worker_that_never_prints_the_line_fails_the_start_with_what_it_printed() {
    let script = "echo loading; echo 'no database yet' >&2; printf 'waiting…'; exec sleep 1000";
    let worker = heard("/bin/sh", &["-c", script], "listening on", SHORT);
    let (mut app, error) = App::failed(worker.output(Output::Inherit)).await;
    let reason = error.to_string();
    let awaited =
        "it was not ready in time: it has printed no line with \"listening on\" in it; its last lines: ";
    let (_, lines) = reason.split_once(awaited).unwrap_or_else(|| panic!("{reason}"));
    // The two streams are read side by side.
    let mut lines: Vec<&str> = lines.split(" | ").collect();
    lines.sort_unstable();
    assert_eq!(lines, ["loading", "no database yet", "waiting…"], "{reason}");
    app.is_gone().await;
}

#[tokio::test]
async fn a_question_that_waits_in_its_line_makes_a_worker_ready() {
    let script = "printf 'Your password: '; exec sleep 1000";
    let worker = heard("/bin/sh", &["-c", script], "password:", LONG);
    // What goes nowhere is read all the same.
    let app = App::started(worker.output(Output::Discard)).await;
    assert_eq!(app.master().snapshot().status.ready, 1);
    app.end().await;
}
