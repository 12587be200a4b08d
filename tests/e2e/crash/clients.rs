//! Who asks while one master follows the other.

use std::sync::atomic::{AtomicBool, Ordering};

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
