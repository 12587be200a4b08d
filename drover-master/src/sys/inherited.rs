//! Descriptors that were open before this program began.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Takes ownership of a descriptor that this process was started with, and has it closed by an exec.
///
/// # Errors
///
/// EBADF: there is none of this number. `AlreadyExists`: it was opened by this program, or taken before. Whatever Rust opens is
/// closed by an exec, and what survived one is not, by that they are told apart.
pub(crate) fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD takes no argument and touches no memory; a number that is not an open descriptor gives EBADF.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    if flags == -1 {
        return Err(io::Error::last_os_error());
    }
    if flags & libc::FD_CLOEXEC != 0 {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // SAFETY: F_SETFD takes an integer and touches no memory.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, flags | libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and was so before this program began, as its flags have just told; so no object of this program
    // owns it. From now on it has the flag, so nobody gets it here a second time.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
