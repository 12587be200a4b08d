//! What workers have printed before their master died.

use drover_e2e::harness::is_running;

use super::home::{Home, pids_of, workers_of};

#[test]
fn what_workers_have_printed_is_shown_by_each_master_and_is_the_evidence_of_their_end() {
    let script =
        "echo begun; echo worried >&2; while [ ! -e end ]; do sleep 0.05; done; echo broken >&2; exit 3";
    let more =
        "workers = 1\nstart.min_uptime = \"50ms\"\nrestart.backoff = { initial = \"30s\", jitter = 0 }\n";
    let home = Home::up("words", &format!("[app.a]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n{more}"));
    home.until_ready("a", 1);
    let logs = || String::from_utf8(home.output_of(&["logs", "a"]).stdout).unwrap();
    home.until("its words", || (logs().contains("worried") && logs().contains("begun")).then_some(()));
    let before = logs();
    for replace in [|home: &Home| drop(home.crash()), |home: &Home| drop(home.upgrade(&[]))].repeat(2) {
        replace(&home);
        assert_eq!(logs(), before, "{}", home.log());
    }
    home.place("end");
    let ended = home.until_so("its end", |status| !workers_of(status, "a")[0]["last_exit"].is_null());
    let exit = &workers_of(&ended, "a")[0]["last_exit"];
    assert_eq!(exit["stderr_tail"], serde_json::json!(["worried", "broken"]), "{exit}");
    // Of one that has ended too.
    let words = logs();
    home.crash();
    assert_eq!(logs(), words);
    home.end();
}

#[test]
fn each_master_shows_every_line_once_that_was_printed_while_others_were_killed() {
    // In bursts, so that a master is killed while it reads as fast as it can, and while it waits.
    let burst = "seq $i $((i+1999)); i=$((i+2000)); sleep 0.01";
    let script = format!("i=1; while [ ! -e end ]; do {burst}; done; echo $i; exec sleep 1000");
    let app =
        |name, more| format!("[app.{name}]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nworkers = 1\n{more}");
    // A quiet one, one whose own output is the only other reader, and one that also writes to a file.
    let quiet = "[app.quiet]\ncommand = [\"sh\", \"-c\", \"echo 1; exec sleep 1000\"]\nworkers = 1\n";
    let home = Home::up(
        "lines",
        &format!("{}{}{quiet}", app("plain", ""), app("filed", "logs = { dir = \"DIR/logs\" }\n")),
    );
    for name in ["plain", "filed", "quiet"] {
        home.until_ready(name, 1);
    }
    let shown = |name: &str| -> Vec<u64> {
        let lines = String::from_utf8(home.output_of(&["logs", "-n", "1000000", name]).stdout).unwrap();
        lines.lines().map(|line| number_of(line).unwrap_or_else(|| panic!("`{line}`"))).collect()
    };
    let is_whole = |numbers: &[u64]| numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
    for round in 0..15 {
        home.crash();
        if round % 5 == 4 {
            for name in ["plain", "filed"] {
                let numbers = shown(name);
                assert!(numbers.len() > 1000 && is_whole(&numbers), "{name}: {} lines", numbers.len());
            }
        }
    }
    home.place("end");
    for name in ["plain", "filed"] {
        let last = home.until("the last line", || {
            let numbers = shown(name);
            let last = *numbers.last()?;
            (last % 2000 == 1 && last > 2000).then_some(numbers)
        });
        assert!(last.len() > 10_000 && is_whole(&last), "{name}: {} lines", last.len());
    }
    assert_eq!(shown("quiet"), [1]);
    home.end();
}

/// Of a line `a/0 | 17`.
fn number_of(line: &str) -> Option<u64> {
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn a_master_killed_as_it_waits_for_the_last_words_of_a_worker_leaves_them_to_the_next() {
    // Somebody has its stderr open still, so the master waits for more.
    let script = "setsid sleep 2 & echo broken >&2; while [ ! -e end ]; do sleep 0.02; done; exit 3";
    let more =
        "workers = 1\nstart.min_uptime = \"50ms\"\nrestart.backoff = { initial = \"30s\", jitter = 0 }\n";
    for _ in 0..4 {
        let home =
            Home::up("last words", &format!("[app.a]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n{more}"));
        let before = home.until_ready("a", 1);
        let [worker] = pids_of(&before).into_iter().collect::<Vec<_>>()[..] else { panic!("{before}") };
        home.place("end");
        home.until("its end", || (!is_running(worker)).then_some(()));
        home.crash();
        let ended = home.until_so("it is told", |status| !workers_of(status, "a")[0]["last_exit"].is_null());
        let exit = &workers_of(&ended, "a")[0]["last_exit"];
        assert_eq!(exit["stderr_tail"], serde_json::json!(["broken"]), "{exit}");
        assert_eq!(exit["code"], 3, "{exit}");
        home.end();
    }
}
