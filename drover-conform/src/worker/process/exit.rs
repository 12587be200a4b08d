//! How a worker's process ended.

use std::fmt;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal {
        signal: Signal,
        /// Whether a core file was written.
        core_dumped: bool,
    },
    /// The kernel does not tell: a real-time signal ended it (EINVAL), or somebody else has reaped it (ECHILD).
    Unknown(Errno),
}

impl Exit {
    /// What `waitid(2)` told.
    pub(in crate::worker) const fn of(waited: nix::Result<WaitStatus>) -> Self {
        match waited {
            Ok(WaitStatus::Exited(_, code)) => Self::Code(code),
            Ok(WaitStatus::Signaled(_, signal, core_dumped)) => Self::Signal { signal, core_dumped },
            // Nothing else is asked for.
            Ok(_) => Self::Unknown(Errno::EINVAL),
            Err(errno) => Self::Unknown(errno),
        }
    }

    /// The exit code; none if something else ended it.
    pub(in crate::worker) const fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal { .. } | Self::Unknown(_) => None,
        }
    }
}

/// A clause for people that fits after "it".
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal { signal, core_dumped: false } => write!(f, "was ended by {signal}"),
            Self::Signal { signal, core_dumped: true } => write!(f, "was ended by {signal} (core dumped)"),
            Self::Unknown(errno) => write!(f, "ended, and the kernel does not tell how ({errno})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::unistd::Pid;

    use super::*;

    #[test]
    fn an_exit_is_what_the_kernel_told_and_reads_as_a_clause() {
        let pid = Pid::from_raw(1);
        for (waited, code, text) in [
            (Ok(WaitStatus::Exited(pid, 0)), Some(0), "exited with code 0"),
            (Ok(WaitStatus::Exited(pid, 3)), Some(3), "exited with code 3"),
            (Ok(WaitStatus::Signaled(pid, Signal::SIGKILL, false)), None, "was ended by SIGKILL"),
            (
                Ok(WaitStatus::Signaled(pid, Signal::SIGABRT, true)),
                None,
                "was ended by SIGABRT (core dumped)",
            ),
        ] {
            let exit = Exit::of(waited);
            assert_eq!((exit.code(), exit.to_string().as_str()), (code, text));
        }
        let exit = Exit::of(Err(Errno::ECHILD));
        assert!(exit.to_string().starts_with("ended, and the kernel does not tell how"), "{exit}");
    }
}
