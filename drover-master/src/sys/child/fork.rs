//! A child with a copy of the master's memory, by `fork(2)`: for one that becomes another user. In shared memory that would make
//! the master undumpable (`PR_SET_DUMPABLE(2const)`), and a process of that user could reach into it.
//!
//! The thread does not wait for the child. A step that fails comes back through a close-on-exec pipe; a pipe that closes
//! without the end of a child means that the exec was done.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::descriptors::{above, lift, lifted};
use super::inside::{Launch, Report, run};
use super::report::{RECORD, RECORDS, told};
use super::{Child, ChildPlan, EXEC_WITHIN, SpawnError, Strings, discard, is_readable_within, now};
use crate::machine::exit::SpawnStep;
use crate::sys::pid_cells::PidCell;
use crate::sys::{own_child, pidfd_open};

/// A child on its way from fork to exec. What it was made from is not needed any more.
#[derive(Debug)]
#[must_use = "the child is there and has to be taken over"]
pub(crate) struct Begun {
    pid: i32,
    pidfd: io::Result<OwnedFd>,
    report: OwnedFd,
    /// When it has to be a program.
    until: Instant,
}

/// Forks. The child goes on to its exec on its own.
///
/// Call it from a thread that lives as long as the master and has all signals blocked: the parent-death signal
/// follows the thread, and a handler of the master's must not run in the child.
pub(crate) fn begin(plan: &ChildPlan) -> Result<Begun, SpawnError> {
    let prepare = |error: nix::Error| SpawnError::new(SpawnStep::Prepare, &error.into());
    let (report, report_end) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(prepare)?;
    let report_write = lift(report_end.as_fd(), above(plan)).map_err(prepare)?;
    // The pipe ends only when every copy of its writing end is closed.
    drop(report_end);
    let (_copies, moves) = lifted(plan).map_err(prepare)?;
    let strings = Strings::of(plan);
    let launch = Launch {
        plan,
        argv: &strings.argv,
        env: &strings.env,
        pids: strings.pids,
        moves: &moves,
        report: Report::Pipe(report_write.as_raw_fd()),
        master_pid: nix::unistd::getpid().as_raw(),
    };

    let mut own = own_child();
    // SAFETY: the child branch keeps to async-signal-safe calls on memory made above, and leaves by _exit(2).
    let pid = unsafe { fork(plan.pid_cell.and_then(PidCell::as_ptr)) };
    if pid == 0 {
        // SAFETY: this is the child, and the caller has blocked all signals.
        unsafe { run(&launch) }
    }
    if pid < 0 {
        return Err(SpawnError::new(SpawnStep::Fork, &io::Error::last_os_error()));
    }
    own.enter(pid);
    drop(own);
    // Before anybody could reap it, so it is surely this child.
    let pidfd = pidfd_open(pid);
    Ok(Begun { pid, pidfd, report, until: now() + EXEC_WITHIN })
}

/// As `fork(2)`; with a cell, the kernel writes the pid to it before the child runs (`clone(2)`, CLONE_PARENT_SETTID).
///
/// # Safety
///
/// As `fork(2)` of a process with threads: async-signal-safe calls only, in the child. The cell lives for ever.
unsafe fn fork(cell: Option<*mut i32>) -> libc::pid_t {
    let Some(cell) = cell else {
        // SAFETY: as promised by the caller.
        return unsafe { libc::fork() };
    };
    let flags = libc::CLONE_PARENT_SETTID | libc::SIGCHLD;
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: as promised by the caller; without a stack of its own the child goes on with a copy of this one. The C library is not
    // told of the fork, which only what allocates or locks in the child would miss.
    unsafe { libc::syscall(libc::SYS_clone, flags, none, cell, none, none) as libc::pid_t }
}

impl Begun {
    /// Waits until the exec is done or has failed.
    pub(crate) fn finish(self) -> Result<Child, SpawnError> {
        let told = self
            .read()
            .map_err(|error| SpawnError::new(SpawnStep::Exec, &error))
            .and_then(|records| told(&records));
        let Self { pid, pidfd, .. } = self;
        match (pidfd, told) {
            (Ok(pidfd), Ok(passed_over)) => Ok(Child { pid, pidfd, passed_over }),
            (pidfd, told) => {
                let error = told.err().unwrap_or_else(|| {
                    let error = pidfd.as_ref().expect_err("no failure is only left over with an error here");
                    SpawnError::new(SpawnStep::Pidfd, error)
                });
                discard(pid, pidfd.as_ref().ok());
                Err(error)
            }
        }
    }

    /// All that it writes, until its end of the pipe is closed.
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut records = Vec::new();
        loop {
            let mut chunk = [0; RECORD * RECORDS];
            if !is_readable_within(self.report.as_fd(), self.until.saturating_duration_since(now())) {
                return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
            }
            match nix::unistd::read(&self.report, &mut chunk) {
                Ok(0) => return Ok(records),
                Ok(count) => records.extend_from_slice(&chunk[..count]),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
