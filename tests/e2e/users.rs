//! Workers that run as another user. Only root can have them; without it these tests say that they were skipped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command as Program;

use drover_e2e::harness::{App, Captured, Process, eventually, is_running, variable_of};
use drover_master::config::{AppSpec, ConfigError, Protocol};
use drover_master::{AccountError, BuildError, Command, MasterBuilder, SpawnStep, Stream};
use nix::sys::signal::SIGKILL;

use crate::commands::refusal;
use crate::surroundings::{plain, sleep, status_of};

/// By convention the one that owns nothing; an id needs no entry in the user database.
const NOBODY: u32 = 65534;

/// Whether workers of other users can be had, and where not, says so.
fn is_root() -> bool {
    // In a user namespace root is root of the users that are mapped (user_namespaces(7)).
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let has_all = map.split_whitespace().collect::<Vec<_>>() == ["0", "0", "4294967295"];
    let is_root = nix::unistd::geteuid().is_root() && has_all;
    if !is_root {
        drover_e2e::complain("SKIPPED: only root of all users can run workers as another one");
    }
    is_root
}

fn as_nobody(command: Command) -> Command {
    command.user(NOBODY.to_string()).group(NOBODY.to_string())
}

/// A copy of a program where every user can reach it; the build directory may be anybody's.
fn within_reach(program: &str) -> (tempfile::TempDir, PathBuf) {
    let dir =
        tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir_in("/tmp").unwrap();
    let copy = dir.path().join("program");
    fs::copy(program, &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    (dir, copy)
}

fn build_error(command: Command) -> AccountError {
    match plain(command).build().map(drop) {
        Err(BuildError::Config(ConfigError::Account { fault, .. })) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_worker_has_the_ids_and_groups_of_its_user_and_no_others() {
    if !is_root() {
        return;
    }
    let app = App::started(plain(as_nobody(sleep()))).await;
    let pid = app.pid(0);
    for field in ["Uid", "Gid"] {
        assert_eq!(status_of(pid, field).split_whitespace().collect::<Vec<_>>(), ["65534"; 4], "{field}");
    }
    assert_eq!(status_of(pid, "Groups"), "65534");
    // What it may do came from the user that it no longer is.
    assert_eq!(u64::from_str_radix(&status_of(pid, "CapEff"), 16), Ok(0));
    app.end().await;

    let grouped = App::started(plain(sleep().group("4711"))).await;
    let pid = grouped.pid(0);
    assert!(status_of(pid, "Uid").starts_with("0\t") && status_of(pid, "Gid").starts_with("4711\t"));
    assert_eq!(status_of(pid, "Groups"), "4711");
    grouped.end().await;
}

#[tokio::test]
async fn a_worker_finds_the_variables_of_its_user_and_not_the_masters() {
    if !is_root() {
        return;
    }
    let app = App::started(plain(sleep().user("root").env("SHELL", "/mine"))).await;
    let found = |name| variable_of(app.pid(0), name);
    assert_eq!(found("USER").as_deref(), Some("root"));
    assert_eq!(found("LOGNAME").as_deref(), Some("root"));
    assert_eq!(found("HOME").as_deref(), Some("/root"));
    assert_eq!(found("SHELL").as_deref(), Some("/mine"));
    app.end().await;
    let mut master = Process::start(
        Program::new(program!("master"))
            .args(["none", "sleep"])
            .env("E2E_ARGS", "300")
            // An id that no database has an entry for.
            .env("E2E_USER", "3999999999")
            .env("HOME", "/root"),
    );
    let ready = master.line().await;
    let pid = ready.split(' ').nth(2).unwrap().parse().unwrap();
    assert_eq!(variable_of(pid, "HOME"), None);
}

#[tokio::test]
async fn a_worker_of_another_user_speaks_the_protocol_and_is_drained() {
    if !is_root() {
        return;
    }
    let (_dir, program) = within_reach(program!("worker_good"));
    let command = as_nobody(Command::new(program));
    let spec = App::builder("/").spec().clone();
    let mut app =
        App::started(MasterBuilder::from_spec(AppSpec { command, protocol: Protocol::Drover, ..spec })).await;
    assert!(status_of(app.pid(0), "Uid").starts_with("65534\t"));
    let mode = fs::metadata(app.socket(0)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    app.end().await;
}

#[tokio::test]
async fn a_worker_of_another_user_can_open_its_standard_streams_anew() {
    if !is_root() {
        return;
    }
    let sink = Captured::default();
    let script = "echo out >/dev/stdout; echo err >/dev/stderr; exec sleep 300";
    let command = as_nobody(Command::new("/bin/sh").args(["-c", script]));
    let app = App::started(plain(command).output_sink(sink.clone())).await;
    for stream in [Stream::Stdout, Stream::Stderr] {
        eventually("its line", || (!sink.lines(stream).is_empty()).then_some(())).await;
    }
    assert_eq!(
        (sink.lines(Stream::Stdout), sink.lines(Stream::Stderr)),
        (vec!["out".into()], vec!["err".into()])
    );
    app.end().await;
}

#[tokio::test]
async fn a_plain_worker_of_another_user_dies_with_its_master() {
    if !is_root() {
        return;
    }
    let mut master = Process::start(
        Program::new(program!("master"))
            .args(["none", "sleep"])
            .env("E2E_ARGS", "300")
            .env("E2E_USER", NOBODY.to_string()),
    );
    let ready = master.line().await;
    let pids: Vec<u32> = ready.split(' ').skip(2).map(|pid| pid.parse().unwrap()).collect();
    assert!(status_of(pids[0], "Uid").starts_with("65534\t"));
    master.signal(SIGKILL);
    for pid in pids {
        eventually("the worker to be gone", || (!is_running(pid)).then_some(())).await;
    }
}

#[tokio::test]
async fn a_directory_or_a_program_that_the_user_may_not_enter_is_told_with_the_user() {
    if !is_root() {
        return;
    }
    let dir = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap();
    let path = dir.path().display();
    let worker = plain(as_nobody(sleep()).current_dir(dir.path()));
    assert_eq!(
        refusal(worker, SpawnStep::WorkingDirectory, libc::EACCES).await,
        format!(
            "the working directory `{path}` can't be entered by user `nobody` (65534), group 65534; it and each directory \
             above it has to let this user in"
        )
        .replace("user `nobody` (65534)", &nobody_shown())
    );
    let program = dir.path().join("sleep");
    fs::copy("/bin/sleep", &program).unwrap();
    let worker = plain(as_nobody(Command::new(&program).arg("300")));
    let sentence = refusal(worker, SpawnStep::Exec, libc::EACCES).await;
    let expected = format!("the command `{path}/sleep` can't be executed by {}", nobody_shown());
    assert!(sentence.starts_with(&expected), "{sentence}");
}

/// With its name, where the host has an entry for it.
fn nobody_shown() -> String {
    match nix::unistd::User::from_uid(NOBODY.into()).unwrap() {
        Some(user) => format!("user `{}` (65534)", user.name),
        None => "user 65534".to_owned(),
    }
}

#[tokio::test]
async fn who_is_not_there_is_told_before_anything_starts() {
    assert_eq!(
        build_error(sleep().user("no-such-user")),
        AccountError::NoUser { user: "no-such-user".to_owned() }
    );
    assert_eq!(
        build_error(sleep().group("no-such-group")),
        AccountError::NoGroup { group: "no-such-group".to_owned() }
    );
}

#[tokio::test]
async fn an_ordinary_user_is_told_that_only_root_can_do_it() {
    if nix::unistd::geteuid().is_root() {
        drover_e2e::complain("SKIPPED: root can run workers as another user");
        return;
    }
    assert!(matches!(build_error(sleep().user("root")), AccountError::NotRoot { .. }));
}

/// A worker that becomes another user by itself, as sudo does, can't be signalled by a master without root.
#[tokio::test]
async fn a_worker_that_may_not_be_signalled_is_reaped_and_started_again() {
    if !is_root() {
        return;
    }
    let python = fs::canonicalize("/usr/bin/python3");
    let Ok(python) = python else {
        assert!(std::env::var_os("CI").is_none(), "there is no python3, which CI has to have");
        drover_e2e::complain("SKIPPED: python3 is not installed");
        return;
    };
    let (_dir, python) = within_reach(python.to_str().unwrap());
    fs::set_permissions(&python, fs::Permissions::from_mode(0o4755)).unwrap();
    let (_other, program) = within_reach(program!("master"));
    let script = python.with_file_name("worker.py");
    fs::write(&script, "import os, time\nos.setuid(0)\ntime.sleep(0.3)\nos._exit(3)\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).unwrap();
    let mut master = Process::start(
        Program::new(program)
            .args(["none", python.to_str().unwrap()])
            .env("E2E_ARGS", script)
            .env("E2E_EVENTS", "1")
            .uid(NOBODY)
            .gid(NOBODY),
    );
    for _ in 0..4 {
        while master.line().await != "exited" {}
    }
    let parent = format!("PPid:\t{}", master.pid());
    let zombies = || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        all.filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok())
            .filter(|status| status.contains(&parent) && status.contains("State:\tZ"))
            .count()
    };
    eventually("the dead to be reaped", || (zombies() == 0).then_some(())).await;
}
