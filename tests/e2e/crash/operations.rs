//! The master is killed in the middle of each operation, which then goes on to its end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::home::{Home, app_of, number, pids_of, workers_of};

/// How many homes there are at a time.
const AT_ONCE: usize = 3;

/// Ends when it is asked to, unless there is a file `hold`; then once that is gone.
const WORKER: &str =
    "echo up; trap 'while [ -e hold ]; do sleep 0.05; done; exit 0' TERM; while :; do sleep 0.05; done";

/// Ready once there is a file `go`.
const PROBE: &str = "start.probe.exec = [\"test\", \"-e\", \"DIR/go\"]\n";

/// What, how it is described, and what is done.
type Case = (&'static str, String, fn(&Home));

#[test]
fn a_master_killed_in_the_middle_of_an_operation_is_followed_by_one_that_brings_it_to_its_end() {
    let cases: Vec<Case> = vec![
        ("idle", app("a", 2, ""), idle),
        ("notify", notifying(), notify),
        ("what a worker has left", leaving(), left),
        ("the first start", app("a", 3, PROBE) + &app("b", 1, "depends_on.a = \"ready\"\n"), first_start),
        ("a reload", app("a", 2, &format!("{PROBE}update.soak = \"400ms\"\n")), reload),
        ("a scale up", app("a", 1, PROBE), scale_up),
        ("a scale down", app("a", 4, ""), scale_down),
        ("a stop", app("a", 2, "") + &app("b", 1, ""), stop),
        ("a restart", app("a", 2, ""), restart),
        ("a suspension", app("a", 2, "suspend = { signal = \"STOP\", resume_signal = \"CONT\" }\n"), suspend),
        ("an apply of a reload", app("a", 2, "") + &app("b", 1, ""), apply_reload),
        ("an apply of a restart", app("a", 2, "") + &app("b", 1, ""), apply_restart),
        ("a recycle", app("a", 1, "recycle = { age = \"500ms\", jitter = 0 }\n"), recycle),
        ("a run by schedule", cron(), run_by_schedule),
        ("a pause", app_of_shell("a", "sleep 0.2; exit 3", PAUSES), pause),
        ("a slot given up", app_of_shell("a", "sleep 0.1; exit 3", GIVES_UP) + &app("b", 1, ""), given_up),
        ("a oneshot", ONESHOT.to_owned() + &app("b", 1, "depends_on.a = \"completed\"\n"), oneshot),
    ];
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((name, toml, acts)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tried = std::panic::catch_unwind(|| {
                        let home = Home::up(name, toml);
                        acts(&home);
                        home.end();
                    });
                    if tried.is_err() {
                        failed.lock().unwrap().push(*name);
                    }
                }
            });
        }
    });
    assert_eq!(failed.into_inner().unwrap(), [""; 0]);
}

#[test]
fn an_end_that_was_asked_for_goes_on_and_is_the_end() {
    let mut home = Home::up("down", &(app("a", 2, "") + &app("b", 1, "depends_on.a = \"ready\"\n")));
    home.until_ready("b", 1);
    home.place("hold");
    let down = home.begin(&["down"]);
    home.until_so("the stop of b", |status| app_of(status, "b")["phase"] == "shutting_down");
    let status = home.crash();
    assert_eq!(app_of(&status, "a")["phase"], "started", "it is needed by b: {status}");
    assert_eq!(app_of(&status, "b")["phase"], "shutting_down", "{status}");
    home.take("hold");
    home.is_over(0);
    let told = down.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains("goes on with what was under way"), "{told}");
}

fn app(name: &str, workers: usize, more: &str) -> String {
    app_of_shell(name, WORKER, &format!("workers = {workers}\n{more}"))
}

fn app_of_shell(name: &str, script: &str, more: &str) -> String {
    format!("[app.{name}]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nstart.min_uptime = \"50ms\"\n{more}")
}

fn idle(home: &Home) {
    let before = pids_of(&home.until_ready("a", 2));
    for _ in 0..3 {
        let after = home.crash();
        assert_eq!(pids_of(&after), before, "{}", home.log());
        assert!(workers_of(&after, "a").iter().all(|worker| worker["restarts"] == 0));
    }
    // It looks after them as ever: one that ends is followed by another.
    let old = *before.first().unwrap();
    drover_e2e::harness::signal(old, nix::sys::signal::SIGKILL);
    home.until("another worker", || {
        let now = home.until_ready("a", 2);
        (!pids_of(&now).contains(&old)).then_some(())
    });
}

fn notifying() -> String {
    let program = program!("worker_of_notices");
    format!("[app.a]\ncommand = [\"{program}\"]\nworkers = 2\nprotocol = \"notify\"\nenv.GATE = \"DIR/go\"\n")
}

/// It says that it is ready to whoever is there.
fn notify(home: &Home) {
    home.until_so("two processes", |status| pids_of(status).len() == 2);
    let before = pids_of(&home.crash());
    home.place("go");
    home.until_ready("a", 2);
    let after = home.crash();
    assert_eq!(pids_of(&after), before, "{}", home.log());
    for worker in workers_of(&after, "a") {
        home.until_so("its word", |status| {
            workers_of(status, "a").iter().any(|now| now["pid"] == worker["pid"] && now["status"] == "busy")
        });
    }
}

fn leaving() -> String {
    let program = program!("worker_notifies");
    format!(
        "[app.a]\ncommand = [\"{program}\"]\nworkers = 1\nprotocol = \"notify\"\nrestart.backoff = {{ initial = \"0s\" }}\n\
         env.E2E_STEPS = \"first store state 4711;say STATUS=has {{names}};say READY=1;first barrier\"\n\
         env.E2E_ON_HUP = \"say STATUS={{kept}}\"\nenv.E2E_OUTLIVES = \"1\"\n"
    )
}

/// Masters may come and go between a worker and the one that has what it left.
fn left(home: &Home) {
    let says = |what: &str| {
        let of = |status: &Value| workers_of(status, "a")[0].clone();
        number(&of(&home.until_so(what, |status| of(status)["status"] == what))["pid"])
    };
    let first = says("has ");
    home.crash();
    home.crash();
    drover_e2e::harness::signal(first, nix::sys::signal::SIGKILL);
    let second = says("has state");
    assert_ne!(first, second);
    home.crash();
    drover_e2e::harness::signal(second, nix::sys::signal::SIGHUP);
    assert_eq!(says("4711"), second);
}

fn first_start(home: &Home) {
    home.until_so("three processes", |status| pids_of(status).len() == 3);
    let before = pids_of(&home.crash());
    home.place("go");
    let after = home.until_ready("b", 1);
    assert!(pids_of(&after).is_superset(&before), "{}", home.log());
    assert_eq!(pids_of(&home.crash()), pids_of(&after));
}

fn reload(home: &Home) {
    home.place("go");
    let old = pids_of(&home.until_ready("a", 2));
    home.take("go");
    home.place("hold");
    let client = home.begin(&["reload", "a"]);
    home.until_so("a process of the new generation", |status| pids_of(status).len() == 3);
    let spawned = pids_of(&home.crash());
    home.place("go");
    // It soaks now.
    home.until_so("a new worker that is ready", |status| {
        let workers = workers_of(status, "a");
        workers.iter().any(|worker| worker["generation"] == 2 && worker["phase"] == "started")
    });
    let soaking = pids_of(&home.crash());
    assert!(soaking.is_superset(&spawned), "{}", home.log());
    home.until_so("a worker that leaves", |status| {
        workers_of(status, "a").iter().any(|worker| worker["role"] == "leaving")
    });
    home.crash();
    home.until_so("the commit", |status| app_of(status, "a")["generation"] == 2);
    home.crash();
    home.take("hold");
    let after = home.until_ready("a", 2);
    assert!(pids_of(&after).is_disjoint(&old), "{}", home.log());
    assert_eq!(app_of(&after, "a")["generation"], 2);
    assert!(workers_of(&after, "a").iter().all(|worker| number(&worker["id"]) <= 4), "{after}");
    let told = client.wait_with_output().unwrap();
    // Nobody has answered it.
    assert_eq!(told.status.code(), Some(6), "{told:?}");
}

fn scale_up(home: &Home) {
    home.place("go");
    let one = pids_of(&home.until_ready("a", 1));
    home.take("go");
    home.begin(&["scale", "a=4"]).wait_with_output_later();
    home.until_so("four processes", |status| pids_of(status).len() == 4);
    let four = pids_of(&home.crash());
    home.place("go");
    let after = pids_of(&home.until_ready("a", 4));
    assert!(after == four && after.is_superset(&one), "{}", home.log());
}

fn scale_down(home: &Home) {
    home.until_ready("a", 4);
    home.place("hold");
    home.begin(&["scale", "a=1"]).wait_with_output_later();
    home.until_so("workers that leave", |status| {
        workers_of(status, "a").iter().filter(|worker| worker["phase"] == "shutting_down").count() == 3
    });
    home.crash();
    home.take("hold");
    home.until_ready("a", 1);
}

fn stop(home: &Home) {
    home.until_ready("a", 2);
    let other = pids_of(&home.until_ready("b", 1)).into_iter().next_back();
    home.place("hold");
    home.begin(&["stop", "a"]).wait_with_output_later();
    home.until_so("its begin", |status| app_of(status, "a")["phase"] == "shutting_down");
    home.crash();
    home.take("hold");
    home.until_so("its end", |status| app_of(status, "a")["phase"] == "shut_down");
    let down = home.crash();
    assert_eq!(pids_of(&down).into_iter().next(), other, "{}", home.log());
    home.run(&["start", "a"]);
    home.until_ready("a", 2);
}

fn restart(home: &Home) {
    let old = pids_of(&home.until_ready("a", 2));
    home.place("hold");
    home.begin(&["restart", "a"]).wait_with_output_later();
    home.until_so("workers that leave", |status| {
        workers_of(status, "a").iter().any(|worker| worker["phase"] == "shutting_down")
    });
    home.crash();
    home.take("hold");
    home.until("two new workers", || pids_of(&home.until_ready("a", 2)).is_disjoint(&old).then_some(()));
}

fn suspend(home: &Home) {
    let before = pids_of(&home.until_ready("a", 2));
    home.run(&["suspend", "a"]);
    let after = home.crash();
    assert!(workers_of(&after, "a").iter().all(|worker| worker["phase"] == "stopped"), "{after}");
    home.run(&["resume", "a"]);
    assert_eq!(pids_of(&home.until_ready("a", 2)), before);
}

/// One app is reloaded, one goes, one is new.
fn apply_reload(home: &Home) {
    home.until_ready("a", 2);
    home.until_ready("b", 1);
    home.describe(&(app("a", 2, &format!("env.X = \"1\"\n{PROBE}")) + &app("c", 2, "")));
    home.begin(&["apply", "--yes"]).wait_with_output_later();
    home.until_so("a new worker", |status| workers_of(status, "a").len() == 3);
    home.crash();
    home.place("go");
    home.until_so("the commit", |status| app_of(status, "a")["generation"] == 2);
    home.crash();
    home.until_so("the end of b", |status| app_of(status, "b").is_null());
    home.until_ready("c", 2);
    let after = home.until_ready("a", 2);
    // Once.
    assert_eq!(app_of(&after, "a")["generation"], 2, "{}", home.log());
    let unchanged = home.output_of(&["diff"]);
    assert!(unchanged.status.success(), "{unchanged:?}");
}

/// One app has to be stopped and started.
fn apply_restart(home: &Home) {
    let old = pids_of(&home.until_ready("a", 2));
    home.until_ready("b", 1);
    home.place("hold");
    home.describe(&(app("a", 2, "kind = \"oneshot\"\n") + &app("b", 1, "")));
    home.begin(&["apply", "--yes"]).wait_with_output_later();
    home.until_so("its stop", |status| app_of(status, "a")["phase"] == "shutting_down");
    home.crash();
    home.take("hold");
    home.until("two new workers", || {
        let status = home.until_so("two workers", |status| {
            workers_of(status, "a").iter().filter(|worker| !worker["pid"].is_null()).count() == 2
        });
        let new = workers_of(&status, "a");
        new.iter().all(|worker| !old.contains(&number(&worker["pid"]))).then_some(())
    });
}

fn recycle(home: &Home) {
    let old = pids_of(&home.until_so("one worker", |status| pids_of(status).len() == 1));
    home.place("hold");
    home.until_so("another one beside it", |status| pids_of(status).len() == 2);
    home.crash();
    home.take("hold");
    home.until_so("another one in its place", |status| {
        let now = pids_of(status);
        now.len() == 1 && now.is_disjoint(&old)
    });
}

fn cron() -> String {
    let script = "echo x >> runs; while [ -e hold ]; do sleep 0.05; done; exit 7";
    format!(
        "[app.a]\nkind = \"cron\"\nschedule = \"@every 1s\"\ncommand = [\"sh\", \"-c\", \"{script}\"]\n{}",
        app("b", 1, "")
    )
}

fn run_by_schedule(home: &Home) {
    home.place("hold");
    home.until_so("a run", |status| app_of(status, "a")["cron"]["runs"] == 1 && !pids_of(status).is_empty());
    let after = home.crash();
    assert_eq!(app_of(&after, "a")["cron"]["runs"], 1, "{after}");
    home.take("hold");
    let after = home.until_so("two more runs", |status| {
        app_of(status, "a")["cron"]["runs"].as_u64().is_some_and(|runs| runs >= 3)
    });
    assert_eq!(app_of(&after, "a")["cron"]["last"]["exit"]["code"].as_u64().unwrap_or(7), 7);
    let cron = &app_of(&home.status().unwrap(), "a")["cron"];
    let begun = std::fs::read_to_string(home.path("runs")).unwrap().lines().count();
    // One may have begun meanwhile.
    assert!(cron["runs"].as_u64().is_some_and(|runs| runs.abs_diff(begun as u64) <= 1), "{begun}: {cron}");
}

const PAUSES: &str = "workers = 1\nrestart.backoff = { initial = \"5s\", jitter = 0 }\n";

fn pause(home: &Home) {
    let is_pausing =
        |status: &Value| workers_of(status, "a").iter().all(|worker| worker["phase"] == "backing_off");
    let before = home.until_so("a pause", is_pausing);
    let after = home.crash();
    let left = |status: &Value| workers_of(status, "a")[0]["next_try_ms"].as_u64().unwrap_or(0);
    assert!(left(&after) <= left(&before), "{} {}", left(&before), left(&after));
    assert_eq!(workers_of(&after, "a")[0]["last_exit"]["code"], 3);
    home.until_so("the next try", |status| workers_of(status, "a")[0]["restarts"] == 1);
    // The pause after the second failure is twice as long, as without a crash.
    home.until_so("the next pause", |status| is_pausing(status) && left(status) > 5_000);
}

const GIVES_UP: &str =
    "workers = 1\nrestart.limit = { count = 1, within = \"5m\" }\nrestart.backoff.initial = \"20ms\"\n";

fn given_up(home: &Home) {
    let is_given_up = |status: &Value| app_of(status, "a")["phase"] == "failed";
    let before = home.until_so("that it is given up", is_given_up);
    let after = home.crash();
    for status in [&before, &after] {
        assert_eq!(workers_of(status, "a")[0]["restarts"], 1, "{status}");
    }
    assert!(is_given_up(&after), "{after}");
    assert_eq!(app_of(&after, "a")["outcome"], app_of(&before, "a")["outcome"]);
}

const ONESHOT: &str = "[app.a]\nkind = \"oneshot\"\ncommand = [\"sh\", \"-c\", \"touch begun; while [ -e hold ] || [ ! -e go ]; do sleep 0.05; done\"]\n";

fn oneshot(home: &Home) {
    home.until("its begin", || home.path("begun").exists().then_some(()));
    home.crash();
    home.place("go");
    home.until_ready("b", 1);
    std::fs::remove_file(home.path("begun")).unwrap();
    let after = home.crash();
    assert_eq!(app_of(&after, "a")["phase"], "shut_down", "{after}");
    assert!(!home.path("begun").exists(), "it has run once");
}

/// A client that nobody waits for before the end.
trait Later {
    fn wait_with_output_later(self);
}

impl Later for std::process::Child {
    fn wait_with_output_later(self) {
        std::thread::spawn(|| self.wait_with_output());
    }
}
