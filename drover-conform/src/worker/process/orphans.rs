//! What a tested worker has started, and left: it falls to this process, and goes with it.
//!
//! A worker's group is killed with it. What it has put into a session of its own is not in that group; as a subreaper
//! (PR_SET_CHILD_SUBREAPER(2const)) this process becomes its parent once the worker is gone.

use std::fs;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::time::Instant;

/// How long they may take to be gone, once they are killed.
const KILLED: Duration = Duration::from_secs(10);

/// How often is looked again whether one is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// From here on, orphans of this process's children are its own.
///
/// # Errors
///
/// The kernel is older than 3.4.
pub(in crate::worker) fn adopt() -> nix::Result<()> {
    nix::sys::prctl::set_child_subreaper(true)
}

/// Kills all children of this process, and those that fall to it meanwhile. No worker may be under test any more.
pub(in crate::worker) async fn end() {
    let until = Instant::now() + KILLED;
    while reap() && Instant::now() < until {
        children().into_iter().for_each(kill_one);
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Reaps what has ended; its own children come next. Whether there are children still. The kernel's list does not tell: it leaves some
/// out while others exit (proc_tid_children(5)).
#[expect(
    clippy::disallowed_methods,
    reason = "every child of this process is the kit's, and nobody else waits for one any more"
)]
fn reap() -> bool {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return true,
            Err(Errno::ECHILD) => return false,
            _ => {}
        }
    }
}

fn kill_one(child: Pid) {
    // The pid of a child is its own until this process reaps it.
    let _ = kill(child, Signal::SIGKILL);
}

/// The children of all threads of this process, or some of them (proc_tid_children(5)).
fn children() -> Vec<Pid> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let text = texts.collect::<Vec<_>>().join(" ");
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
}
