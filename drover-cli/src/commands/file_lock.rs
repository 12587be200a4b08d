//! One file, one master: who runs a drover.toml holds a lock (`flock(2)`) on the file itself.
//!
//! On the file, because every process that can read it finds the same lock, whatever XDG_RUNTIME_DIR says where it was started
//! and whatever is swept from there. A file that is replaced has no lock any more; the mark in the name of the control socket
//! still tells of the master then.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use drover_master::control::ControlPath;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::socket_name::socket_of_file;

/// The lock; closed, and so given back, with the master. An exec closes it too, so no worker holds it.
#[derive(Debug)]
pub(super) struct FileLock(#[expect(dead_code, reason = "it is held, not used")] Option<Flock<File>>);

/// Who runs a file.
#[derive(Debug)]
pub(super) struct Running {
    file: PathBuf,
    /// The process; at least one of the two is known.
    pub(super) pid: Option<u32>,
    /// Where it serves.
    pub(super) socket: Option<PathBuf>,
}

impl Running {
    /// That nobody else can run it, and what to do.
    pub(super) fn sentence(&self) -> String {
        let who = match (self.pid, &self.socket) {
            (None, None) => "somewhere".to_owned(),
            (Some(pid), None) => {
                format!(
                    "pid {pid}; its control socket is in none of the usual places, so end it with `kill {pid}`"
                )
            }
            (pid, Some(socket)) => {
                let pid = pid.map_or_else(String::new, |pid| format!("pid {pid}, "));
                let socket = socket.display();
                format!(
                    "{pid}control socket {socket}; end it with `drover -s {socket} down`, or change it with `drover -s {socket} apply`"
                )
            }
        };
        format!("a master of `{}` is already running: {who}", self.file.display())
    }
}

/// Takes the lock of a file, or says who runs it.
pub(super) fn take(file: &Path) -> Result<FileLock, Running> {
    let live = ControlPath::live();
    let socket = socket_of_file(file, &live).cloned();
    // Targets it is opened: to open a FIFO is to wait for its writer (fifo(7)).
    let is_file = fs::metadata(file).is_ok_and(|found| found.is_file());
    let opened = if is_file { File::open(file).ok() } else { None };
    let (lock, holder) = match opened.map(|opened| Flock::lock(opened, FlockArg::LockExclusiveNonblock)) {
        Some(Ok(lock)) => (Some(lock), None),
        Some(Err((opened, Errno::EWOULDBLOCK))) => (None, holder(&opened).filter(|pid| is_trusted(*pid))),
        // A file system without locks is not a reason not to start.
        Some(Err(_)) | None => (None, None),
    };
    if (holder, &socket) == (None, &None) {
        return Ok(FileLock(lock));
    }
    Err(Running { file: file.to_owned(), pid: holder, socket })
}

/// The process that runs a file, if one does.
pub(super) fn holder_of(file: &Path) -> Option<u32> {
    if !fs::metadata(file).is_ok_and(|found| found.is_file()) {
        return None;
    }
    // Free: let go of at once.
    match Flock::lock(File::open(file).ok()?, FlockArg::LockExclusiveNonblock) {
        Err((opened, Errno::EWOULDBLOCK)) => holder(&opened).filter(|pid| is_trusted(*pid)),
        Ok(_) | Err(_) => None,
    }
}

/// The process that holds the lock of a file, by `proc_locks(5)`: `1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE …`. None where
/// it is in another namespace, or has just let go.
fn holder(file: &File) -> Option<u32> {
    let inode = file.metadata().ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_it = words.get(1) == Some(&"FLOCK") && words.get(5)?.rsplit(':').next()? == inode.to_string();
        if is_it { words.get(4)?.parse().ok() } else { None }
    })
}

/// Whoever may read the file may lock it. Only a process of this user, or of root, is taken for its master: no other user can
/// keep it from being started.
fn is_trusted(pid: u32) -> bool {
    let owner = |path: &str| -> io::Result<u32> { Ok(fs::metadata(path)?.uid()) };
    match (owner(&format!("/proc/{pid}")), owner("/proc/self")) {
        (Ok(owner), Ok(own)) => owner == own || owner == 0,
        _ => false,
    }
}
