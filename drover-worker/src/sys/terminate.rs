//! SIGTERM that somebody else than the master has sent.
//!
//! The master's own SIGTERM is the last word before SIGKILL, and has its default effect. One from elsewhere asks the worker to leave:
//! an administrator's, or that of a service manager which tells all processes of a service at once. Which of the two it is, only the
//! handler is told (`siginfo_t`), so tokio's signals do not do.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// Readable once such a signal has come. The process keeps it to its end, for the handler.
static BELL: OnceLock<EventFd> = OnceLock::new();

/// The bell for the handler, which must not wait for a lock; -1 before there is one.
static BELL_FD: AtomicI32 = AtomicI32::new(-1);

/// Whose SIGTERM has its default effect.
static MASTER: AtomicI32 = AtomicI32::new(0);

/// From now on this is the master whose SIGTERM has its default effect.
pub(crate) fn follow_master(master: i32) {
    MASTER.store(master, Ordering::Relaxed);
}

/// Takes the first SIGTERM of anybody but `master` for a request; the second has its default effect. `None` if the program has a handler of
/// its own or ignores the signal: then it stays as it is.
pub(crate) fn terminate_bell(master: i32) -> io::Result<Option<BorrowedFd<'static>>> {
    let before = disposition()?;
    let own: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_terminate;
    if before != libc::SIG_DFL && before != own as libc::sighandler_t {
        return Ok(None);
    }
    follow_master(master);
    let bell = match BELL.get() {
        Some(bell) => bell,
        None => {
            let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
            // Two at once: one of the two descriptors is closed again.
            BELL.get_or_init(|| bell)
        }
    };
    BELL_FD.store(bell.as_fd().as_raw_fd(), Ordering::Release);
    // SAFETY: an all-zero sigaction is a valid value of that plain C struct: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = own as libc::sighandler_t;
    // Once, so that the second signal ends the process however stuck it is.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_RESETHAND;
    // SAFETY: the pointer is to a live local; the handler has the signature that SA_SIGINFO asks for, and only makes calls that are
    // async-signal-safe.
    if unsafe { libc::sigaction(libc::SIGTERM, &raw const action, std::ptr::null_mut()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(Some(bell.as_fd()))
}

fn disposition() -> io::Result<libc::sighandler_t> {
    // SAFETY: an all-zero sigaction is a valid value of that plain C struct.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: asks only, and writes to a live local. Async-signal-safe (signal-safety(7)).
    if unsafe { libc::sigaction(libc::SIGTERM, std::ptr::null(), &raw mut action) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(action.sa_sigaction)
}

extern "C" fn on_terminate(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // Whoever has installed a handler since and calls this one too has taken over; otherwise SA_RESETHAND has put back the default.
    if disposition().ok() != Some(libc::SIG_DFL) {
        return;
    }
    // SAFETY: the kernel hands a handler with SA_SIGINFO a siginfo that lives as long as the call. Of a signal that a process has
    // sent the field is its pid; of one that the kernel has sent it is 0, and so is the pid of a master that is not seen from here.
    let sender = unsafe { (*info).si_pid() };
    if sender == MASTER.load(Ordering::Relaxed) {
        // SAFETY: no memory is passed; async-signal-safe. Pending until the handler returns, then it has its default effect.
        unsafe { libc::raise(libc::SIGTERM) };
        return;
    }
    let (bell, one) = (BELL_FD.load(Ordering::Acquire), 1_u64);
    // SAFETY: eight bytes of a live local into an eventfd that is never closed; async-signal-safe. It does not change errno of the
    // thread that it interrupts but on failure, and a counter that is written once does not overflow.
    unsafe { libc::write(bell, (&raw const one).cast(), size_of::<u64>()) };
}
