//! What the keeper has to do with the world around it: the service manager, whoever reads its stderr, and how it ends.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, SigmaskHow, Signal as Number, sigprocmask};
use nix::time::{ClockId, clock_gettime};

use crate::machine::exit::ExitStatus;
use crate::service_manager::notify_service_manager;
use crate::sys::restore_signal;

/// How often it looks whether everything has ended, then.
pub(super) const LOOK_AGAIN_MS: u16 = 20;

#[expect(clippy::disallowed_methods, reason = "there is no memory for anything else")]
pub(super) fn pause() {
    std::thread::sleep(Duration::from_millis(LOOK_AGAIN_MS.into()));
}

#[expect(clippy::disallowed_methods, reason = "a keeper has nothing to drop but what the kernel closes")]
pub(super) fn leave(status: i32) -> ! {
    std::process::exit(status)
}

pub(super) fn tell_service_manager(text: &[u8], fd: Option<&OwnedFd>) {
    // Whoever set the variable and does not listen has no use for it.
    let _ = notify_service_manager(&String::from_utf8_lossy(text), fd.map(AsFd::as_fd));
}

/// Says something to people, unless nobody reads: the keeper waits for nobody.
pub(super) fn tell(text: &str) {
    let stderr = io::stderr();
    let mut ready = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    let can_write = nix::poll::poll(&mut ready, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
    if can_write || stderr.is_terminal() {
        let _ = writeln!(stderr.lock(), "drover: {text}");
    }
}

/// Ends as the master did.
pub(super) fn end_like(status: ExitStatus) -> ! {
    let code = match status {
        ExitStatus::Code(code) => code,
        ExitStatus::Signal { signal, .. } => {
            if let Ok(number) = Number::try_from(signal.number()) {
                let mut only = SigSet::empty();
                only.add(number);
                // The master's core is the one that tells something.
                let _ = nix::sys::prctl::set_dumpable(false);
                restore_signal(signal.number());
                let _ = nix::sys::signal::raise(number);
                let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&only), None);
            }
            128 + signal.number()
        }
        ExitStatus::Taken => 1,
    };
    leave(code)
}

pub(super) fn monotonic() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default()
}

pub(super) fn oom_score() -> Option<i32> {
    std::fs::read_to_string("/proc/self/oom_score_adj").ok()?.trim().parse().ok()
}

/// Lowering it takes a privilege (`CAP_SYS_RESOURCE`); without that the keeper is as likely to be killed as anybody.
pub(super) fn set_oom_score(score: Option<i32>) {
    if let Some(score) = score {
        let _ = std::fs::write("/proc/self/oom_score_adj", score.to_string());
    }
}
