//! Waits for the end of one process, of what it left behind, and for what it wrote last.

use crate::signal::Signal;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::census::{Member, Tie, TreeKey, members};
use super::{Tail, Tree};
use crate::machine::exit::{ExitStatus, Usage};
use crate::sys::watch_readable;

/// How long to wait for the last output after an exit. Usually it is there at once; a grandchild in a session of its own
/// may hold the pipe open for ever, and an exit is never tied to the end of the pipe.
const LAST_OUTPUT: Duration = Duration::from_millis(100);

/// The first and the longest pause between two looks at what is left of a tree.
const LOOKS: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(100)];

/// How long a killed group may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// How many processes are named at most.
const NAMED: usize = 8;

/// The end of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    pub status: ExitStatus,
    pub usage: Usage,
    pub stderr_tail: Vec<String>,
    /// Who of its tree lives on, though nobody waits for it any more; some of them.
    pub survivors: Arc<[u32]>,
}

/// What the kernel said of an ended process.
pub(crate) type Death = (ExitStatus, Usage);

/// Resolves once the last output of a reaped process is read, within its bound.
pub(crate) async fn aftermath(
    survivors: Arc<[u32]>,
    death: Death,
    output: Option<(JoinHandle<()>, Arc<Tail>)>,
) -> Ended {
    let stderr_tail = match output {
        Some((mut reader, tail)) => {
            let _ = timeout(LAST_OUTPUT, &mut reader).await;
            tail.lines()
        }
        None => Vec::new(),
    };
    let (status, usage) = death;
    Ended { status, usage, stderr_tail, survivors }
}

/// Resolves once the process has ended. It is not reaped, so that its number is its own: see [`until_empty`].
pub(crate) async fn until_ended(tree: &Arc<Tree>) -> Death {
    // A pidfd is readable once the process has ended (pidfd_open(2)).
    let watched = match watch_readable(Arc::clone(tree)) {
        Ok(watched) => watched,
        Err(error) => {
            tracing::error!(target: "drover::process", %error, pid = tree.pid(), "can't watch a process; ending it");
            let _ = tree.signal(Signal::KILL);
            return (ExitStatus::Signal { signal: Signal::KILL, core_dumped: false }, Usage::default());
        }
    };
    loop {
        let ready = watched.readable().await;
        match tree.ended().await {
            Ok(Some(ended)) => return ended,
            Ok(None) => match ready {
                Ok(mut ready) => ready.clear_ready(),
                // The runtime is going, and this task with it.
                Err(_) => std::future::pending().await,
            },
            Err(error) => {
                // ECHILD: somebody else in this program reaped our child. Its status is lost, its end is not.
                tracing::error!(target: "drover::process", %error, pid = tree.pid(), "the exit status was taken");
                return (ExitStatus::Taken, Usage::default());
            }
        }
    }
}

/// Resolves once nothing lives of the tree whose main process has ended, and reaps that; or once nobody wants to wait any more,
/// with those that live on. The first ones found are reported. Of one that has `left_by_itself` those are looked for, too, that have left its
/// group and its session.
pub(crate) async fn until_empty<F: Future<Output = ()>>(
    tree: &Tree,
    left_by_itself: bool,
    is_abandoned: &Notify,
    found: impl FnOnce(Arc<[u32]>) -> F,
) -> Arc<[u32]> {
    let (mut pause, mut told, mut found) = (LOOKS[0], Vec::new(), Some(found));
    let mut left: Vec<Member> = Vec::new();
    let stamp = tree.stamp().filter(|_| left_by_itself);
    loop {
        // Nearly always there is nothing left, which one question tells; only else is /proc read.
        let leader = tree.outlives_leader().then(|| tree.pid().cast_signed());
        if leader.is_none() && stamp.is_none() {
            left.clear();
            break;
        }
        let known = left.first().map(|member| member.pid);
        left = match members(TreeKey { leader, stamp }, known).await {
            Ok(left) => left,
            Err(error) => {
                // Nobody can tell when it is empty: as after a crash then.
                tracing::error!(target: "drover::process", %error, pid = tree.pid(), "can't see what a process left behind; ending it");
                let _ = tree.signal(Signal::KILL);
                Vec::new()
            }
        };
        if left.is_empty() {
            break;
        }
        if let Some(found) = found.take() {
            found(named(&left)).await;
        }
        if let Some(signal) = tree.told() {
            for member in left.iter().filter(|member| member.tie != Tie::Group) {
                if !told.contains(&(member.pid, signal)) {
                    tree.signal_stray(*member, signal);
                    told.push((member.pid, signal));
                }
            }
        }
        tokio::select! {
            () = is_abandoned.notified() => break,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LOOKS[1]),
        }
    }
    tree.reap();
    named(&left)
}

/// Kills what an ended process left in its group, reaps it, and resolves once the group is gone, or after a bound.
pub(crate) async fn until_gone(tree: &Tree) {
    if let Err(error) = tree.signal(Signal::KILL) {
        tracing::error!(target: "drover::process", %error, pid = tree.pid(), "can't end what a process left behind");
    }
    tree.reap();
    let (mut pause, mut waited) = (LOOKS[0], Duration::ZERO);
    while !tree.is_gone() && waited < GONE_WITHIN {
        tokio::time::sleep(pause).await;
        waited += pause;
        pause = (pause * 2).min(LOOKS[1]);
    }
}

fn named(members: &[Member]) -> Arc<[u32]> {
    members.iter().take(NAMED).map(|member| member.pid.unsigned_abs()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::sys::pidfd_open;

    #[tokio::test]
    async fn a_status_that_somebody_else_has_taken_is_told_as_such() {
        let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        let pid = child.id().cast_signed();
        let tree = Arc::new(Tree::new(pid, pidfd_open(pid).unwrap(), None));
        #[expect(
            clippy::disallowed_methods,
            reason = "the part of the program that waits for children of others"
        )]
        let taken = child.wait().unwrap();
        assert_eq!(taken.code(), Some(3));
        let death = timeout(Duration::from_secs(60), until_ended(&tree)).await.unwrap();
        assert_eq!(death.0, ExitStatus::Taken);
    }
}
