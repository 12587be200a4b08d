//! `DROVER_LOG` and `DEBUG`: what happens inside; never what is secret.

use crate::harness::{Ended, Home, Running, events_of};

fn traced(home: &Home, variables: &[(&str, &str)], args: &[&str]) -> Ended {
    let mut command = home.drover(args);
    command.envs(variables.iter().copied()).env("SECRET", "hunter2-env");
    let master = Running::start(&mut command);
    master.says("is running");
    home.down(master)
}

const DEMO: [&str; 5] = ["demo", "-n", "1", "-l", "127.0.0.1:0"];

#[test]
fn every_change_and_every_message_is_shown() {
    let verbose = [&DEMO[..], &["-v"]].concat();
    let ways = [
        (vec![("DROVER_LOG", "debug")], &DEMO[..]),
        (vec![("DEBUG", "drover:*")], &DEMO[..]),
        (vec![], &verbose[..]),
    ];
    for (variables, args) in ways {
        let home = Home::new();
        let ended = traced(&home, &variables, args);
        for part in [
            "drover::worker",
            "INITIALIZED → STARTING",
            "STARTING → STARTED",
            "STARTED → STOPPING",
            "STOPPING → STOPPED",
            "drover::protocol",
            "← Hello",
            "← Started",
            "→ Stop",
            "← Stopped",
            "→ Quit",
            "drover::control",
        ] {
            assert!(ended.stderr.contains(part), "{part} is not in\n{}", ended.stderr);
        }
        assert!(!ended.stderr.contains('\x1b'), "{ended:#?}");
    }
}

#[test]
fn a_target_can_be_asked_for_alone_and_nothing_is_shown_unasked() {
    let home = Home::new();
    let ended = traced(&home, &[("DEBUG", "express:*,drover:worker")], &DEMO);
    assert!(ended.stderr.contains("STARTING → STARTED") && !ended.stderr.contains("← Hello"), "{ended:#?}");
    let ended = traced(&home, &[], &DEMO);
    assert!(ended.stderr.lines().all(|line| line.starts_with("drover: ")), "{ended:#?}");
}

#[test]
fn tokens_and_values_of_the_environment_are_never_shown() {
    let home = Home::new();
    let token = home.path("token");
    // It never gets ready, so that its failures are told too; its token is known to the test by a file.
    let script =
        format!("echo $DROVER_TOKEN > {}; echo $SECRET$FILE_SECRET > /dev/null; sleep 1000", token.display());
    let toml = format!(
        "version = 1\n[app.app]\nworkers = 1\nprotocol = \"drover\"\nenv = {{ FILE_SECRET = \"hunter2-file\" }}\nstart.timeout = \"1s\"\ncommand = [\"sh\", \"-c\", {script:?}]\n"
    );
    home.write("drover.toml", &toml);
    let mut command = home.drover(&["up", "--keep-going"]);
    command.env("SECRET", "hunter2-env").env("DROVER_LOG", "trace");
    let master = Running::start(&mut command);
    home.worker("app", 0, "backing_off");
    let token = std::fs::read_to_string(token).unwrap();
    let token = token.trim();
    assert!(token.len() >= 32, "{token:?}");
    let shown = [
        home.run(&["status", "--json"]).stdout,
        home.run(&["events", "--json"]).stdout,
        home.run(&["status"]).stdout,
    ];
    assert!(!events_of(&shown[1]).is_empty());
    let ended = home.down(master);
    for text in shown.iter().chain([&ended.stdout, &ended.stderr]) {
        assert!(!text.contains("hunter2") && !text.contains(token), "{text}");
    }
}

#[test]
fn a_filter_that_makes_no_sense_is_a_usage_error() {
    let home = Home::new();
    let mut command = home.drover(&["run", "--", "true"]);
    let ended = Running::start(command.env("DROVER_LOG", "drover=loud")).end();
    ended.failed(2, &["DROVER_LOG is `drover=loud`", "such as `debug`"]);
    assert_eq!(ended.errors()[0].matches("expected one of").count(), 1, "{ended:#?}");
}
