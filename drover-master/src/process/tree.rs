//! A worker's process and what it started: one process group, signalled as one.
//!
//! A group is named by the pid of its leader, and a pid is free for others once its process is reaped. So the group is
//! signalled only while the leader is unreaped; a lock keeps the two apart. So the leader stays a zombie until the rest is gone.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};

use super::census::{Member, is_in_session};
use super::memory::resident;
use crate::machine::exit::{ExitStatus, Usage};
use crate::sys::{ended, group_signal, own_child, pidfd_open, pidfd_signal, reap};

/// How long a drop waits for a killed process to be reaped: kept short, because it blocks; a process that is stuck in the
/// kernel for longer is left to init.
const REAP_ON_DROP: Duration = Duration::from_secs(1);

/// A process that leads its own group. Dropped unreaped, it is killed with its group.
#[derive(Debug)]
pub(crate) struct Tree {
    pid: i32,
    pidfd: OwnedFd,
    is_reaped: Mutex<bool>,
    /// What the whole tree was told last; 0 if nothing.
    told: AtomicI32,
}

impl Tree {
    pub(crate) fn new(pid: i32, pidfd: OwnedFd) -> Self {
        Self { pid, pidfd, is_reaped: Mutex::new(false), told: AtomicI32::new(0) }
    }

    /// Signals the whole group. SIGCONT follows whatever can be caught: a stopped process would not see it otherwise.
    /// Signalling what is gone is no error.
    pub(crate) fn signal(&self, signal: i32) -> io::Result<()> {
        let is_reaped = self.is_reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_reaped {
            return Ok(());
        }
        self.told.store(signal, Ordering::Relaxed);
        self.signal_group(signal)?;
        if signal != libc::SIGKILL {
            self.signal_group(libc::SIGCONT)?;
        }
        Ok(())
    }

    /// Signals the process alone, as a rung of its ending: SIGCONT follows.
    pub(crate) fn signal_first(&self, signal: i32) -> io::Result<()> {
        self.deliver(signal)?;
        self.deliver(libc::SIGCONT)
    }

    /// What the whole tree was told last.
    pub(super) fn told(&self) -> Option<i32> {
        Some(self.told.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }

    /// Signals a process of the session that has left the group, as a shell with job control makes them. Each by a descriptor of
    /// its own, looked at again: the session's number is no other's while the leader is unreaped.
    pub(super) fn signal_stray(&self, stray: Member, signal: i32) {
        let is_reaped = self.is_reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_reaped || stray.group == self.pid {
            return;
        }
        let Ok(pidfd) = pidfd_open(stray.pid) else { return };
        if is_in_session(stray.pid, self.pid) {
            // One of another user is told of as a survivor.
            let _ = pidfd_signal(pidfd.as_fd(), signal);
            if signal != libc::SIGKILL {
                let _ = pidfd_signal(pidfd.as_fd(), libc::SIGCONT);
            }
        }
    }

    /// Signals the process alone. A pidfd never means another process, so what is gone is not signalled.
    pub(crate) fn deliver(&self, signal: i32) -> io::Result<()> {
        pidfd_signal(self.pidfd.as_fd(), signal)
    }

    /// How many bytes of memory the process itself holds; none once it is reaped, when its number may be another's.
    pub(crate) fn resident(&self) -> Option<u64> {
        let is_reaped = self.is_reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_reaped { None } else { resident(self.pid) }
    }

    /// How the process has ended, if it has; its number stays its own until it is reaped. No status can be had of one that
    /// somebody else has reaped.
    pub(crate) fn ended(&self) -> io::Result<Option<(ExitStatus, Usage)>> {
        let mut is_reaped = self.is_reaped.lock().unwrap_or_else(PoisonError::into_inner);
        ended(self.pidfd.as_fd()).inspect_err(|_| {
            // Its number may be another's by now: nothing is signalled by it any more.
            *is_reaped = true;
            own_child().leave(self.pid);
        })
    }

    /// Reaps the process, if it has ended. That needs no right to signal it.
    pub(crate) fn reap(&self) {
        let mut is_reaped = self.is_reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_reaped {
            return;
        }
        let mut own = own_child();
        if !matches!(reap(self.pidfd.as_fd()), Ok(None)) {
            *is_reaped = true;
            own.leave(self.pid);
        }
    }

    /// Whether the group of a reaped process has no members, not even zombies. Only asks: while a member is there the number can't
    /// be reused as a group.
    pub(super) fn is_gone(&self) -> bool {
        group_signal(self.pid, 0).is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH))
    }

    pub(crate) fn is_reaped(&self) -> bool {
        *self.is_reaped.lock().unwrap_or_else(PoisonError::into_inner)
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
        let is_reaped = *self.is_reaped.get_mut().unwrap_or_else(PoisonError::into_inner);
        if is_reaped {
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
