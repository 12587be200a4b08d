//! A master that was stopped for a while, alone or with its workers: a debugger, `docker pause`, the snapshot of a machine.

use std::time::Duration;

use nix::sys::signal::{SIGCONT, SIGSTOP};

use crate::harness::{Home, eventually, signal};

/// Longer than any deadline of these tests.
const AWAY: Duration = Duration::from_secs(7);

#[test]
fn a_worker_that_was_stopped_with_its_master_has_the_rest_of_its_time_to_drain() {
    let home = Home::new();
    let script = "trap 'echo > asked; while [ ! -e go ]; do sleep 0.1; done; exit 0' TERM; echo > up; \
                  while :; do sleep 0.1; done";
    let master = home.up(&format!(
        "[app.web]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nworkers = 1\nstart.min_uptime = \"10ms\"\n\
         stop.drain_timeout = \"6s\"\n"
    ));
    eventually("the worker traps its signal", || home.path("up").exists().then_some(()));
    master.says("web is running");
    let worker = home.worker("web", 0, "started")["pid"].as_u64().expect("it has a process") as u32;
    let down = home.start(&["down"]);
    eventually("the worker is asked", || home.path("asked").exists().then_some(()));
    let stopped = home.master_pid();
    signal(stopped, SIGSTOP);
    signal(worker, SIGSTOP);
    #[expect(clippy::disallowed_methods, reason = "the time that passes is what is tested")]
    std::thread::sleep(AWAY);
    signal(worker, SIGCONT);
    signal(stopped, SIGCONT);
    master.says("the master was away for");
    home.write("go", "");
    assert_eq!(down.end().code, Some(0));
    let ended = master.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(!ended.stderr.contains("in time"), "{ended:#?}");
}

#[test]
fn a_worker_that_became_ready_while_its_master_was_stopped_is_ready() {
    let home = Home::new();
    let script = "echo > up; while [ ! -e go ]; do sleep 0.1; done; echo >&3; exec sleep 1000";
    let master = home.up(&format!(
        "[app.web]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nworkers = 1\nprotocol = \"notify\"\nnotify_fd = 3\n\
         start.timeout = \"6s\"\n"
    ));
    eventually("the worker runs", || home.path("up").exists().then_some(()));
    let stopped = home.master_pid();
    signal(stopped, SIGSTOP);
    home.write("go", "");
    #[expect(clippy::disallowed_methods, reason = "the time that passes is what is tested")]
    std::thread::sleep(AWAY);
    signal(stopped, SIGCONT);
    master.says("web is running");
    home.down(master);
}
