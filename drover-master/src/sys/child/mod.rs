//! A child process: everything is prepared before, and until it is the program the child makes only async-signal-safe calls
//! (`signal-safety(7)`): no allocation, no lock, no panic.
//!
//! There are two ways to the same steps (`inside.rs`). A child usually shares the master's memory until its exec, and the thread
//! waits for it (`vfork.rs`). One that becomes another user gets a copy (`fork.rs`).

mod block;
mod descriptors;
mod fork;
mod inside;
mod report;
mod vfork;

use std::ffi::{CString, c_char};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout};

pub(crate) use self::descriptors::Stdio;
pub(crate) use self::fork::{Begun, begin};
use self::inside::PID_DIGITS;
pub(crate) use self::vfork::Forge;
use super::own_child;
use super::pid_cells::PidCell;
use crate::machine::exit::SpawnStep;

/// How long a child may take from its beginning to its exec. It takes a millisecond, unless its program or directory lies on a
/// file system that hangs.
pub(crate) const EXEC_WITHIN: Duration = Duration::from_secs(10);

/// How long to wait for a child that was killed before it was a program.
pub(crate) const DISCARD_WITHIN: Duration = Duration::from_secs(1);

/// All that a child needs.
#[derive(Debug)]
pub(crate) struct ChildPlan {
    /// Where the program may be, in the order to try.
    pub candidates: Vec<CString>,
    /// The program's name and arguments.
    pub argv: Vec<CString>,
    /// The whole environment but `LISTEN_PID` and `WATCHDOG_PID`, which only the child can know.
    pub env: Vec<CString>,
    /// Sockets to become descriptors 3, 4, …; with any, `LISTEN_PID` is added.
    pub sockets: Vec<Arc<OwnedFd>>,
    /// What the program says by that it is ready, and its number, above the sockets.
    pub notify_fd: Option<(Arc<OwnedFd>, RawFd)>,
    /// Whether `WATCHDOG_PID` is added.
    pub tells_watchdog_pid: bool,
    pub stdin: Arc<OwnedFd>,
    pub stdout: Stdio,
    pub stderr: Stdio,
    pub oom_score_adj: Option<i32>,
    pub nice: Option<i32>,
    pub limits: Vec<PlannedLimit>,
    /// Whether a limit that can't be set is a failure.
    pub are_limits_required: bool,
    /// The soft and the hard limit of file locks, which limit nothing; what can't be set is left out.
    pub locks: Option<(u64, u64)>,
    pub identity: Option<ChildUser>,
    /// Entered as that user.
    pub cwd: Option<CString>,
    pub umask: Option<u32>,
    /// The signal the child gets when the spawning thread, and so the master, dies (`PR_SET_PDEATHSIG(2const)`).
    pub parent_death_signal: Option<i32>,
    /// Where the kernel writes the pid, so that it is known even if the master dies at that moment.
    pub pid_cell: Option<PidCell>,
}

/// A limit with its soft and hard value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlannedLimit {
    /// Its number (`getrlimit(2)`).
    pub resource: i32,
    pub wanted: (u64, u64),
    /// What is set where `wanted` can't be and is not required.
    pub nearest: (u64, u64),
}

/// Who the child becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChildUser {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

/// Where and why a child could not be made, or what it goes without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpawnError {
    pub step: SpawnStep,
    pub errno: i32,
    /// For [`SpawnStep::Limits`]: which one of the plan.
    pub which: usize,
}

impl SpawnError {
    pub(crate) fn new(step: SpawnStep, error: &io::Error) -> Self {
        Self { step, errno: error.raw_os_error().unwrap_or(libc::EIO), which: 0 }
    }
}

/// A child that has become a program.
#[derive(Debug)]
pub(crate) struct Child {
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// Limits it goes without, because they are not required.
    pub passed_over: Vec<SpawnError>,
}

/// The arrays of execve(2), which point into a plan.
struct Strings {
    argv: Vec<*const c_char>,
    env: Vec<*const c_char>,
    /// Where the child writes the digits of its pid.
    pids: [*mut u8; 2],
    _entries: [Vec<u8>; 2],
}

impl Strings {
    /// They have to go before the plan.
    fn of(plan: &ChildPlan) -> Self {
        let names = ["LISTEN_PID=", "WATCHDOG_PID="];
        let mut entries = names.map(|name| [name.as_bytes(), &[0; PID_DIGITS + 1]].concat());
        let at = entries.each_mut().map(|entry| entry.as_mut_ptr());
        let mut env = Vec::with_capacity(plan.env.len() + 3);
        for (at, is_told) in at.into_iter().zip([!plan.sockets.is_empty(), plan.tells_watchdog_pid]) {
            if is_told {
                // From the pointer that the child writes through, so that what it wrote is what execve(2) reads.
                env.push(at.cast_const().cast());
            }
        }
        env.extend(pointers(&plan.env));
        // The digits come after the name, in the same allocation.
        let [listen, watchdog] = at;
        let pids = [listen.wrapping_add(names[0].len()), watchdog.wrapping_add(names[1].len())];
        Self { argv: pointers(&plan.argv).collect(), env, pids, _entries: entries }
    }
}

fn pointers(strings: &[CString]) -> impl Iterator<Item = *const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()])
}

/// Whether something can be read, or the end is reached, before the time is over.
fn is_readable_within(fd: BorrowedFd<'_>, within: Duration) -> bool {
    let timeout = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
    loop {
        match nix::poll::poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], timeout) {
            Ok(ready) => return ready > 0,
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// Ends and reaps a child that did not become a program. One that is stuck in the kernel is left to whoever reaps orphans:
/// the thread has others to make.
fn discard(pid: i32, pidfd: Option<&OwnedFd>) {
    // SAFETY: the child has not been reaped, so the pid is still its own.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    let is_gone = pidfd.is_none_or(|pidfd| is_readable_within(pidfd.as_fd(), DISCARD_WITHIN));
    let flags = if is_gone { 0 } else { libc::WNOHANG };
    let mut own = own_child();
    // SAFETY: as above; a null status and a null usage are allowed.
    unsafe { libc::wait4(pid, std::ptr::null_mut(), flags, std::ptr::null_mut()) };
    own.leave(pid);
}

#[expect(
    clippy::disallowed_methods,
    reason = "this thread has no runtime, and so no clock that a test could stop"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
