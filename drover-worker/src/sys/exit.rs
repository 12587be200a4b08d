//! The end of the process, whatever its other threads are doing.

/// Ends the process as [`exit_now`] does; if it leads a process group, as a worker does, with the whole group. Then it is a SIGKILL
/// that ends it, and no code tells anything.
pub(crate) fn exit_now_with_group(code: i32) -> ! {
    // SAFETY: no memory is passed; both only read what the kernel knows of this process.
    let leads = unsafe { libc::getpgrp() == libc::getpid() };
    if leads {
        // SAFETY: no memory is passed; the group of the caller, which is its own.
        unsafe { libc::kill(0, libc::SIGKILL) };
    }
    exit_now(code)
}

/// Ends the process at once: no destructors, no `atexit` functions, so that no held lock can prevent it.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any integer, touches no memory of ours and does not return.
    unsafe { libc::_exit(code) }
}
