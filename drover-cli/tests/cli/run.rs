//! `drover run -- CMD`: plain programs.

use crate::harness::Home;

#[test]
fn a_plain_program_is_started_once_it_has_lived_for_a_second() {
    let home = Home::new();
    let master = home.start(&["run", "--", "sleep", "1000"]);
    let worker = home.worker("sleep", 0, "starting");
    assert!(worker["uptime_ms"].as_u64().unwrap() < 1000, "{worker}");
    let worker = home.worker("sleep", 0, "started");
    assert!(worker["pid"].is_u64(), "{worker}");
    home.down(master);
}

#[test]
fn a_command_that_ends_well_completes() {
    let home = Home::new();
    let ended = home.run(&["run", "--", "true"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    assert!(ended.errors().is_empty(), "{ended:#?}");
    assert!(ended.stderr.ends_with("drover: true completed\n"), "{ended:#?}");
    assert!(!ended.stderr.contains("ready"), "nothing ever was: {ended:#?}");
}

#[test]
fn a_command_that_fails_at_its_start_is_one_error_with_its_last_words() {
    let home = Home::new();
    let ended = home.run_sh(&[], "echo fine; echo 'no config at /etc/x' >&2; printf giving\\ up >&2; exit 3");
    ended.failed(1, &["app `app` failed to start: worker 0 exited with code 3 while starting"]);
    let words = "its last words on stderr:\n  no config at /etc/x\n  giving up\n";
    assert!(ended.stderr.ends_with(words), "{ended:#?}");
    let ended = home.run(&["run", "--", "false"]);
    ended.failed(1, &["app `false` failed to start: worker 0 exited with code 1 while starting"]);
    assert!(!ended.stderr.contains("last words"), "it had none: {ended:#?}");
    // Told once as what happened, and once as the error.
    assert_eq!(ended.stderr.matches("exited with code 1").count(), 2, "{ended:#?}");
}

#[test]
fn quiet_leaves_the_output_of_workers_and_the_error() {
    let home = Home::new();
    let ended = home.run_sh(&["-q"], "echo out; echo err >&2; exit 3");
    assert_eq!(ended.stdout, "app/0 | out\n");
    let error = "error: app `app` failed to start: worker 0 exited with code 3 while starting\n";
    assert_eq!(ended.stderr, format!("app/0 | err\n{error}its last words on stderr:\n  err\n"));
}

#[test]
fn a_worker_that_is_killed_at_its_start_fails_the_start() {
    let home = Home::new();
    let ended = home.run_sh(&[], "kill -KILL $$");
    ended.failed(1, &["worker 0 was ended by SIGKILL from outside while starting"]);
}

#[test]
fn one_failure_of_many_stops_the_others() {
    let home = Home::new();
    let script = "trap 'echo told; exit 0' TERM; if [ $DROVER_SLOT = 2 ]; then exit 7; fi; while :; do sleep 0.1; done";
    let ended = home.run_sh(&["-n", "3"], script);
    ended.failed(1, &["worker 2 exited with code 7 while starting"]);
}

#[test]
fn auto_is_one_worker_a_cpu() {
    let home = Home::new();
    let ended = home.run_sh(&["-n", "auto"], "echo here");
    assert_eq!(ended.code, Some(0));
    let cpus = std::thread::available_parallelism().unwrap().get();
    assert_eq!(ended.stdout.lines().count(), cpus, "{ended:#?}");
}

#[test]
fn workers_know_their_app_and_slot_and_nothing_of_a_protocol_they_do_not_speak() {
    let home = Home::new();
    let ended = home.run_sh(
        &["-n", "2"],
        "echo $DROVER_APP $DROVER_SLOT $DROVER_GENERATION [$DROVER_SOCKET$DROVER_TOKEN$LISTEN_FDS]",
    );
    let mut lines: Vec<&str> = ended.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["app/0 | app 0 1 []", "app/1 | app 1 1 []"]);
}

#[test]
fn stdin_that_is_open_does_not_end_and_one_that_ended_a_program_is_told() {
    let home = Home::new();
    let ended = home.run(&["run", "--", "cat"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(
        ended.stderr.contains("it exited at once; if it exits when its standard input ends")
            && ended.stderr.contains("--stdin open")
    );
    let open = home.start(&["run", "-n", "2", "--stdin", "open", "--name", "app", "--", "cat"]);
    open.says("app is running");
    let ended = home.down(open);
    assert!(!ended.stderr.contains("at once"), "{ended:#?}");
}

#[test]
fn stdin_of_a_worker_is_empty() {
    let home = Home::new();
    let ended = home.run(&["run", "--", "cat"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
}
