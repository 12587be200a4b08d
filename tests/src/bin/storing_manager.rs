//! A service manager that keeps sockets: `storing_manager RUNS CMD…` runs the command so often, one run after the other, and hands each the
//! sockets that those before have had it keep (`FDSTORE=1`, `sd_notify(3)`). Says what it is told, and the pid of each run. While there is
//! the file that `HOLD` names, no other run begins.

use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_e2e::say;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, getsockname, recvmsg};
use nix::unistd::close;

/// By their names.
static KEPT: Mutex<BTreeMap<String, RawFd>> = Mutex::new(BTreeMap::new());

/// Held by whoever says something.
static HEARING: Mutex<()> = Mutex::new(());

fn kept() -> MutexGuard<'static, BTreeMap<String, RawFd>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn main() -> ExitCode {
    drover_e2e::die_with_the_test();
    let mut args = std::env::args().skip(1);
    let runs: usize = args.next().and_then(|runs| runs.parse().ok()).expect("how often");
    let command: Vec<String> = args.collect();
    let dir = tempfile::tempdir().expect("there is room");
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket can be bound in a new directory");
    std::thread::spawn(move || while hear(&socket).is_some() {});
    let hold = std::env::var_os("HOLD").map(PathBuf::from).expect("HOLD is set");
    for _ in 0..runs {
        while hold.exists() {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let handed_over = kept().clone();
        let mut script = "LISTEN_PID=$$ exec \"$@\"".to_owned();
        for (number, fd) in (3..).zip(handed_over.values()) {
            script += &format!(" {number}<&{fd} {fd}<&-");
        }
        let names: Vec<&str> = handed_over.keys().map(String::as_str).collect();
        // What it says is told behind its pid.
        let silence = HEARING.lock().unwrap_or_else(PoisonError::into_inner);
        let child = Command::new("bash")
            .args(["-c", &script, "bash"])
            .args(&command)
            .env("NOTIFY_SOCKET", &path)
            .env("FDSTORE", "16")
            .env("LISTEN_FDS", names.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .stdout(Stdio::null())
            .spawn()
            .expect("there is bash");
        say(&format!("pid {}", child.id()));
        drop(silence);
        let ended = child.wait_with_output().expect("it is a child").status;
        say(&format!("ended {:?}", ended.code()));
    }
    ExitCode::SUCCESS
}

/// The next message. None: nobody can send any more.
fn hear(socket: &UnixDatagram) -> Option<()> {
    let mut bytes = [0; 4096];
    let mut room = nix::cmsg_space!([RawFd; 1]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::empty()).ok()?;
    let mut fd = None;
    for beside in message.cmsgs().ok()? {
        if let ControlMessageOwned::ScmRights(numbers) = beside {
            fd = numbers.first().copied();
        }
    }
    let _turn = HEARING.lock().unwrap_or_else(PoisonError::into_inner);
    let length = message.bytes;
    let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let name = value("FDNAME").unwrap_or_default();
    if value("FDSTORE") == Some("1") {
        let fd = fd.expect("it comes with a descriptor");
        if let Some(before) = kept().insert(name.to_owned(), fd) {
            close(before).expect("it was open");
        }
        let at = getsockname::<SockaddrStorage>(fd).map(|addr| addr.to_string()).unwrap_or_default();
        say(&format!("kept {name} {at}"));
    } else if value("FDSTOREREMOVE") == Some("1") {
        if let Some(fd) = kept().remove(name) {
            close(fd).expect("it was open");
        }
        say(&format!("gone {name}"));
    } else if value("READY") == Some("1") {
        say("ready");
    }
    Some(())
}
