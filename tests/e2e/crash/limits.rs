//! Masters that crash where hardly more files may be open than they and their keeper have, or where no process can be made.

use std::fs;
use std::process::Command;

use drover_e2e::harness::signal;
use nix::sys::signal::SIGKILL;

use super::home::{Home, pids_of};

fn app(workers: usize) -> String {
    format!("[app.a]\ncommand = [\"sleep\", \"1000\"]\nworkers = {workers}\nstart.min_uptime = \"50ms\"\n")
}

/// The soft limit of open files of a process.
fn soft_limit(pid: u32) -> u64 {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// A login has a low one as a rule, and a high hard limit. A keeper needs two files and more for each worker.
#[test]
fn a_keeper_holds_more_than_its_soft_limit_and_workers_have_that_limit_as_before() {
    const SOFT: u64 = 100;
    const WORKERS: usize = 60;
    let home = Home::up_after("a soft limit", &app(WORKERS), &format!("ulimit -Sn {SOFT}"));
    let before = pids_of(&home.until_ready("a", WORKERS));
    assert_eq!(pids_of(&home.crash()), before, "{}", home.log());
    home.run(&["upgrade"]);
    let after = home.until_ready("a", WORKERS);
    home.has_what_it_should(&after);
    assert_eq!(pids_of(&after), before, "{}", home.log());
    home.run(&["scale", &format!("a={}", WORKERS + 1)]);
    let more = pids_of(&home.until_ready("a", WORKERS + 1));
    assert!(more.iter().all(|pid| soft_limit(*pid) == SOFT), "{more:?}");
    home.end();
}

/// Either every worker starts and survives a crash and an upgrade, or `up` says in one sentence what is missing and leaves nothing behind.
#[test]
fn at_the_edge_of_the_hard_limit_everything_is_there_and_goes_on_or_nothing_is() {
    let mut outcomes = [0; 2];
    for limit in (16..=112).step_by(6) {
        let name = format!("a limit of {limit}");
        let mut home = Home::up_after(&name, &app(8), &format!("ulimit -n {limit}"));
        let status = home.ready_or_ended("a", 8);
        outcomes[usize::from(status.is_some())] += 1;
        let Some(before) = status else {
            let log = home.log();
            let told: Vec<&str> = log.lines().filter(|line| line.starts_with("error: ")).collect();
            assert!(told.len() == 1 && told[0].contains("Too many open files"), "{name}: {log}");
            assert!(!log.contains("panicked") && !log.contains("os error 38"), "{name}: {log}");
            home.nobody_is_left();
            continue;
        };
        let after = home.crash();
        assert_eq!(pids_of(&after), pids_of(&before), "{name}: {}", home.log());
        home.run(&["upgrade"]);
        let after = home.until_ready("a", 8);
        assert_eq!(pids_of(&after), pids_of(&before), "{name}: {}", home.log());
        home.end();
    }
    assert!(outcomes.iter().all(|count| *count > 1), "{outcomes:?}");
}

/// A user whose processes nobody else counts.
const NOBODY_ELSE: u32 = 61_234;

fn as_nobody_else() -> String {
    format!("setpriv --reuid {NOBODY_ELSE} --regid {NOBODY_ELSE} --clear-groups")
}

/// Like `Home::up`, but as a user whose processes can be limited; root's can't. None where that user can't run the program.
fn up_by_somebody(name: &str) -> Option<Home> {
    if !nix::unistd::geteuid().is_root() {
        return Some(Home::up(name, &app(2)));
    }
    let by = as_nobody_else();
    let can = Command::new("sh")
        .arg("-c")
        .arg(format!("{by} \"$0\" --version"))
        .arg(program!("drover_command"))
        .output();
    if !can.as_ref().is_ok_and(|can| can.status.success()) {
        drover_e2e::complain(&format!("SKIPPED: another user can't run drover: {can:?}"));
        return None;
    }
    Some(Home::up_after(name, &app(2), &format!("chown {NOBODY_ELSE} . log; exec {by} \"$0\" \"$@\"")))
}

/// Limits how many processes its user may have when this one makes another; answers the limit before.
fn limit_processes(pid: u32, to: &str) -> String {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let before = limits.lines().find_map(|line| line.strip_prefix("Max processes")).unwrap();
    // In a container root may not set those of others.
    let by = if nix::unistd::geteuid().is_root() { as_nobody_else() } else { String::new() };
    let set = Command::new("sh").arg("-c").arg(format!("{by} prlimit --pid {pid} --nproc={to}:")).status();
    assert!(set.unwrap().success());
    before.split_whitespace().next().unwrap().to_owned()
}

/// How often a process has slept.
fn sleeps(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn a_keeper_that_can_make_no_process_for_a_while_starts_a_master_as_soon_as_it_can() {
    let Some(home) = up_by_somebody("no process") else { return };
    let before = pids_of(&home.until_ready("a", 2));
    let limit = limit_processes(home.keeper(), "0");
    signal(home.master(), SIGKILL);
    home.until("the end of the master", || home.own_master().is_none().then_some(()));
    let first = sleeps(home.keeper());
    home.until("some attempts in vain", || (sleeps(home.keeper()) > first + 5).then_some(()));
    assert_eq!((home.own_master(), home.children()), (None, before.clone()), "{}", home.log());
    limit_processes(home.keeper(), &limit);
    let after = home.until_so("another master", |_| true);
    home.has_what_it_should(&after);
    assert_eq!(pids_of(&after), before, "{}", home.log());
    home.end();
}

#[test]
fn a_keeper_that_can_make_no_process_at_all_ends_everything_and_says_so() {
    let Some(mut home) = up_by_somebody("no process at all") else { return };
    home.until_ready("a", 2);
    limit_processes(home.keeper(), "0");
    signal(home.master(), SIGKILL);
    home.has_ended(1);
    let told = "another master can't be started: Resource temporarily unavailable";
    assert!(home.log().contains(told), "{}", home.log());
}
