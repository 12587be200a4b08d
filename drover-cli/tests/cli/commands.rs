//! Commands that can't be run: the exact reason.

use std::fs;

use crate::harness::Home;

fn refused(home: &Home, command: &str, reason: &str) {
    let ended = home.run(&["run", "--name", "app", "--", command]);
    let error = format!("error: app `app` failed to start: worker 0 could not be started: {reason}");
    assert_eq!(ended.errors(), [error.as_str()], "{ended:#?}");
    assert_eq!(ended.code, Some(1));
}

#[test]
fn a_command_that_does_not_exist() {
    let home = Home::new();
    refused(&home, "no-such-command", "the command `no-such-command` was not found in PATH");
    let here = home.dir().display();
    refused(&home, "./nope", &format!("the command `./nope` does not exist in `{here}`"));
}

#[test]
fn a_command_that_is_not_executable() {
    let home = Home::new();
    home.write("script", "#!/bin/sh\n");
    refused(&home, "./script", "the command `./script` is not executable; try `chmod +x ./script`");
}

#[test]
fn a_script_whose_interpreter_is_not_there() {
    let home = Home::new();
    home.script("script", "#!/no/such/interpreter -x\n");
    let reason = "the command `./script` names the interpreter `/no/such/interpreter` in its first line, which does not exist";
    refused(&home, "./script", reason);
}

#[test]
fn a_directory() {
    let home = Home::new();
    fs::create_dir(home.path("dir")).unwrap();
    refused(&home, "./dir", "the command `./dir` is a directory");
}

#[test]
fn a_file_that_is_neither_program_nor_script() {
    let home = Home::new();
    home.script("noise", "echo hello\n");
    let reason = "the command `./noise` is neither a program nor a script with `#!` in its first line";
    refused(&home, "./noise", reason);
}

#[test]
fn a_program_that_never_speaks_the_protocol_misses_the_deadline_of_its_start() {
    let home = Home::new();
    let master = home.up("[app.mute]\ncommand = \"sleep 1000\"\nworkers = 1\nprotocol = \"drover\"\nstart.timeout = \"300ms\"\n");
    let ended = master.end();
    ended.failed(1, &["app `mute` failed to start: worker 0 was ended by SIGTERM: it was not ready in time: \
          it never connected to DROVER_SOCKET with a Hello; a program that does not speak the protocol needs the protocol \"none\" or"]);
}

#[test]
fn a_worker_that_is_not_ready_in_time_was_killed_by_the_master() {
    let home = Home::new();
    let toml = "[app.mute]\ncommand = \"sleep 1000\"\nworkers = 1\nprotocol = \"drover\"\nstart.timeout = \"200ms\"\nrestart.backoff.initial = \"1h\"\nrestart.backoff.max = \"1h\"\n";
    home.write("drover.toml", &format!("version = 1\n{toml}"));
    let master = home.start(&["up", "--keep-going"]);
    let exit = home.worker("mute", 0, "backing_off")["last_exit"].clone();
    assert_eq!((&exit["kind"], &exit["cause"]), (&"killed_by_master".into(), &"start_deadline".into()));
    home.down(master);
}
