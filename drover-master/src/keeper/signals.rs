//! What a keeper does with signals: whoever started it knows its pid alone, so what is sent to it is meant for the master.

use std::os::fd::AsFd;

use nix::sys::signal::{SigSet, Signal as Number};
use nix::sys::signalfd::siginfo;

use crate::sys::{pidfd_open, pidfd_signal};

/// What is heard: all but those by which a terminal stops a whole group, and those that tell of a fault of the process itself.
pub(super) fn heard() -> SigSet {
    let mut heard = SigSet::all();
    let own = [
        Number::SIGTSTP,
        Number::SIGCONT,
        Number::SIGSEGV,
        Number::SIGBUS,
        Number::SIGILL,
        Number::SIGFPE,
        Number::SIGTRAP,
        Number::SIGABRT,
        Number::SIGSYS,
    ];
    own.into_iter().for_each(|signal| heard.remove(signal));
    heard
}

/// Whether the master has to be told of it. What a terminal sends, it sends to the master too, if there was one.
pub(super) fn is_passed_on(signal: &siginfo, had_master: bool) -> bool {
    let number = signal.ssi_signo.cast_signed();
    let is_of_terminal = signal.ssi_code == libc::SI_KERNEL && number != libc::SIGHUP;
    number != libc::SIGCHLD && number != libc::SIGPIPE && !(had_master && is_of_terminal)
}

/// Passes it on. The master is not reaped yet, so its number is its own.
pub(super) fn pass_on(number: u32, master: i32) {
    if let Ok(master) = pidfd_open(master) {
        let _ = pidfd_signal(master.as_fd(), number.cast_signed());
    }
}
