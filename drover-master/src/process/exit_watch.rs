//! Waits for the end of one process, and for what it wrote last.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Tail, Tree};
use crate::machine::exit::{ExitStatus, Usage};
use crate::sys::watch_readable;

/// How long the last output is waited for after an exit. Usually it is there at once; a grandchild in a session of its own
/// may hold the pipe open for ever, and an exit is never tied to the end of the pipe.
const LAST_OUTPUT: Duration = Duration::from_millis(100);

/// How long the rest of the group may take to be gone after SIGKILL, before it is reported instead of waited for.
const REST_OF_GROUP: Duration = Duration::from_secs(2);

/// The end of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    pub status: ExitStatus,
    pub usage: Usage,
    pub stderr_tail: Vec<String>,
    /// The group still had members after SIGKILL.
    pub has_survivors: bool,
}

/// What the kernel said of an ended process.
pub(crate) type Death = (ExitStatus, Usage);

/// Resolves once the rest of a reaped process's group is gone and its last output is read, each within its bound.
pub(crate) async fn aftermath(
    tree: Arc<Tree>,
    death: Death,
    output: Option<(JoinHandle<()>, Arc<Tail>)>,
) -> Ended {
    let has_survivors = !until_empty(&tree).await;
    let stderr_tail = match output {
        Some((mut reader, tail)) => {
            let _ = timeout(LAST_OUTPUT, &mut reader).await;
            tail.lines()
        }
        None => Vec::new(),
    };
    let (status, usage) = death;
    Ended { status, usage, stderr_tail, has_survivors }
}

/// Resolves once the process has ended and been reaped.
pub(crate) async fn until_reaped(tree: &Arc<Tree>) -> Death {
    // A pidfd is readable once the process has ended (pidfd_open(2)).
    let watched = match watch_readable(Arc::clone(tree)) {
        Ok(watched) => watched,
        Err(error) => {
            tracing::error!(target: "drover::process", %error, pid = tree.pid(), "can't watch a process; ending it");
            let _ = tree.signal(libc::SIGKILL);
            return (ExitStatus::Signal { number: libc::SIGKILL, core_dumped: false }, Usage::default());
        }
    };
    loop {
        let ready = watched.readable().await;
        match tree.reap() {
            Ok(Some(ended)) => return ended,
            Ok(None) => match ready {
                Ok(mut ready) => ready.clear_ready(),
                // The runtime is going, and this task with it.
                Err(_) => std::future::pending().await,
            },
            Err(error) => {
                // ECHILD: somebody else in this program reaped our child. Its status is lost, its end is not.
                tracing::error!(target: "drover::process", %error, pid = tree.pid(), "the exit status is lost");
                return (ExitStatus::Code(-1), Usage::default());
            }
        }
    }
}

/// No event tells that a group is empty, so it is asked, at growing distances; nearly always the first answer is yes.
async fn until_empty(tree: &Tree) -> bool {
    let (mut pause, mut waited) = (Duration::from_micros(200), Duration::ZERO);
    while !tree.is_empty() {
        if waited >= REST_OF_GROUP {
            return false;
        }
        tokio::time::sleep(pause).await;
        waited += pause;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    true
}
