//! A master whose stderr nobody reads.

use std::fs::File;
use std::io::{BufRead, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::SIGTERM;

use crate::harness::{Home, eventually, signal};

/// The end of a pipe that takes nothing more, and blocks who writes to it as long as its other end is held.
fn full_pipe() -> (impl Sized, File) {
    let (read, write) = std::io::pipe().expect("a pipe can be made");
    let mut write = File::from(std::os::fd::OwnedFd::from(write));
    fcntl(&write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("it is ours");
    while write.write(&[b'x'; 4096]).is_ok() {}
    while write.write(b"x").is_ok() {}
    fcntl(&write, FcntlArg::F_SETFL(OFlag::empty())).expect("it is ours");
    (read, write)
}

#[test]
fn a_stderr_that_nobody_reads_holds_up_neither_an_answer_nor_a_restart_nor_the_end() {
    for options in [&[][..], &["-v"], &["-vv"]] {
        let home = Home::new();
        let (_unread, full) = full_pipe();
        let mut command = home.drover(options);
        command.args(["run", "--name", "app", "--restart", "always", "--"]);
        command.args(["sh", "-c", "echo hi >&2; exec sleep 1000"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(full);
        let mut master = command.spawn().expect("it can be started");
        drop(command);
        let first = home.worker("app", 0, "started")["pid"].clone();

        // Each is a warning.
        for _ in 0..10 {
            let mut stranger = UnixStream::connect(home.socket()).expect("it listens");
            stranger.write_all(b"GET /").expect("it reads");
        }
        signal(u32::try_from(first.as_u64().unwrap()).unwrap(), nix::sys::signal::SIGKILL);
        let status = home.until("another worker", |status| {
            let worker = &status["apps"][0]["workers"][0];
            (worker["phase"] == "started" && worker["pid"] != first).then(|| worker.clone())
        });
        assert_eq!(status["restarts"], 1, "{status:#}");

        signal(master.id(), SIGTERM);
        let ended = eventually("its end", || master.try_wait().expect("it is our child"));
        assert_eq!(ended.code(), Some(0), "{options:?}");
    }
}

#[test]
fn a_stdout_that_nobody_reads_for_a_while_holds_up_the_worker_and_no_answer_and_loses_nothing() {
    // Ten megabytes, more than there is room for in between.
    const LINES: usize = 10_000;
    let pad = "x".repeat(1000);
    let home = Home::new();
    let (read, write) = std::io::pipe().expect("a pipe can be made");
    let mut command = home.drover(&["run", "--name", "app", "--restart", "never", "--"]);
    command.args(["seq", "-f", &format!("%.0f {pad}"), "1", &LINES.to_string()]);
    // Nobody gives it a stdin either.
    command.stdin(Stdio::null()).stdout(write).stderr(Stdio::null());
    let mut master = command.spawn().expect("it can be started");
    drop(command);
    // It has printed what the pipes hold, and waits.
    home.worker("app", 0, "started");
    let lines: Vec<String> = std::io::BufReader::new(read).lines().map(Result::unwrap).collect();
    assert!(lines.iter().zip(1..).all(|(line, number)| *line == format!("app/0 | {number} {pad}")));
    assert_eq!(lines.len(), LINES);
    let ended = eventually("its end", || master.try_wait().expect("it is our child"));
    assert_eq!(ended.code(), Some(0));
}
