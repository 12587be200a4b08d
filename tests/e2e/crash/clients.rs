//! Who asks while one master follows the other.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::home::{Home, pids_of};

const TOML: &str = "[app.a]\ncommand = [\"sleep\", \"1000\"]\nworkers = 2\nstart.min_uptime = \"50ms\"\n";

#[test]
fn whoever_asks_for_the_status_again_and_again_is_never_refused() {
    let home = Home::up("asked", TOML);
    let before = pids_of(&home.until_ready("a", 2));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut answers = 0;
            while !is_over.load(Ordering::Relaxed) {
                let asked = home.output_of(&["status", "--json"]);
                assert!(asked.status.success(), "after {answers}: {asked:?}\n{}", home.log());
                answers += 1;
            }
            answers
        });
        for _ in 0..25 {
            home.crash();
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 0);
    });
    let after = home.crash();
    assert_eq!(pids_of(&after), before);
    home.end();
}

#[test]
fn whoever_follows_goes_on_with_the_next_master_and_misses_nothing() {
    let script = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done";
    let home =
        Home::up("followed", &format!("[app.a]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nworkers = 1\n"));
    home.until_ready("a", 1);
    let mut lines = Follower::of(home.begin(&["logs", "-f", "a"]));
    let mut events = Follower::of(home.begin(&["events", "-f", "--json"]));
    lines.has_begun();
    events.has_begun();
    home.run(&["upgrade"]);
    home.crash();
    home.run(&["upgrade"]);
    let newest = || number_of(&String::from_utf8(home.output_of(&["logs", "-n", "1", "a"]).stdout).unwrap());
    let then = home.until("a line under the last master", newest);
    home.until("more lines", || newest().filter(|newest| *newest > then + 20));
    home.end();
    let lines: Vec<u64> = lines.rest().iter().filter_map(|line| number_of(line)).collect();
    assert!(lines.len() > 20 && lines.windows(2).all(|pair| pair[1] == pair[0] + 1), "{lines:?}");
    let events = events.rest();
    let numbers =
        events.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap());
    let numbers: Vec<u64> = numbers.collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{events:?}");
    let replaced = events.iter().filter(|line| line.contains("\"master_replaced\"")).count();
    assert_eq!(replaced, 3, "{events:?}");
}

/// A reading of a pipe is one moment, however many lines it has.
#[test]
fn whoever_follows_is_told_nothing_twice_of_many_lines_that_came_at_once() {
    // As many as fit into the pipe of whoever follows.
    let script = "echo 1; while [ ! -e burst ]; do sleep 0.02; done; seq 2 3000; exec sleep 1000";
    let home =
        Home::up("burst", &format!("[app.a]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nworkers = 1\n"));
    home.until_ready("a", 1);
    let mut lines = Follower::of(home.begin(&["logs", "-f", "a"]));
    lines.has_begun();
    home.place("burst");
    let newest = || number_of(&String::from_utf8(home.output_of(&["logs", "-n", "1", "a"]).stdout).unwrap());
    home.until("the last line", || newest().filter(|newest| *newest == 3000));
    home.crash();
    home.run(&["upgrade"]);
    home.crash();
    home.end();
    let lines: Vec<u64> = lines.rest().iter().filter_map(|line| number_of(line)).collect();
    let expected: Vec<u64> = (1..=3000).collect();
    assert!(lines == expected, "{} lines, from {:?} to {:?}", lines.len(), lines.first(), lines.last());
}

/// Of a line `a/0 | 17`.
fn number_of(line: &str) -> Option<u64> {
    line.trim_end().rsplit(' ').next()?.parse().ok()
}

/// A verb that follows something.
struct Follower {
    child: Child,
    stdout: BufReader<ChildStdout>,
    first: String,
}

impl Follower {
    fn of(mut child: Child) -> Self {
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout, first: String::new() }
    }

    fn has_begun(&mut self) {
        self.stdout.read_line(&mut self.first).unwrap();
        assert!(!self.first.is_empty(), "it has ended");
    }

    /// All that it prints, until its end.
    fn rest(self) -> Vec<String> {
        let mut all = vec![self.first];
        all.extend(self.stdout.lines().map(Result::unwrap));
        // It has closed its output, so this is its end.
        let ended = self.child.wait_with_output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        all
    }
}
