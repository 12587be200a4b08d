//! `restart.limit`: what happens when a worker fails too often.

use crate::harness::Home;

const OTHER: &str = "[app.other]\ncommand = \"sleep 1000\"\nworkers = 1\n";

/// An app whose slot 1 fails again and again once it is ready; slot 0 goes on.
fn failing(then: &str) -> String {
    format!(
        "[app.app]\nworkers = 2\nstart.min_uptime = \"50ms\"\nrestart.limit = {{ count = 2, within = \"1m\", then = \"{then}\" }}\nrestart.backoff = {{ initial = \"10ms\", max = \"10ms\" }}\ncommand = [\"sh\", \"-c\", \"[ $DROVER_SLOT = 0 ] && exec sleep 1000; sleep 0.2; echo oh no >&2; exit 5\"]\n"
    )
}

const REASON: &str = "too many failures within the window of restart.limit";

#[test]
fn give_up_leaves_the_slot_empty_and_the_others_running() {
    let home = Home::new();
    let master = home.up(&failing("give-up"));
    let worker = home.worker("app", 1, "failed");
    assert!(worker["pid"].is_null() && worker["next_try_ms"].is_null(), "{worker}");
    assert_eq!(worker["last_exit"]["code"], 5);
    assert_eq!(home.worker("app", 0, "started")["restarts"], 0);
    master.says(&format!("app/1 is not tried again: {REASON}"));
    let table = home.run(&["status"]);
    assert_eq!(table.code, Some(3), "one is not ready: {table:#?}");
    assert!(table.stdout.contains("1 of 2 ready"), "{table:#?}");
    home.down(master);
}

#[test]
fn stop_app_ends_the_app_and_leaves_the_others_running() {
    let home = Home::new();
    let master = home.up(&format!("{}{OTHER}", failing("stop-app")));
    master.says(&format!("drover: app failed: {REASON}"));
    home.worker("app", 1, "failed");
    home.worker("app", 0, "shut_down");
    home.worker("other", 0, "started");
    // Asked to end, it ends well.
    home.down(master);
}

#[test]
fn stop_all_ends_everything() {
    let home = Home::new();
    let ended = home.up(&format!("{}{OTHER}", failing("stop-all"))).end();
    ended.failed(1, &["app `app` failed", REASON, "worker 1 exited with code 5 while ready"]);
    assert!(ended.stderr.contains("drover: other stops, asked by the restart limit"), "{ended:#?}");
}
