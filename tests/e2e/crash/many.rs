//! Many crashes, and many workers.

use std::fs;

use drover_e2e::harness::{is_running, signal};
use nix::sys::signal::SIGKILL;

use super::home::{Home, pids_of};

const TOML: &str = "[sockets.http]\nlisten = \"127.0.0.1:0\"\n[app.a]\ncommand = [\"sleep\", \"1000\"]\nsockets = [\"http\"]\nstart.min_uptime = \"50ms\"\n";

#[test]
fn a_keeper_holds_no_more_after_many_crashes_than_after_one() {
    let home = Home::up("many crashes", &format!("{TOML}workers = 4\n"));
    let before = pids_of(&home.until_ready("a", 4));
    home.crash();
    let (held, memory) = (home.settled_descriptors(), home.memory());
    for _ in 0..30 {
        home.crash();
    }
    assert_eq!(home.settled_descriptors(), held);
    assert_eq!(pids_of(&home.until_ready("a", 4)), before);
    drover_e2e::complain(&format!(
        "the keeper's memory after one crash and after 31: {memory} kB, {} kB",
        home.memory()
    ));
    home.end();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
fn a_hundred_workers_are_taken_over() {
    let home = Home::up("many workers", &format!("{TOML}workers = 100\n"));
    let before = pids_of(&home.until_ready("a", 100));
    assert_eq!(before.len(), 100);
    let master = home.master();
    let begin = std::time::Instant::now();
    signal(master, SIGKILL);
    let after = home.until_so("another master", |status| status["master"]["pid"] != master);
    drover_e2e::complain(&format!(
        "from SIGKILL to the first status of another master, with 100 workers: {:?}",
        begin.elapsed()
    ));
    assert!(!is_running(master));
    assert_eq!(pids_of(&after), before);
    home.end();
}

impl Home {
    /// How many descriptors the keeper has, once two looks see as many.
    fn settled_descriptors(&self) -> usize {
        let count = || fs::read_dir(format!("/proc/{}/fd", self.keeper())).unwrap().count();
        let mut last = 0;
        self.until("a number of descriptors that stays", || {
            let now = count();
            (std::mem::replace(&mut last, now) == now).then_some(now)
        })
    }

    /// Its proportional part of memory, in kB.
    fn memory(&self) -> u64 {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.keeper())).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }
}
