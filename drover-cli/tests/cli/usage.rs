//! What can't be typed, and help.

use std::process::Stdio;

use crate::harness::{Home, Running, eventually};

#[test]
fn a_command_without_two_dashes_is_told_where_they_belong() {
    let home = Home::new();
    let ended = home.run(&["run", "sleep", "1"]);
    ended.failed(2, &["'sleep'"]);
    assert!(ended.stderr.contains("drover run [OPTIONS] -- <CMD>..."), "{ended:#?}");
    assert!(ended.stderr.contains("put the command after `--`"), "{ended:#?}");
    home.run(&["run"]).failed(2, &["required"]);
    home.run(&["run", "-n", "none", "--", "true"]).failed(2, &["'none'", "`auto`"]);
    home.run(&["run", "--restart", "maybe", "--", "true"]).failed(2, &["'maybe'"]);
    home.run(&["run", "--protocol", "notices", "--", "true"]).failed(2, &["'notices'"]);
}

#[test]
fn unknown_verbs_and_options_are_refused_with_what_is_near() {
    let home = Home::new();
    let ended = home.run(&["statsu"]);
    ended.failed(2, &["'statsu'"]);
    assert!(ended.stderr.contains("'status'"), "{ended:#?}");
    home.run(&["status", "--jsno"]).failed(2, &["'--jsno'"]);
    home.run(&["events", "--since", "yesterday"]).failed(2, &["'yesterday'"]);
}

#[test]
fn help_and_version_are_results() {
    let home = Home::new();
    let bare = |args: &[&str]| Running::start(&mut home.bare(args)).end();
    for args in [&["--help"][..], &["-h"], &["run", "--help"], &["up", "-h"]] {
        let ended = bare(args);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!(ended.stdout.contains("Usage: drover"), "{ended:#?}");
        assert!(!ended.stdout.contains("__demo-worker"), "{ended:#?}");
    }
    let ended = bare(&["--version"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), concat!("drover ", env!("CARGO_PKG_VERSION"), "\n"))
    );
    let ended = bare(&[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("Usage: drover"), "{ended:#?}");
}

#[test]
fn the_exit_code_is_the_documented_one_where_nothing_can_be_written() {
    let home = Home::new();
    for (args, code) in [
        (&["statsu"][..], 2),
        (&["status"], 6),
        (&["up"], 2),
        (&["run", "--", "sh", "-c", "echo out; echo err >&2"], 0),
        (&["-vv", "run", "--", "sh", "-c", "exit 3"], 1),
        (&["--version"], 1),
        (&["schema"], 1),
    ] {
        let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = home.drover(args);
        let mut drover = command.stdin(Stdio::null()).stdout(full()).stderr(full()).spawn().unwrap();
        let ended = eventually("its end", || drover.try_wait().unwrap());
        assert_eq!(ended.code(), Some(code), "{args:?}");
    }
}
