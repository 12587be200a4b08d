//! A process becomes two, before it has a thread.

use std::io;

/// In the child, nothing; in the parent, the pid of the child.
///
/// # Errors
///
/// What `fork(2)` says; and that this process has other threads already, whose locks would never be let go of in the child.
pub(crate) fn split() -> io::Result<Option<i32>> {
    // SAFETY: no memory is passed. A process with one thread goes on in both as it was.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}
