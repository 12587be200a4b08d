//! How masters crash, and how workers end while there is none.

use std::collections::BTreeMap;

use drover_e2e::harness::{is_running, signal};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::home::{Home, app_of, number, pids_of, workers_of};

/// Exits with 42 once there is a file `exit`, after it has computed for a while.
const WORKER: &str = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; while [ ! -e exit-$DROVER_SLOT ]; do sleep 0.05; done; exit 42";

#[test]
fn ends_of_workers_while_there_is_no_master_are_told_with_code_signal_and_cpu_time() {
    let toml = format!(
        "[app.a]\ncommand = [\"sh\", \"-c\", \"{WORKER}\"]\nworkers = 4\nstart.min_uptime = \"50ms\"\n\
         restart.backoff = {{ initial = \"30s\", jitter = 0 }}\n"
    );
    let home = Home::up("ends", &toml);
    let before = home.until_ready("a", 4);
    let master = number(&before["master"]["pid"]);
    let pids: BTreeMap<u32, u32> = workers_of(&before, "a")
        .iter()
        .map(|worker| (number(&worker["slot"]), number(&worker["pid"])))
        .collect();
    // Nobody follows as long as the keeper is stopped.
    signal(home.keeper(), Signal::SIGSTOP);
    signal(master, Signal::SIGKILL);
    home.place("exit-0");
    signal(pids[&1], Signal::SIGKILL);
    signal(pids[&2], Signal::SIGABRT);
    home.until("the ends", || {
        [master, pids[&0], pids[&1], pids[&2]].iter().all(|pid| !is_running(*pid)).then_some(())
    });
    signal(home.keeper(), Signal::SIGCONT);
    let paused = |worker: &Value| worker["phase"] == "backing_off";
    let after = home.until_so("another master", |status| {
        status["master"]["pid"] != master
            && workers_of(status, "a").iter().filter(|worker| paused(worker)).count() == 3
    });
    home.has_what_it_should(&after);
    let exits: Vec<Value> =
        workers_of(&after, "a").iter().map(|worker| worker["last_exit"].clone()).collect();
    assert_eq!((&exits[0]["kind"], &exits[0]["code"]), (&"abnormal_exit".into(), &42.into()), "{exits:?}");
    assert!(exits[0]["cpu_ms"].as_u64().is_some_and(|cpu| cpu >= 10), "{exits:?}");
    for (slot, name) in [(1, "SIGKILL"), (2, "SIGABRT")] {
        assert_eq!((&exits[slot]["signal"], &exits[slot]["code"]), (&name.into(), &Value::Null), "{exits:?}");
    }
    assert!(exits[3].is_null(), "{exits:?}");
    assert_eq!(pids_of(&after).into_iter().collect::<Vec<_>>(), [pids[&3]]);
    // Each is told once.
    let events = home.output_of(&["events", "--json"]);
    let events = String::from_utf8_lossy(&events.stdout).into_owned();
    for pid in [pids[&0], pids[&1], pids[&2]] {
        let exited = events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let exited = exited.filter(|event| event["event"] == "exited" && event["pid"] == pid);
        assert_eq!(exited.count(), 1, "{pid} in {events}");
    }
    home.end();
}

/// What waits in the socket's queue then is the connection of a dead process that had no time to say anything.
#[test]
fn a_worker_that_has_connected_and_died_while_there_is_no_master_is_told_by_its_end_alone() {
    let script = "import os, socket, time\n\
                  while not os.path.exists('end'): time.sleep(0.02)\n\
                  socket.socket(socket.AF_UNIX).connect(os.environ['DROVER_SOCKET'])\n\
                  os._exit(42)\n";
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        return drover_e2e::complain("SKIPPED: python3 is not installed");
    }
    let toml = "[app.a]\ncommand = [\"python3\", \"worker.py\"]\nworkers = 1\nprotocol = \"drover\"\n";
    let mut home = Home::up_after("silent", toml, &format!("printf %s \"{script}\" > worker.py"));
    let before = home.until_so("a worker", |status| !workers_of(status, "a")[0]["pid"].is_null());
    let worker = number(&workers_of(&before, "a")[0]["pid"]);
    let master = number(&before["master"]["pid"]);
    signal(home.keeper(), Signal::SIGSTOP);
    signal(master, Signal::SIGKILL);
    home.place("end");
    home.until("the ends", || (!is_running(master) && !is_running(worker)).then_some(()));
    signal(home.keeper(), Signal::SIGCONT);
    home.is_over(1);
    let log = home.log();
    assert!(log.contains("exited with code 42 while starting"), "{log}");
    assert!(!log.contains("without a Hello"), "{log}");
}

#[test]
fn whatever_ends_a_master_another_one_goes_on() {
    let toml = "[app.a]\ncommand = [\"sleep\", \"1000\"]\nworkers = 2\nstart.min_uptime = \"50ms\"\n";
    let home = Home::up("signals", toml);
    let before = pids_of(&home.until_ready("a", 2));
    for by in [Signal::SIGSEGV, Signal::SIGABRT, Signal::SIGKILL] {
        let after = home.crash_by(by);
        assert_eq!(pids_of(&after), before, "{by}: {}", home.log());
        home.until("the reason", || home.log().contains(&format!("was killed by {by}")).then_some(()));
    }
    // Stopped, it is neither dead nor followed; killed then, it is.
    let master = home.master();
    signal(master, Signal::SIGSTOP);
    assert_eq!(home.own_master(), Some(master));
    signal(master, Signal::SIGKILL);
    let after = home.until_so("another master", |status| status["master"]["pid"] != master);
    assert_eq!(pids_of(&after), before, "{}", home.log());
    assert_eq!(app_of(&after, "a")["phase"], "started");
    home.end();
}

#[test]
fn a_master_killed_while_it_begins_has_lost_nothing_or_ends_as_without_a_keeper() {
    let toml = "[app.a]\ncommand = [\"sleep\", \"1000\"]\nworkers = 3\nstart.min_uptime = \"50ms\"\n";
    // By how much it has opened when it is killed.
    for begun in ["", "d.sock.lock", "d.sock"] {
        let mut home = Home::up("begin", toml);
        let master = home.until("the first master", || home.own_master());
        home.until(begun, || home.path(begun).exists().then_some(()));
        signal(master, Signal::SIGKILL);
        match home.ended_instead_of(master) {
            Some(by) => {
                assert_eq!(by, Some(Signal::SIGKILL as i32), "{begun}: {}", home.log());
                home.nobody_is_left();
            }
            None => {
                let status = home.until_ready("a", 3);
                home.has_what_it_should(&status);
                home.end();
            }
        }
    }
}
