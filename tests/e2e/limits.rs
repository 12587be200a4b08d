//! Limits of workers, seen from outside and missed.

use std::fs;

use drover_e2e::harness::App;
use drover_master::config::{Limit, Limits, Resource};
use drover_master::{Command, SpawnStep};

use crate::commands::refusal;
use crate::surroundings::{plain, sleep};

/// The soft and the hard value in `/proc/PID/limits`.
fn limit_of(pid: u32, name: &str) -> (String, String) {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let values = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let mut values = values.split_whitespace().map(str::to_owned);
    (values.next().unwrap(), values.next().unwrap())
}

fn own_hard(name: &str) -> String {
    limit_of(std::process::id(), name).1
}

/// The field "nice" of `/proc/PID/stat`.
fn nice_of(pid: u32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().split(' ').nth(16).unwrap().parse().unwrap()
}

fn oom_score_adj_of(pid: u32) -> i32 {
    fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap().trim().parse().unwrap()
}

fn limited(limits: Limits) -> Command {
    sleep().limits(limits)
}

#[tokio::test]
async fn a_worker_is_limited_as_described() {
    let limits = Limits { nice: Some(7), oom_score_adj: Some(900), ..Limits::default() }
        .with(Resource::OpenFiles, Limit { soft: 64, hard: Some(128) })
        .with(Resource::Core, Limit::fixed(0))
        .with(Resource::FileSize, Limit { soft: 4096, hard: None });
    let app = App::started(plain(limited(limits))).await;
    let pid = app.pid(0);
    assert_eq!(limit_of(pid, "Max open files"), ("64".into(), "128".into()));
    assert_eq!(limit_of(pid, "Max core file size"), ("0".into(), "0".into()));
    assert_eq!(limit_of(pid, "Max file size"), ("4096".into(), own_hard("Max file size")));
    assert_eq!((nice_of(pid), oom_score_adj_of(pid)), (7, 900));
    // What is not named is the master's.
    assert_eq!(limit_of(pid, "Max pending signals"), limit_of(std::process::id(), "Max pending signals"));
    app.end().await;
}

/// More open files than any kernel lets anybody have.
fn too_many() -> Limits {
    Limits::default().with(Resource::OpenFiles, Limit::fixed(1 << 40))
}

#[tokio::test]
async fn a_limit_that_can_not_be_set_is_told_with_what_was_wanted_and_what_there_is() {
    let sentence = refusal(plain(limited(too_many())), SpawnStep::Limits, libc::EPERM).await;
    let expected = format!(
        "the limit nofile can't be set to {}: the master's own hard limit is {}, ",
        1_u64 << 40,
        own_hard("Max open files")
    );
    assert!(sentence.starts_with(&expected), "{sentence}");
    assert!(sentence.ends_with("ask for less, or do not require it"), "{sentence}");
}

#[tokio::test]
async fn a_limit_that_is_not_required_is_set_as_near_as_can_be() {
    let app = App::started(plain(limited(Limits { is_required: false, ..too_many() }))).await;
    let hard = own_hard("Max open files");
    assert_eq!(limit_of(app.pid(0), "Max open files"), (hard.clone(), hard));
    app.end().await;
}
