//! What nix and the standard library have no safe function for.

use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::Pid;

/// A descriptor of a child that has not been reaped: `pidfd_open(2)`.
pub(crate) fn pidfd_open(pid: Pid) -> nix::Result<OwnedFd> {
    // SAFETY: no memory is passed; the arguments are plain numbers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
    let fd = i32::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The listening socket that whoever started this program has put at a number, which belongs to nobody else.
pub(crate) fn listener_at(fd: RawFd) -> TcpListener {
    // SAFETY: called once in a process, for a descriptor that was open when the program began and that no Rust value owns.
    unsafe { TcpListener::from_raw_fd(fd) }
}

/// Has the program begin with the signals that end it as by default: a `nohup`, or a shell's `&`, before the tests leaves them ignored.
pub(crate) fn with_default_signals(command: &mut Command) {
    let reset = || {
        for number in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
            // SAFETY: signal(2) is async-signal-safe, and no handler is installed.
            unsafe { signal(number, SigHandler::SigDfl) }?;
        }
        Ok(())
    };
    // SAFETY: it makes system calls only, which may be made between a fork and an exec.
    unsafe { command.pre_exec(reset) };
}

/// Has the program begin with every signal blocked that can be, as JVMs leave it to what they start.
pub fn with_signals_blocked(command: &mut Command) {
    let block = || Ok(SigSet::all().thread_set_mask()?);
    // SAFETY: pthread_sigmask(3) is async-signal-safe, and the set is on the stack of the child.
    unsafe { command.pre_exec(block) };
}
