//! Who asks while one master follows the other.

use std::sync::atomic::{AtomicBool, Ordering};

use super::home::{Home, app_of, pids_of};

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
        for _ in 0..10 {
            home.crash();
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 0);
    });
    let after = home.crash();
    assert_eq!(pids_of(&after), before);
    // What processes use is seen by whoever asks, which takes that he knows the master's process.
    let worker = &app_of(&after, "a")["workers"][0];
    assert!(worker["resident_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{worker}");
    home.end();
}

#[test]
fn whoever_waits_for_something_waits_on() {
    let probe = "start.probe.exec = [\"test\", \"-e\", \"DIR/go\"]\n";
    let home = Home::up("waits", &format!("{TOML}{probe}"));
    home.until_so("two processes", |status| pids_of(status).len() == 2);
    let waits = home.begin(&["wait", "a"]);
    for _ in 0..3 {
        home.crash();
    }
    home.place("go");
    let waited = waits.wait_with_output().unwrap();
    assert!(waited.status.success(), "{waited:?}\n{}", home.log());
    home.end();
}
