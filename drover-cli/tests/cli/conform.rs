//! `drover conform` as a command: what can be typed, its list, its end. What it finds is tested with workers of every kind.

use nix::sys::signal::Signal::{SIGINT, SIGKILL};
use serde_json::Value;

use crate::harness::{Home, Running};

#[test]
fn cases_are_listed_with_the_sentence_that_each_checks() {
    let home = Home::new();
    for side in ["worker", "master"] {
        let ended = home.run(&["conform", side, "--list", "--json"]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{side}");
        let rows: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(rows.len() > 30, "{}", ended.stdout);
        assert!(rows.iter().all(|row| row["sentence"].as_str().is_some_and(|text| !text.is_empty())));
    }
    let some = home.run(&["conform", "worker", "--list", "--case", "W-KA-*"]);
    assert!(some.stdout.starts_with("W-KA-01  ") && !some.stdout.contains("W-HS"), "{}", some.stdout);
}

#[test]
fn what_can_not_be_meant_is_a_usage_error() {
    let home = Home::new();
    assert_eq!(home.run(&["conform"]).code, Some(2));
    home.run(&["conform", "worker"]).failed(2, &["required"]);
    home.run(&["conform", "worker", "--case", "X-*", "--", "true"]).failed(2, &["no case matches `X-*`"]);
    home.run(&["conform", "worker", "--mutations", "0", "--", "true"]).failed(2, &["'0'"]);
    home.run(&["conform", "master"]).failed(2, &["required"]);
}

#[test]
fn a_first_start_that_fails_is_told_with_the_last_words() {
    let home = Home::new();
    let worker = ["conform", "worker", "--", "sh", "-c", "echo no database >&2; exit 3"];
    let ended = home.run(&worker);
    ended.failed(1, &["the first start failed: it exited with code 3"]);
    assert!(ended.stderr.contains("it printed: no database"), "{ended:?}");
    let silent = ["conform", "worker", "--first-start", "300ms", "--", "sleep", "1000"];
    home.run(&silent).failed(1, &["it did not connect to DROVER_SOCKET, which was expected within 300ms"]);
}

#[test]
fn an_interrupt_ends_the_worker_and_tells_what_was_played() {
    let home = Home::new();
    let worker = "echo $$ > pid; exec sleep 1000";
    let running = Running::start(&mut home.bare(&["conform", "worker", "--json", "--", "sh", "-c", worker]));
    let pid: i32 = crate::harness::eventually("the worker", || {
        std::fs::read_to_string(home.dir().join("pid")).ok()?.trim().parse().ok()
    });
    running.signal(SIGINT);
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stdout.starts_with(r#"{"summary":{"#), "{ended:?}");
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_worker_that_hangs_does_not_outlive_the_kit_that_is_killed() {
    let home = Home::new();
    let worker = "echo $$ > pid; exec sleep 1000";
    // Killed, it leaves its directory.
    let mut kit = home.bare(&["conform", "worker", "--", "sh", "-c", worker]);
    let running = Running::start(kit.env("TMPDIR", home.dir()));
    let pid: i32 = crate::harness::eventually("the worker", || {
        std::fs::read_to_string(home.dir().join("pid")).ok()?.trim().parse().ok()
    });
    running.signal(SIGKILL);
    running.end();
    // Nobody may reap it here: a zombie has no command line.
    crate::harness::eventually("its end", || {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.is_empty().then_some(())
    });
}
