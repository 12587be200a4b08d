//! Masters that crash where hardly more files may be open than they and their keeper have.

use std::fs;

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
