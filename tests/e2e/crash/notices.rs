//! Masters that are killed while workers that notify start.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use drover_e2e::harness::signal;
use nix::sys::signal::Signal;

use super::home::{Home, app_of, number, workers_of};

/// How often. One of ten such moments had been the end of a reload.
const KILLS: u64 = 40;

/// Within so many microseconds after a reload was accepted: in it both workers are made, and say that they are ready.
const WITHIN: u64 = 12_000;

#[test]
fn a_worker_that_is_made_or_says_that_it_is_ready_as_the_master_dies_is_ready() {
    let program = program!("worker_notifies");
    kill_in_reloads(
        "notices",
        &format!("command = [\"{program}\"]\nenv.E2E_STEPS = \"say READY=1\"\nenv.E2E_OUTLIVES = \"1\"\n"),
    );
}

#[test]
fn so_is_one_that_says_it_by_a_newline() {
    kill_in_reloads("newlines", "command = [\"sh\", \"-c\", \"echo >&5; exec sleep 1000\"]\nnotify_fd = 5\n");
}

fn kill_in_reloads(name: &str, how: &str) {
    let home = Home::up(
        name,
        &format!(
            "[app.a]\n{how}workers = 2\nprotocol = \"notify\"\nupdate.soak = \"0s\"\n\
             start = {{ timeout = \"5s\", min_uptime = \"0s\" }}\n"
        ),
    );
    let mut status = home.until_ready("a", 2);
    let chance = RandomState::new();
    for kill in 0..KILLS {
        let next = number(&app_of(&status, "a")["generation"]) + 1;
        let master = number(&status["master"]["pid"]);
        home.run(&["reload", "a", "--no-wait"]);
        // At a moment of chance.
        std::thread::park_timeout(Duration::from_micros(chance.hash_one(kill) % WITHIN));
        signal(master, Signal::SIGKILL);
        home.until_so("another master", |status| status["master"]["pid"] != master);
        status = home.until_ready("a", 2);
        let generations: Vec<u32> =
            workers_of(&status, "a").iter().map(|worker| number(&worker["generation"])).collect();
        assert_eq!(generations, [next, next], "kill {kill}: {}", home.log());
    }
    home.end();
}
