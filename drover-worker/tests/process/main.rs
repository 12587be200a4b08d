//! What takes a process of its own: its death as an orphan, signals, inherited sockets. The workers are tests of
//! [`roles`] that run as children; each ends on its own, whatever becomes of its parent.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

mod orphans;
mod roles;
mod signals;
mod sockets;
mod standalone;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Lines, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use drover_worker::testing::messages::worker_frame::Body;
use drover_worker::testing::{FakeLink, FakeMaster};
use drover_worker::{ListenerError, MessageBus, StopCause, command};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const DEADLINE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

/// A command that runs the test `role` of [`roles`].
fn child(role: &str) -> Command {
    let mut command = command(std::env::current_exe().unwrap());
    command
        .args([&format!("roles::{role}"), "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .stdin(Stdio::null());
    command
}

fn under(master: &FakeMaster, mut command: Command) -> Command {
    command.env("DROVER_SOCKET", master.socket()).env("DROVER_TOKEN", master.token());
    command
}

/// A shell stands in for the master: it puts the socket on descriptor 3 and its own pid, kept by exec, in LISTEN_PID.
fn with_socket(worker: Command, socket: TcpListener) -> Command {
    let mut shell = command("sh");
    shell.args(["-c", "export LISTEN_PID=$$; exec 3<&0 0</dev/null; exec \"$0\" \"$@\""]);
    shell.arg(worker.get_program()).args(worker.get_args());
    shell.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "http").stdin(Stdio::from(OwnedFd::from(socket)));
    shell
}

async fn end_of(child: Child) -> Output {
    tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap()
}

async fn started(master: &FakeMaster, command: &mut Command) -> (Child, FakeLink) {
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut link = master.accept().await.unwrap();
    assert!(matches!(link.body().await.unwrap(), Some(Body::Started(_))));
    (child, link)
}

/// Blocks this thread, and with it a runtime of one thread.
fn block(duration: Duration) {
    let (_nobody, silence) = mpsc::sync_channel::<()>(0);
    assert!(silence.recv_timeout(duration).is_err());
}
