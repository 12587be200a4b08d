//! Locks that live as long as an open file, whoever has a descriptor of it.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Locks an open file (`flock(2)`), without waiting. The lock goes with the last descriptor of that opening, in whichever process: nix's
/// `Flock` would unlock it for all of them.
///
/// # Errors
///
/// `WouldBlock`: another opening has it.
pub(crate) fn lock_file(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: plain numbers; the descriptor is borrowed for the call.
    match unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
