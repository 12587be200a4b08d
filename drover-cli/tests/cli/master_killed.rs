//! A master that is killed by SIGKILL.

use nix::sys::signal::{SIGKILL, SIGTERM};

use crate::harness::{Home, Running, eventually, is_running, signal};

fn pids(home: &Home) -> Vec<u32> {
    let status = home.status();
    let workers = status["apps"][0]["workers"].as_array().expect("it has workers");
    let pid = |worker: &serde_json::Value| worker["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    workers.iter().map(|worker| pid(worker).expect("it runs")).collect()
}

#[test]
fn workers_that_speak_leave_by_themselves_and_the_next_master_starts_in_its_place() {
    let home = Home::new();
    let (demo, addr) = home.demo(&["-n", "2"]);
    let pids = pids(&home);
    demo.signal(SIGKILL);
    assert_eq!(demo.end().code, None);
    for pid in pids {
        eventually("its worker leaves", || (!is_running(pid)).then_some(()));
    }
    assert!(home.socket().exists(), "what is left behind is what this test is about");
    home.run(&["status"]).failed(6, &["no master answers"]);
    let next = home.start(&["demo", "-n", "2", "-l", &addr]);
    next.says("demo is running");
    // The lock and the directory that the dead one left are gone with the next.
    home.down(next);
}

#[test]
fn plain_workers_die_with_it_and_its_name_is_free() {
    let home = Home::new();
    let start = || {
        let master =
            home.start_sh(&["-n", "2"], "trap '' TERM INT HUP; echo up; while :; do sleep 0.1; done");
        home.worker("app", 1, "started");
        master
    };
    let master = start();
    let pids = pids(&home);
    master.signal(SIGKILL);
    assert_eq!(master.end().code, None);
    for pid in pids {
        eventually("its worker dies", || (!is_running(pid)).then_some(()));
    }
    let next = start();
    // They ignore what they are asked.
    assert_eq!(home.run(&["down", "--now"]).code, Some(0));
    assert_eq!(next.end().code, Some(137));
}

/// What its shell starts in the background lives on when the shell is killed with the master.
const LEAVES_CHILD: &str = "sleep 1000 & echo child $!; wait";

/// The pid of the child, once the shell has told it.
fn child_of(master: &Running) -> u32 {
    master.stdout.until("the child", |all| {
        let (_, rest) = all.split_once("child ")?;
        rest.split_once('\n')?.0.trim().parse().ok()
    })
}

#[test]
fn the_next_master_of_a_file_ends_what_the_killed_one_left_before_it_starts_anything() {
    let home = Home::new();
    let toml = format!("[app.app]\ncommand = [\"sh\", \"-c\", \"{LEAVES_CHILD}\"]\nworkers = 1\n");
    home.write("drover.toml", &format!("version = 1\n{toml}"));
    let first = home.start(&["up", "--no-keeper"]);
    let left = child_of(&first);
    first.says("app is running");
    first.signal(SIGKILL);
    assert_eq!(first.end().code, None);
    assert!(is_running(left), "the kernel ends the shell alone");

    // The master of another file has nothing to do with it.
    let other = home.path("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("drover.toml"), format!("version = 1\n{toml}")).unwrap();
    let other = Running::start(&mut home.bare(&["-s", "other.sock", "up", "-f", "other/drover.toml"]));
    other.says("app is running");
    assert!(is_running(left));

    let next = home.start(&["up"]);
    next.says("app is running");
    assert!(!is_running(left), "it is gone before anything starts");
    next.says(&format!(
        "ending `sleep` (pid {left}), which a master of {}",
        home.path("drover.toml").display()
    ));
    assert!(is_running(child_of(&other)));
    assert_eq!(Running::start(&mut home.bare(&["-s", "other.sock", "down"])).end().code, Some(0));
    assert_eq!(other.end().code, Some(0));
    home.down(next);
}

#[test]
fn the_next_run_of_a_command_kills_what_is_deaf_and_ends_at_once_when_it_is_told_to() {
    let home = Home::new();
    // Deaf to SIGTERM from the start, as what it starts is.
    let deaf = format!("trap '' TERM; {LEAVES_CHILD}");
    let start = || home.start_sh(&["-n", "1"], &deaf);
    let first = start();
    let left = child_of(&first);
    first.signal(SIGKILL);
    assert_eq!(first.end().code, None);
    let next = start();
    next.says(&format!("ending `sleep` (pid {left})"));
    assert!(is_running(left), "it has all the time that an end may take");
    // Nothing was started yet, so there is nothing to wait for.
    next.signal(SIGTERM);
    assert_eq!(next.end().code, Some(0));
    assert!(is_running(left));
    signal(left, SIGKILL);
    eventually("the end of what was left", || (!is_running(left)).then_some(()));
}

#[test]
fn the_next_master_of_a_file_ends_what_a_keeper_that_was_killed_with_its_master_has_left() {
    let home = Home::new();
    let first = home.up(&format!("[app.app]\ncommand = [\"sh\", \"-c\", \"{LEAVES_CHILD}\"]\nworkers = 1\n"));
    let left = child_of(&first);
    first.says("app is running");
    let (master, worker) = (home.master_pid(), pids(&home)[0]);
    // Otherwise another master would follow.
    first.signal(SIGKILL);
    signal(master, SIGKILL);
    assert_eq!(first.end().code, None);
    eventually("the end of the master", || (!is_running(master)).then_some(()));
    assert!(is_running(worker) && is_running(left), "nobody is left who could end them");
    let next = home.start(&["up"]);
    next.says("app is running");
    assert!(!is_running(worker) && !is_running(left), "both are gone before anything starts");
    home.down(next);
}
