//! What the standard library has no safe function for.

use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SigHandler, signal};

/// Has a program begin with the signals that end it as by default: a `nohup`, or a shell's `&`, before the tests leaves them ignored.
pub(super) fn with_default_signals(command: &mut Command) {
    let reset = || {
        for number in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            // SAFETY: signal(2) is async-signal-safe, and no handler is installed.
            unsafe { signal(number, SigHandler::SigDfl) }?;
        }
        Ok(())
    };
    // SAFETY: it makes system calls only, which may be made between a fork and an exec.
    unsafe { command.pre_exec(reset) };
}
