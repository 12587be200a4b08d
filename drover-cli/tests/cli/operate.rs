//! `drover start`, `stop` and `restart`: apps, slots and workers of a running master.

use nix::sys::signal::SIGINT;
use serde_json::Value;

use crate::harness::{Home, Running, is_running};

/// Two apps whose workers are ready soon; a worker of `slow` takes its time to leave.
pub(crate) const APPS: &str = r#"
[app.web]
command = ["sh", "-c", "echo hello; exec sleep 1000"]
workers = 2
start.min_uptime = "50ms"
[app.slow]
command = ["sh", "-c", "trap 'sleep 1; exit 0' TERM; echo trapped; while :; do sleep 0.05; done"]
workers = 1
start.min_uptime = "300ms"
"#;

pub(crate) fn started(home: &Home) -> Running {
    let master = home.up(APPS);
    master.says("web is running");
    master.says("slow is running");
    master
}

fn pid(worker: &Value) -> u32 {
    worker["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("it has a process")
}

#[test]
fn a_worker_is_restarted_and_the_line_has_both_processes() {
    let home = Home::new();
    let master = started(&home);
    let (old, other) = (home.worker("web", 0, "started"), home.worker("web", 1, "started"));
    let ended = home.run(&["restart", "web/0"]);
    let new = home.worker("web", 0, "started");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout, format!("web/0 restarted, pid {} → {}\n", pid(&old), pid(&new)));
    assert_ne!(pid(&old), pid(&new));
    assert!(!is_running(pid(&old)));
    assert_eq!(home.worker("web", 1, "started")["pid"], other["pid"]);
    home.down(master);
}

#[test]
fn what_is_stopped_stays_stopped_until_it_is_started() {
    let home = Home::new();
    let master = started(&home);
    let old = pid(&home.worker("web", 1, "started"));
    assert_eq!(home.run(&["stop", "web/1"]).stdout, format!("web/1 stopped, pid {old}\n"));
    assert!(!is_running(old));
    assert_eq!(home.run(&["stop", "web/1"]).stdout, "web/1 stopped\n");
    let stopped = home.worker("web", 1, "shut_down");
    assert_eq!(stopped["pid"], Value::Null);
    let ended = home.run(&["start", "web/1"]);
    let new = pid(&home.worker("web", 1, "started"));
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("web/1 started, pid {new}\n")));
    home.down(master);
}

#[test]
fn a_whole_app_is_stopped_and_started_while_the_other_runs() {
    let home = Home::new();
    let master = started(&home);
    let slow = home.worker("slow", 0, "started");
    assert_eq!(home.run(&["stop", "web"]).stdout, "web stopped\n");
    home.run(&["signal", "HUP", "web"]).failed(3, &["web"]);
    assert_eq!(home.run(&["start", "web"]).stdout, "web started\n");
    assert_eq!(home.run(&["wait", "web", "--for", "ready"]).code, Some(0));
    assert_eq!(home.run(&["restart", "web"]).stdout, "web restarted\n");
    assert_eq!(home.worker("slow", 0, "started")["pid"], slow["pid"]);
    let killed = home.run(&["stop", "slow", "--now"]);
    assert_eq!((killed.code, killed.stdout.as_str()), (Some(0), "slow stopped\n"));
    assert!(!is_running(pid(&slow)));
    home.run(&["stop", "web/0", "--now"]).failed(2, &["--now is for whole apps", "`web/0`"]);
    home.down(master);
}

#[test]
fn patterns_and_numbers_mean_workers() {
    let home = Home::new();
    let master = started(&home);
    let ended = home.run(&["restart", "w*/[01]"]);
    let mut lines: Vec<&str> =
        ended.stdout.lines().filter_map(|line| line.split_once(", ")).map(|line| line.0).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["web/0 restarted", "web/1 restarted"]);
    let old = home.worker("web", 0, "started");
    let very = format!("web@{}", old["id"]);
    assert_eq!(home.run(&["restart", &very]).code, Some(0));
    assert_ne!(home.worker("web", 0, "started")["pid"], old["pid"]);
    home.run(&["restart", &very]).failed(4, &[&very]);
    home.down(master);
}

#[test]
fn names_of_nothing_are_told_and_nothing_is_done() {
    let home = Home::new();
    let master = started(&home);
    let before = home.worker("web", 0, "started");
    home.run(&["restart", "web/0", "nosuch"]).failed(4, &["no app `nosuch`", "web, slow"]);
    home.run(&["stop", "web/7"]).failed(4, &["web/7"]);
    home.run(&["start", "we[b"]).failed(2, &["we[b"]);
    home.run(&["restart"]).failed(2, &["required"]);
    assert_eq!(home.worker("web", 0, "started")["pid"], before["pid"]);
    home.down(master);
    home.run(&["restart", "web"]).failed(6, &["no master answers"]);
}

#[test]
fn a_worker_that_fails_is_told_with_its_last_words() {
    let home = Home::new();
    let toml = "[app.web]\ncommand = [\"sh\", \"-c\", \"[ -e ok ] || { echo no disk >&2; exit 9; }; exec sleep 1000\"]\n\
                workers = 1\nstart.min_uptime = \"50ms\"\nrestart = \"never\"\n";
    home.write("ok", "");
    let master = home.up(toml);
    master.says("web is running");
    std::fs::remove_file(home.path("ok")).unwrap();
    let ended = home.run(&["restart", "web/0"]);
    ended.failed(1, &["web", "code 9"]);
    assert!(ended.stderr.ends_with("its last words on stderr:\n  no disk\n"), "{ended:#?}");
    assert_eq!(ended.stdout, "");
    master.signal(nix::sys::signal::SIGTERM);
    master.end();
}

#[test]
fn without_waiting_it_is_told_as_begun() {
    let home = Home::new();
    let master = started(&home);
    let ended = home.run(&["restart", "slow/0", "--no-wait"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "slow/0 restarts\n"));
    assert_ne!(home.status()["apps"][1]["workers"][0]["phase"], "started");
    home.run(&["restart", "web", "--no-wait", "--timeout", "1s"]).failed(2, &["--no-wait", "--timeout"]);
    home.down(master);
}

#[test]
fn a_timeout_and_ctrl_c_end_the_waiting_and_not_the_work() {
    let home = Home::new();
    let master = started(&home);
    let first = home.worker("slow", 0, "started");
    home.run(&["restart", "slow", "--timeout", "100ms"])
        .failed(124, &["not done within 100ms", "the master continues"]);
    let second = home.until("another worker", |status| {
        let worker = &status["apps"][1]["workers"][0];
        (worker["phase"] == "started" && worker["pid"] != first["pid"]).then(|| worker.clone())
    });
    let waiting = home.start(&["restart", "slow/0"]);
    home.worker("slow", 0, "shutting_down");
    waiting.signal(SIGINT);
    let ended = waiting.end();
    assert_eq!(ended.code, Some(130));
    assert!(ended.stderr.contains("interrupted; the master continues"), "{ended:#?}");
    home.until("a third worker", |status| {
        let worker = &status["apps"][1]["workers"][0];
        (worker["phase"] == "started" && worker["pid"] != second["pid"]).then_some(())
    });
    home.down(master);
}

#[test]
fn a_client_that_is_killed_cancels_nothing() {
    let home = Home::new();
    let master = started(&home);
    let old = pid(&home.worker("slow", 0, "started"));
    let web = home.worker("web", 0, "started");
    let client = home.start(&["restart", "slow", "web"]);
    home.worker("slow", 0, "shutting_down");
    client.signal(nix::sys::signal::SIGKILL);
    client.end();
    home.until("others in the places of both", |status| {
        let is_new = |app: usize, old: u64| {
            let worker = &status["apps"][app]["workers"][0];
            worker["phase"] == "started" && worker["pid"] != old
        };
        (is_new(0, web["pid"].as_u64()?) && is_new(1, old.into())).then_some(())
    });
    let client = home.start(&["stop", "slow"]);
    home.worker("slow", 0, "shutting_down");
    client.signal(nix::sys::signal::SIGKILL);
    client.end();
    home.worker("slow", 0, "shut_down");
    assert!(!is_running(old));
    assert_eq!(home.run(&["wait", "slow", "--for", "stopped"]).code, Some(0));
    home.down(master);
}
