//! What drover.toml says of an app takes effect.

use crate::harness::{Ended, Home, Running};

/// Runs an app of one worker to its end.
fn app(home: &Home, lines: &str, script: &str) -> Ended {
    let toml = format!("[app.app]\nworkers = 1\n{lines}\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\n");
    home.write("drover.toml", &format!("version = 1\n{toml}"));
    let mut command = home.drover(&["-q", "up"]);
    command.env("INHERITED", "from above").env("LISTEN_PID", "1").env("NOTIFY_SOCKET", "/no/where");
    Running::start(&mut command).end()
}

fn said(ended: &Ended) -> Vec<&str> {
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    ended.stdout.lines().map(|line| line.strip_prefix("app/0 | ").expect("the prefix")).collect()
}

#[test]
fn the_environment_is_added_to_what_is_inherited() {
    let home = Home::new();
    let ended = app(
        &home,
        "restart = \"on-failure\"\nenv = { ADDED = \"by a = file\", HOME = \"/x\" }",
        "echo $INHERITED; echo $ADDED; echo $HOME; echo [$LISTEN_PID$NOTIFY_SOCKET]",
    );
    assert_eq!(said(&ended), ["from above", "by a = file", "/x", "[]"]);
}

#[test]
fn the_environment_can_be_cleared() {
    let home = Home::new();
    let ended = app(
        &home,
        "restart = \"on-failure\"\nenv_clear = true\nenv = { ADDED = \"yes\" }",
        "exec /usr/bin/env",
    );
    let mut names: Vec<&str> = said(&ended).iter().map(|line| line.split('=').next().unwrap()).collect();
    names.sort_unstable();
    // The shell adds PWD and its kin.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    assert_eq!(
        names,
        ["ADDED", "DROVER_APP", "DROVER_GENERATION", "DROVER_MASTER", "DROVER_SLOT", "DROVER_WORKER_ID"]
    );
}

#[test]
fn the_directory_and_the_mask_are_set() {
    let home = Home::new();
    std::fs::create_dir(home.path("work")).unwrap();
    let ended = app(&home, "restart = \"on-failure\"\ncwd = \"work\"\numask = \"0027\"", "pwd; umask");
    assert_eq!(said(&ended), [home.path("work").to_str().unwrap(), "0027"]);
    let ended = app(&home, "cwd = \"nowhere\"", "pwd");
    let directory = home.path("nowhere");
    ended.failed(1, &[&format!("the working directory `{}` does not exist", directory.display())]);
}

#[test]
fn the_stop_signal_is_sent_in_place_of_sigterm() {
    let home = Home::new();
    let script =
        "trap 'echo usr1; exit 0' USR1; trap 'echo term; exit 0' TERM; echo up; while :; do sleep 0.1; done";
    let master = home.up(&format!(
        "[app.app]\nworkers = 1\nstop.signal = \"USR1\"\ncommand = [\"sh\", \"-c\", {script:?}]\n"
    ));
    master.prints("up");
    let ended = home.down(master);
    assert_eq!(ended.stdout, "app/0 | up\napp/0 | usr1\n");
}

#[test]
fn codes_that_are_a_success_complete() {
    let home = Home::new();
    let ended = app(&home, "restart = { policy = \"on-failure\", success_codes = [0, 3] }", "exit 3");
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[test]
fn codes_that_are_fatal_are_not_tried_again() {
    let home = Home::new();
    let ended = app(&home, "start.min_uptime = \"100ms\"\nrestart.fatal_codes = [9]", "sleep 0.3; exit 9");
    ended.failed(
        1,
        &["app `app` failed: the exit code is one of fatal_codes; worker 0 exited with code 9 while ready"],
    );
}

#[test]
fn a_short_min_uptime_is_ready_soon() {
    let home = Home::new();
    let master = home.up("[app.app]\nworkers = 1\nstart.min_uptime = \"10ms\"\ncommand = \"sleep 1000\"\n");
    let events = {
        home.worker("app", 0, "started");
        home.events()
    };
    let time =
        |name: &str| events.iter().find(|event| event["event"] == name).unwrap()["time_ms"].as_u64().unwrap();
    assert!(time("started") - time("spawned") < 1000, "{events:#?}");
    home.down(master);
}
