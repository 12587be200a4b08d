//! `drover run --restart`.

use crate::harness::Home;

/// Fails twice after it was ready, then ends well.
const THIRD_TIME: &str = "echo x >> tries; sleep 1.2; [ $(wc -l < tries) -ge 3 ]";

#[test]
fn on_failure_starts_again_after_failures_and_completes_after_a_success() {
    let home = Home::new();
    let ended = home.run_sh(&["--restart", "on-failure"], THIRD_TIME);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(std::fs::read_to_string(home.path("tries")).unwrap(), "x\nx\nx\n");
    assert_eq!(ended.stderr.matches("app/0 failed: exited with code 1 while ready").count(), 2, "{ended:#?}");
    assert!(ended.stderr.contains("tries again in "), "{ended:#?}");
}

#[test]
fn always_starts_again_after_a_success() {
    let home = Home::new();
    let master = home.start_sh(&["--restart", "always"], "sleep 1.2");
    let worker = home.until("the second life", |status| {
        let worker = &status["apps"][0]["workers"][0];
        (worker["restarts"] == 1).then(|| worker.clone())
    });
    assert_eq!(worker["last_exit"]["kind"], "normal_exit");
    home.down(master);
}

#[test]
fn a_service_of_a_file_comes_back_after_it_has_left_with_code_0() {
    let home = Home::new();
    let master = home.up("[app.app]\nworkers = 1\ncommand = [\"sh\", \"-c\", \"sleep 1.2\"]\n");
    let worker = home.until("the second life", |status| {
        let worker = &status["apps"][0]["workers"][0];
        (worker["restarts"] == 1).then(|| worker.clone())
    });
    assert_eq!(worker["last_exit"]["kind"], "normal_exit");
    home.down(master);
}

#[test]
fn never_leaves_it_at_one_life() {
    let home = Home::new();
    let ended = home.run_sh(&["--restart", "never"], "sleep 1.2; echo bye >&2; exit 4");
    ended.failed(
        1,
        &["app `app` failed: the restart policy says never", "worker 0 exited with code 4 while ready"],
    );
    assert!(ended.stderr.ends_with("its last words on stderr:\n  bye\n"), "{ended:#?}");
    let ended = home.run_sh(&["--restart", "never"], "sleep 1.2");
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[test]
fn while_it_waits_to_be_tried_again_the_table_says_how_long() {
    let home = Home::new();
    let toml = "[app.app]\nworkers = 1\nstart.min_uptime = \"100ms\"\nrestart.backoff = { initial = \"1h\", max = \"1h\" }\ncommand = [\"sh\", \"-c\", \"sleep 0.3; exit 5\"]\n";
    let master = home.up(toml);
    let worker = home.worker("app", 0, "backing_off");
    assert!(worker["next_try_ms"].as_u64().unwrap() > 1_000_000, "{worker}");
    assert!(worker["pid"].is_null(), "{worker}");
    assert_eq!(worker["last_exit"]["code"], 5);
    let table = home.run(&["status"]);
    assert_eq!(table.code, Some(3), "nobody is ready: {table:#?}");
    assert!(table.stdout.contains("backing off, next try in "), "{table:#?}");
    assert!(table.stdout.contains("exited with code 5 while ready"), "{table:#?}");
    home.down(master);
}
