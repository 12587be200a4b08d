//! For tests: a file that hangs whoever opens it, as one on a network file system that does not answer.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// `fcntl(2)`; the libc crate does not name it.
const F_SETSIG: i32 = 10;

/// Takes a write lease (`fcntl(2)`, F_SETLEASE). Until it is given back, whoever opens the file waits, for 45 s at most
/// (`/proc/sys/fs/lease-break-time`). Nobody else may have it open.
pub(crate) fn hold(file: &File) -> io::Result<()> {
    // Instead of SIGIO, which ends a process, the holder is told by a signal that is ignored by default.
    // SAFETY: plain system calls on a descriptor that is borrowed for them.
    let held = unsafe {
        libc::fcntl(file.as_raw_fd(), F_SETSIG, libc::SIGURG) == 0
            && libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) == 0
    };
    if held { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives it back. To close the file would not do: the child that waits may have a copy of the descriptor.
pub(crate) fn give_back(file: &File) -> io::Result<()> {
    // SAFETY: a plain system call on a descriptor that is borrowed for it.
    let given = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) == 0 };
    if given { Ok(()) } else { Err(io::Error::last_os_error()) }
}
