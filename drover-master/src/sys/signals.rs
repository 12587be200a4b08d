//! The dispositions of signals, and the mask that a process was started with.

use std::io;
use std::mem::MaybeUninit;

use nix::sys::signal::SigSet;

/// Whether the kernel reaps children on its own (`sigaction(2)`: SIGCHLD ignored, or SA_NOCLDWAIT), which loses their exits.
/// Such a disposition is inherited over an exec.
pub(crate) fn is_child_signal_ignored() -> bool {
    let found = disposition(libc::SIGCHLD);
    found.sa_sigaction == libc::SIG_IGN || found.sa_flags & libc::SA_NOCLDWAIT != 0
}

/// Whether a signal is ignored, as `nohup` leaves SIGHUP.
pub(crate) fn is_ignored(signal: i32) -> bool {
    disposition(signal).sa_sigaction == libc::SIG_IGN
}

fn disposition(signal: i32) -> libc::sigaction {
    let mut found = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the pointer is to writable memory of the right type, zeroed, which is a valid value; a null new action only
    // asks.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), found.as_mut_ptr());
        found.assume_init()
    }
}

/// Sets SIGCHLD to its default. A program that is started with SIGCHLD ignored would lose the exit statuses of all its
/// children; a master refuses to be built then.
pub fn restore_child_signal() {
    restore_signal(libc::SIGCHLD);
}

/// Sets a signal to its default.
pub(crate) fn restore_signal(signal: i32) {
    // SAFETY: a zeroed sigaction with SIG_DFL is valid; nothing of the old one is read.
    unsafe {
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &default, std::ptr::null_mut());
    }
}

/// Ignores a signal from now on. A worker does not inherit that (`child/inside.rs`).
pub(crate) fn ignore(signal: i32) {
    // SAFETY: a zeroed sigaction with SIG_IGN is valid; nothing of the old one is read.
    unsafe {
        let mut ignored: libc::sigaction = std::mem::zeroed();
        ignored.sa_sigaction = libc::SIG_IGN;
        libc::sigaction(signal, &ignored, std::ptr::null_mut());
    }
}

/// The real-time signals that the C library leaves to programs.
pub(crate) fn real_time_signals() -> std::ops::RangeInclusive<i32> {
    libc::SIGRTMIN()..=libc::SIGRTMAX()
}

/// Lets every signal come to this thread, and to the threads that it makes from now on. A mask is inherited over an exec, and some
/// programs (JVMs, .NET) start others with SIGTERM and its kin blocked: those would be deaf to all, and as PID 1 would reap nobody.
///
/// For a program whose one purpose is to be a master, before its first thread.
///
/// # Errors
///
/// What `pthread_sigmask(3)` says; nothing is changed then.
pub fn unblock_signals() -> io::Result<()> {
    Ok(SigSet::empty().thread_set_mask()?)
}
