//! The end of the process, whatever its other threads are doing.

/// Ends the process at once: no destructors, no `atexit` functions, so that no held lock can prevent it.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any integer, touches no memory of ours and does not return.
    unsafe { libc::_exit(code) }
}
