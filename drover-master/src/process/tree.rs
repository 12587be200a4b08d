//! A worker's process and what it started: one process group, signalled as one.
//!
//! A group is named by the pid of its leader, and a pid is free for others once its process is reaped. So the group is
//! signalled only while the leader is unreaped; a lock keeps the two apart.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::memory::resident;
use crate::machine::exit::{ExitStatus, Usage};
use crate::sys::{has_ended, own_child, pidfd_signal, reap};

/// How long a drop waits for a killed process to be reaped: kept short, because it blocks; a process that is stuck in the
/// kernel for longer is left to init.
const REAP_ON_DROP: Duration = Duration::from_secs(1);

/// A process that leads its own group. Dropped unreaped, it is killed with its group.
#[derive(Debug)]
pub(crate) struct Tree {
    pid: i32,
    pidfd: OwnedFd,
    is_reaped: Mutex<bool>,
}

impl Tree {
    pub(crate) fn new(pid: i32, pidfd: OwnedFd) -> Self {
        Self { pid, pidfd, is_reaped: Mutex::new(false) }
    }

    /// Signals the whole group. SIGCONT follows whatever can be caught: a stopped process would not see it otherwise.
    /// Signalling what is gone is no error.
    pub(crate) fn signal(&self, signal: i32) -> io::Result<()> {
        let is_reaped = self.is_reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_reaped {
            return Ok(());
        }
        self.signal_group(signal)?;
        if signal != libc::SIGKILL {
            self.signal_group(libc::SIGCONT)?;
        }
        Ok(())
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

    /// Takes the exit status, once there is one. What the process left behind in its group is killed before, so that the
    /// slot's next worker finds no port taken; see [`is_empty`](Self::is_empty).
    pub(crate) fn reap(&self) -> io::Result<Option<(ExitStatus, Usage)>> {
        let mut is_reaped = self.is_reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_reaped {
            return Ok(None);
        }
        match has_ended(self.pidfd.as_fd()) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                // Its number may be another's by now: nothing is signalled by it any more.
                *is_reaped = true;
                own_child().leave(self.pid);
                return Err(error);
            }
        }
        self.signal_group(libc::SIGKILL)?;
        let mut own = own_child();
        let ended = reap(self.pidfd.as_fd())?;
        if ended.is_some() {
            *is_reaped = true;
            own.leave(self.pid);
        }
        Ok(ended)
    }

    /// Whether nothing of the group is left but what only waits to be reaped by its parent. Only asks: while a member is
    /// there the number can't be reused as a group.
    pub(crate) fn is_empty(&self) -> bool {
        killpg(Pid::from_raw(self.pid), None::<Signal>) == Err(Errno::ESRCH) || !has_living_member(self.pid)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    fn signal_group(&self, signal: i32) -> io::Result<()> {
        let number = Signal::try_from(signal);
        let sent = match number {
            Ok(signal) => killpg(Pid::from_raw(self.pid), signal),
            // A real-time signal has no name to nix; it goes to the process alone.
            Err(_) => return pidfd_signal(self.pidfd.as_fd(), signal),
        };
        match sent {
            Ok(()) => Ok(()),
            // The process has left its group, or every member runs as a user we may not signal: then itself, at least.
            Err(Errno::ESRCH | Errno::EPERM) => match pidfd_signal(self.pidfd.as_fd(), signal) {
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
                other => other,
            },
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a group has a member that is not a zombie. A look at every process, for the rare group that is not gone at once:
/// as PID 1 a master is the parent of its workers' orphans, which stay in the group until it has reaped them.
fn has_living_member(group: i32) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return true };
    processes.flatten().filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok()).any(
        |stat| {
            // "pid (name) state parent group …", where the name may hold anything (proc_pid_stat(5)).
            let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
            let state = fields.next();
            fields.nth(1).and_then(|field| field.parse().ok()) == Some(group) && state != Some("Z")
        },
    )
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
        if has_ended(self.pidfd.as_fd()).is_err() {
            return;
        }
        if self.signal_group(libc::SIGKILL).is_ok() {
            let timeout = PollTimeout::try_from(REAP_ON_DROP).unwrap_or(PollTimeout::ZERO);
            let mut ended = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
            if nix::poll::poll(&mut ended, timeout).is_ok() {
                let mut own = own_child();
                let _ = reap(self.pidfd.as_fd());
                own.leave(self.pid);
            }
        }
    }
}
