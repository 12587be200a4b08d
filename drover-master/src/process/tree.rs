//! A worker's process and what it started: one session, whose first group is signalled as one.
//!
//! ```text
//!          outlives_leader: yes            reap
//! Led ────────────────────────► Orphaned ──────► Over
//!  └──────────────── no, or reap ──────────────────▲
//! ```
//!
//! Group and session are named by the pid of their leader. The kernel gives a number to nobody else while a process of that number, of its
//! group or of its session is there (pid.c: `free_pid` waits for the last user). So the group may be signalled while the leader is unreaped,
//! and after that as long as the number is seen to be taken: for another to get it, the last member would have to go and the counter of
//! pids to come round in the moment between the look and the signal. A lock keeps a signal and the end apart.

use crate::signal::Signal;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};

use super::census::{Member, Tie, is_in_session};
use super::memory::resident;
use super::stamp::{Stamp, stamp_of};
use crate::keeper::{ChildState, KeeperLink};
use crate::machine::exit::{ExitStatus, Usage};
use crate::sys::{
    ended, group_signal, is_number_taken, own_child, pidfd_open, pidfd_signal, reap, stopped_by,
};

/// How long a drop waits for a killed process to be reaped: kept short, because it blocks; a process that is stuck in the
/// kernel for longer is left to init.
const REAP_ON_DROP: Duration = Duration::from_secs(1);

/// What holds the number of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TreeHold {
    /// The leader, alive or not yet reaped.
    Led,
    /// The rest of its group or session; the leader has been reaped.
    Orphaned,
    /// Nothing: the number may be another's.
    Over,
}

/// A process that leads its own session. Dropped before its end, it is killed with its group.
#[derive(Debug)]
pub(crate) struct Tree {
    pid: i32,
    pidfd: OwnedFd,
    /// What those are known by that have left its session.
    stamp: Option<Stamp>,
    /// Whose child it is, if not this process's.
    keeper: Option<Arc<KeeperLink>>,
    hold: Mutex<TreeHold>,
    /// What the whole tree was told last; 0 if nothing.
    told: AtomicI32,
}

impl Tree {
    pub(super) fn new(pid: i32, pidfd: OwnedFd, stamp: Option<Stamp>) -> Self {
        Self { pid, pidfd, stamp, keeper: None, hold: Mutex::new(TreeHold::Led), told: AtomicI32::new(0) }
    }

    /// One that an earlier master has made: a child of the keeper by now, which has not reaped it, so that the pid is its own.
    ///
    /// # Errors
    ///
    /// What `pidfd_open(2)` says.
    pub(crate) fn adopt(pid: i32, stamp: Option<Stamp>, keeper: Arc<KeeperLink>) -> io::Result<Self> {
        let mut tree = Self::new(pid, pidfd_open(pid)?, stamp);
        tree.keeper = Some(keeper);
        Ok(tree)
    }

    /// Signals the whole group. SIGCONT follows whatever can be caught: a stopped process would not see it otherwise.
    /// Signalling what is gone is not an error.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let hold = self.hold();
        // Also to those that have left its group, which do not hold the number.
        self.told.store(signal.number(), Ordering::Relaxed);
        if !self.is_held(*hold) {
            return Ok(());
        }
        self.signal_group(signal.number())?;
        if signal != Signal::KILL {
            self.signal_group(libc::SIGCONT)?;
        }
        Ok(())
    }

    /// Signals the process alone, as a rung of its ending: SIGCONT follows.
    pub(crate) fn signal_first(&self, signal: Signal) -> io::Result<()> {
        self.deliver(signal)?;
        self.deliver(Signal::CONT)
    }

    /// What the whole tree was told last.
    pub(super) fn told(&self) -> Option<i32> {
        Some(self.told.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }

    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// Signals a process that has left the group: of the session, as a shell with job control makes them, or of one of its own. Each
    /// by a descriptor of its own, looked at again: nobody else gets the session's number while it has a member.
    pub(super) fn signal_stray(&self, stray: Member, signal: i32) {
        let hold = self.hold();
        let Ok(pidfd) = pidfd_open(stray.pid) else { return };
        let is_ours = match stray.tie {
            Tie::Group => false,
            Tie::Session => *hold != TreeHold::Over && is_in_session(stray.pid, self.pid),
            Tie::Stamp => self.stamp.is_some() && stamp_of(stray.pid) == self.stamp,
        };
        if is_ours {
            // One of another user is reported as a survivor.
            let _ = pidfd_signal(pidfd.as_fd(), signal);
            if signal != libc::SIGKILL {
                let _ = pidfd_signal(pidfd.as_fd(), libc::SIGCONT);
            }
        }
    }

    /// Signals the process alone. A pidfd never means another process, so what is gone is not signalled.
    pub(crate) fn deliver(&self, signal: Signal) -> io::Result<()> {
        pidfd_signal(self.pidfd.as_fd(), signal.number())
    }

    /// Whether the process itself has ended (`pidfd_open(2)`: it is readable then), also if nobody knows yet.
    pub(crate) fn has_ended(&self) -> bool {
        let mut ready = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        nix::poll::poll(&mut ready, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// The signal that has stopped the process itself, if it is stopped.
    pub(crate) fn stopped_by(&self) -> Option<Signal> {
        stopped_by(self.pidfd.as_fd()).map(Signal::of_kernel)
    }

    /// How many bytes of memory the process itself holds; none once it is reaped, when its number may be another's.
    pub(crate) fn resident(&self) -> Option<u64> {
        let hold = self.hold();
        if *hold == TreeHold::Led { resident(self.pid) } else { None }
    }

    /// How the process has ended, if it has; its number stays its own until it is reaped. No status can be had of one that
    /// somebody else has reaped.
    pub(crate) async fn ended(&self) -> io::Result<Option<(ExitStatus, Usage)>> {
        if let Some(keeper) = &self.keeper {
            return match keeper.look(self.pid).await {
                ChildState::Lives => Ok(None),
                ChildState::Ended(status, usage) => Ok(Some((status, usage))),
                ChildState::Unknown => {
                    *self.hold() = TreeHold::Over;
                    Err(io::Error::from_raw_os_error(libc::ECHILD))
                }
            };
        }
        let mut hold = self.hold();
        ended(self.pidfd.as_fd()).inspect_err(|_| {
            // Its number may be another's by now: nothing is signalled by it any more.
            *hold = TreeHold::Over;
            own_child().leave(self.pid);
        })
    }

    /// Reaps the process, which has ended, and tells whether anything of its group or session is left, be it a zombie.
    pub(super) fn outlives_leader(&self) -> bool {
        let mut hold = self.hold();
        if *hold == TreeHold::Led && self.reap_leader() {
            *hold = TreeHold::Orphaned;
        }
        if !self.is_held(*hold) {
            *hold = TreeHold::Over;
        }
        *hold != TreeHold::Over
    }

    /// Reaps the process, if it has ended, and is done with what is left of its tree. That needs no right to signal it.
    pub(crate) fn reap(&self) {
        let mut hold = self.hold();
        if *hold == TreeHold::Orphaned || *hold == TreeHold::Led && self.reap_leader() {
            *hold = TreeHold::Over;
        }
    }

    fn reap_leader(&self) -> bool {
        if let Some(keeper) = &self.keeper {
            // Said once it is known to have ended. Until the keeper has done it, the number counts as taken.
            keeper.reap(self.pid);
            return true;
        }
        let mut own = own_child();
        let is_reaped = !matches!(reap(self.pidfd.as_fd()), Ok(None));
        if is_reaped {
            own.leave(self.pid);
        }
        is_reaped
    }

    fn hold(&self) -> MutexGuard<'_, TreeHold> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the number is the tree's own.
    fn is_held(&self, hold: TreeHold) -> bool {
        match hold {
            TreeHold::Led => true,
            TreeHold::Orphaned => is_number_taken(self.pidfd.as_fd(), self.pid),
            TreeHold::Over => false,
        }
    }

    /// Whether the group of a reaped process has no members, not even zombies. Only asks: while a member is there the number can't
    /// be reused as a group.
    pub(super) fn is_gone(&self) -> bool {
        group_signal(self.pid, 0).is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    fn signal_group(&self, signal: i32) -> io::Result<()> {
        let is_gone = |error: &io::Error| error.raw_os_error() == Some(libc::ESRCH);
        match group_signal(self.pid, signal) {
            // The process has left its group, or every member runs as a user we may not signal: then itself, at least.
            Err(error) if is_gone(&error) || error.raw_os_error() == Some(libc::EPERM) => {
                pidfd_signal(self.pidfd.as_fd(), signal)
                    .or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) })
            }
            sent => sent,
        }
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let hold = *self.hold();
        if hold == TreeHold::Orphaned {
            if self.is_held(hold) {
                let _ = self.signal_group(libc::SIGKILL);
            }
            return;
        }
        if hold == TreeHold::Over {
            return;
        }
        if let Some(keeper) = &self.keeper {
            let _ = self.signal_group(libc::SIGKILL);
            keeper.reap(self.pid);
            return;
        }
        // The master goes without having ended this worker: nothing may outlive it. No disk, no fork, no descriptor.
        if ended(self.pidfd.as_fd()).is_err() {
            return;
        }
        // What may not be killed may have ended all the same.
        let is_killed = self.signal_group(libc::SIGKILL).is_ok();
        let patience = if is_killed { REAP_ON_DROP } else { Duration::ZERO };
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
        let mut ended = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        if nix::poll::poll(&mut ended, timeout).is_ok() {
            let mut own = own_child();
            let _ = reap(self.pidfd.as_fd());
            own.leave(self.pid);
        }
    }
}
