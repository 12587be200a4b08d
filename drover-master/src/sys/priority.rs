//! The priority of a thread.

/// Gives the calling thread the least share of the CPU (`setpriority(2)`: with 0 for who, Linux means the thread). It may always be
/// lowered.
pub(crate) fn lower() {
    // SAFETY: takes and changes no memory.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, 19);
    }
}
