//! What a worker finds around it: exactly what it was meant to.

use std::fs;
use std::process::Command as Program;

use drover_e2e::harness::{App, Captured, Process, environ_of, variable_of};
use drover_master::config::{AppSpec, Protocol};
use drover_master::{Command, MasterBuilder, Stream};
use nix::unistd::{Pid, getpgid, getsid};

use crate::policies::soon;

/// An app of one worker without the protocol.
pub(crate) fn plain(command: Command) -> MasterBuilder {
    let spec = App::builder("/").spec().clone();
    MasterBuilder::from_spec(AppSpec { command, protocol: Protocol::None, start: soon(), ..spec })
}

pub(crate) fn sleep() -> Command {
    Command::new("sleep").arg("300")
}

pub(crate) fn status_of(pid: u32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_worker_leads_a_session_of_its_own_with_every_signal_as_by_default() {
    let app = App::started(plain(sleep())).await;
    let pid = app.pid(0);
    let own = Pid::from_raw(pid.try_into().unwrap());
    assert_eq!((getsid(Some(own)), getpgid(Some(own))), (Ok(own), Ok(own)));
    // Numbers 32 and 33 belong to the C library, which lets nobody change them.
    let of_all_others = !(1 << 31 | 1 << 32);
    for field in ["SigBlk", "SigIgn", "SigCgt"] {
        let mask = u64::from_str_radix(&status_of(pid, field), 16).unwrap();
        assert_eq!(mask & of_all_others, 0, "{field}");
    }
    app.end().await;
}

#[tokio::test]
async fn a_worker_inherits_the_standard_streams_and_its_sockets_and_nothing_else() {
    // Descriptors of this program that a child must not get.
    let _open: Vec<_> = (0..50).map(|_| fs::File::open("/dev/zero").unwrap()).collect();
    let sink = Captured::default();
    let worker = plain(Command::new(program!("worker_plain"))).output_sink(sink.clone());
    let app = App::started(worker.listen("a", "127.0.0.1:0").listen("b", "127.0.0.1:0")).await;
    // Before its first word the loader has files open.
    assert_eq!(sink.line(0).await, "here ");
    let fds = fs::read_dir(format!("/proc/{}/fd", app.pid(0))).unwrap();
    let mut fds: Vec<(u32, String)> = fds
        .map(|fd| fd.unwrap())
        .map(|fd| {
            let target = fs::read_link(fd.path()).unwrap().display().to_string();
            let kind = target.split(':').next().unwrap().to_owned();
            (fd.file_name().to_str().unwrap().parse().unwrap(), kind)
        })
        .collect();
    fds.sort_unstable();
    let kinds: Vec<&str> = fds.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(kinds, ["/dev/null", "pipe", "pipe", "socket", "socket"]);
    assert_eq!(fds.last().unwrap().0, 4);
    app.end().await;
}

#[tokio::test]
async fn each_worker_finds_its_own_slot_in_arguments_and_variables() {
    let app = App::started(plain(sleep().env("PORT", "{8000+slot}")).workers(2)).await;
    for slot in 0..2 {
        let pid = app.pid(slot);
        assert_eq!(variable_of(pid, "PORT").unwrap(), format!("{}", 8000 + slot));
    }
    app.end().await;

    let sink = Captured::default();
    let command = Command::new(program!("worker_plain")).args(["--port={9000+slot}", "{{slot}}", "{slots}"]);
    let app = App::started(plain(command).output_sink(sink.clone())).await;
    assert_eq!(sink.line(0).await, "here --port=9000 {slot} {slots}");
    app.end().await;
}

#[tokio::test]
async fn directory_and_umask_and_arguments_are_as_described() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Captured::default();
    let command = Command::new(program!("worker_plain"))
        .args(["a", "b  c", "$HOME", "*"])
        .current_dir(dir.path())
        .umask(0o027);
    let app = App::started(plain(command).output_sink(sink.clone())).await;
    let pid = app.pid(0);
    assert_eq!(sink.line(0).await, "here a b  c $HOME *");
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), dir.path().canonicalize().unwrap());
    assert_eq!(status_of(pid, "Umask"), "0027");
    app.end().await;
}

#[tokio::test]
async fn the_environment_is_inherited_added_to_or_empty() {
    let inherited = App::started(plain(sleep().env("COLOUR", "red").env("COLOUR", "blue"))).await;
    assert_eq!(variable_of(inherited.pid(0), "COLOUR").as_deref(), Some("blue"));
    assert_eq!(variable_of(inherited.pid(0), "PATH"), std::env::var("PATH").ok());
    inherited.end().await;

    let command = Command::new("/bin/sleep").arg("300").env_clear(true).env("COLOUR", "blue");
    let cleared = App::started(plain(command)).await;
    let mut names: Vec<String> = environ_of(cleared.pid(0)).into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["COLOUR", "DROVER_APP", "DROVER_GENERATION", "DROVER_SLOT", "DROVER_WORKER_ID"]);
    cleared.end().await;
}

#[tokio::test]
async fn what_a_master_above_meant_for_this_master_is_not_passed_on() {
    let mut process = Process::start(
        Program::new(program!("master"))
            .args(["none", "sleep"])
            .env("E2E_ARGS", "300")
            .env("DROVER_SOCKET", "/run/outer.sock")
            .env("DROVER_TOKEN", "outer")
            .env("DROVER_SLOT", "7")
            .env("LISTEN_FDS", "3")
            .env("LISTEN_FDNAMES", "a:b:c")
            .env("NOTIFY_SOCKET", "/run/notify"),
    );
    let ready = process.line().await;
    let pid = ready.split(' ').nth(2).unwrap().parse().unwrap();
    for name in ["DROVER_SOCKET", "DROVER_TOKEN", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET"] {
        assert_eq!(variable_of(pid, name), None, "{name}");
    }
    assert_eq!(variable_of(pid, "DROVER_SLOT").as_deref(), Some("0"));
}

#[tokio::test]
async fn every_line_reaches_the_sink_whole_by_its_stream_and_up_to_the_last() {
    let sink = Captured::default();
    let script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf 'no newline'; exit 0";
    let mut app =
        App::started(plain(Command::new("/bin/sh").args(["-c", script])).output_sink(sink.clone())).await;
    app.outcome().await;
    assert_eq!(sink.lines(Stream::Stdout), ["out 1", "out 2", "out 3", "no newline"]);
    assert_eq!(sink.lines(Stream::Stderr), ["err 1", "err 2", "err 3"]);
}
