//! `logs = { journald = true }`, with a socket that stands in for the journal's; and the journal itself, where it can be run.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::SIGTERM;
use serde_json::Value;

use crate::harness::{Home, Running, eventually, is_running, skipped};

const SOCKET: &str = "journal";

fn listen(home: &Home) -> UnixDatagram {
    let socket = UnixDatagram::bind(home.path(SOCKET)).expect("a socket can be bound");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("it can have a timeout");
    socket
}

/// `drover`, for which the journal is at that socket.
fn with_socket(home: &Home, args: &[&str]) -> Running {
    Running::start(home.drover(args).env("DROVER_JOURNAL_SOCKET", home.path(SOCKET)))
}

/// The fields of the next entry; none of them is binary.
fn entry(socket: &UnixDatagram) -> BTreeMap<String, String> {
    let mut buffer = vec![0; 64 * 1024];
    let length = socket.recv(&mut buffer).expect("there is an entry");
    let text = String::from_utf8(buffer[..length].to_vec()).expect("an entry is text");
    let field = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    text.lines().filter_map(field).collect()
}

fn file(script: &str) -> String {
    format!(
        "version = 1\n[defaults]\nlogs.journald = true\n[app.web]\ncommand = [\"sh\", \"-c\", {script:?}]\nworkers = 1\n"
    )
}

#[test]
fn what_a_worker_prints_is_in_the_journal_with_who_printed_it() {
    let home = Home::new();
    let socket = listen(&home);
    home.write("drover.toml", &file("echo listening; echo '<4>slow' >&2; exec sleep 1000"));
    let master = with_socket(&home, &["up"]);
    // Each stream is read by itself.
    let mut entries = [(); 2].map(|()| entry(&socket));
    entries.sort_by_key(|entry| entry["DROVER_STREAM"].clone());
    let [err, out] = entries;
    for (entry, stream, message, priority) in
        [(&out, "stdout", "listening", "6"), (&err, "stderr", "slow", "4")]
    {
        for (name, value) in [
            ("MESSAGE", message),
            ("PRIORITY", priority),
            ("SYSLOG_IDENTIFIER", "web"),
            ("DROVER_APP", "web"),
            ("DROVER_SLOT", "0"),
            ("DROVER_GENERATION", "1"),
            ("DROVER_STREAM", stream),
        ] {
            assert_eq!(entry.get(name).map(String::as_str), Some(value), "{name} of {entry:?}");
        }
        let pid: u32 = entry["DROVER_PID"].parse().unwrap();
        assert!(pid > 1);
    }
    // It has no files.
    let said = home.run(&["reopen-logs", "web"]);
    assert!(said.code == Some(1) && said.stderr.contains("`web` has no log files"), "{said:#?}");
    home.down(master);
}

#[test]
fn without_a_journal_it_is_told_before_and_once_meanwhile_and_nobody_is_held_up() {
    let home = Home::new();
    home.write("drover.toml", &file("seq 1000; exec sleep 1000"));
    let warned = with_socket(&home, &["validate"]).end();
    assert_eq!(warned.code, Some(0));
    for part in ["warning: the journal does not listen at", "drover.toml:4:", "start systemd-journald"] {
        assert!(warned.stderr.contains(part), "{part} is not in\n{}", warned.stderr);
    }
    let master = with_socket(&home, &["up"]);
    master.says("web is running");
    master.says("does not take the lines of `web`, which are lost and counted until it does");
    let all = || (home.run(&["logs"]).stdout.lines().count() == 1000).then_some(());
    eventually("all lines are read", all);
    let ended = home.down(master);
    assert_eq!(ended.stderr.matches("does not take").count(), 1, "{ended:#?}");
    assert!(fs::metadata(home.path(SOCKET)).is_err());
}

#[test]
fn a_journal_that_never_reads_holds_up_neither_a_worker_nor_its_end() {
    let home = Home::new();
    let _socket = listen(&home);
    home.write("drover.toml", &file("seq 20000; echo printed >ready; exec sleep 1000"));
    let master = with_socket(&home, &["up"]);
    eventually("the worker has printed everything", || home.path("ready").exists().then_some(()));
    master.says("it takes nothing");
    let ended = home.down(master);
    assert_eq!(ended.stderr.matches("does not take").count(), 1, "{ended:#?}");
}

const JOURNALD: &str = "/lib/systemd/systemd-journald";

/// systemd-journald with nothing of the machine's but what it needs: its sockets and its entries are in the home. None: it can't be run
/// here, which is told.
fn journald(home: &Home) -> Option<Running> {
    let is_root = nix::unistd::geteuid().is_root();
    let is_there = fs::metadata(JOURNALD).is_ok() && fs::metadata("/usr/bin/journalctl").is_ok();
    let has_machine_id = fs::metadata("/etc/machine-id").is_ok_and(|file| file.len() > 0);
    if !is_root || !is_there || !has_machine_id {
        skipped("systemd-journald is run by root where it is installed, with a machine id");
        return None;
    }
    let script = "mount -t tmpfs tmpfs /run \
        && mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal \
        && mount --bind sockets /run/systemd/journal && mount --bind entries /run/log/journal \
        && printf '[Journal]\nStorage=volatile\nAudit=no\nReadKMsg=no\n' >/run/systemd/journald.conf.d/own.conf \
        && exec /lib/systemd/systemd-journald";
    for dir in ["sockets", "entries"] {
        fs::create_dir(home.path(dir)).expect("a directory can be made");
    }
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script])
        .current_dir(home.dir())
        .env("SYSTEMD_LOG_TARGET", "console");
    let journald = Running::start(&mut command);
    let begun = || {
        let is_begun = home.path("sockets/socket").exists();
        (is_begun || !is_running(journald.pid())).then_some(is_begun)
    };
    if eventually("the journal listens", begun) {
        return Some(journald);
    }
    skipped(&format!("systemd-journald does not run here: {}", journald.end().stderr));
    None
}

#[test]
fn the_journal_itself_has_every_line_whole() {
    let home = Home::new();
    let Some(journald) = journald(&home) else { return };
    std::os::unix::fs::symlink("sockets/socket", home.path(SOCKET)).unwrap();
    let script = "echo listening; printf '\\033[1mbold\\n'; head -c 300000 /dev/zero | tr '\\0' x; echo; exec sleep 1000";
    home.write("drover.toml", &file(script));
    let master = with_socket(&home, &["up"]);
    let entries = eventually("the journal has the lines", || {
        let mut command = Command::new("journalctl");
        command
            .args(["--directory", "entries", "--all", "-o", "json", "DROVER_APP=web"])
            .current_dir(home.dir());
        let said = Running::start(&mut command).end();
        let entries: Vec<Value> =
            said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (entries.len() >= 4).then_some(entries)
    });
    for entry in &entries {
        for (name, value) in
            [("SYSLOG_IDENTIFIER", "web"), ("PRIORITY", "6"), ("DROVER_SLOT", "0"), ("_TRANSPORT", "journal")]
        {
            assert_eq!(entry[name], value, "{name} of {entry}");
        }
    }
    assert_eq!(entries[0]["MESSAGE"], "listening");
    // What is not text is told byte by byte.
    assert_eq!(entries[1]["MESSAGE"], serde_json::json!(b"\x1b[1mbold"));
    // Too long for a line, and for a datagram.
    let message = |at: usize| entries[at]["MESSAGE"].as_str().unwrap().to_owned();
    let whole = message(2).replace('…', "") + &message(3);
    assert!(whole.len() == 300_000 && whole.bytes().all(|byte| byte == b'x'), "{} bytes", whole.len());
    home.down(master);
    journald.signal(SIGTERM);
    journald.end();
}
