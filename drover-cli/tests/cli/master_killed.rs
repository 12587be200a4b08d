//! A master that is killed by SIGKILL.

use nix::sys::signal::SIGKILL;

use crate::harness::{Home, eventually, is_running};

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
    next.says("demo is started");
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
