//! How a worker ended: classified from what the master intended and what the kernel said, never from one alone.

mod kill_cause;
mod sentence;
mod spawn_step;

use super::phase::Phase;
use crate::signal::Signal;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use kill_cause::KillCause;
pub use spawn_step::SpawnStep;

/// What the kernel said of an ended process, as `waitid(2)` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum ExitStatus {
    /// It exited.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number.
        signal: Signal,
        /// Whether a core file was written.
        core_dumped: bool,
    },
    /// It can't be known: another part of the program has taken it, by waiting for all children (`waitpid(-1)`).
    Taken,
}

/// What the process used, as `getrusage(2)` tells it: its own and that of the children it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Usage {
    /// The largest resident set, in KiB. Linux counts what the process had before it became the program, too, which is the
    /// master's; so a small worker shows what the master has.
    pub max_rss_kb: u64,
    /// User and system time.
    pub cpu: Duration,
}

/// Why a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum ExitReason {
    /// It exited with code 0.
    NormalExit,
    /// It exited with another code.
    AbnormalExit {
        /// The code, 1 to 255.
        code: i32,
    },
    /// A signal ended it that the master had not sent.
    ExternalSignal {
        /// The signal's number.
        signal: Signal,
        /// Whether a core file was written.
        core_dumped: bool,
    },
    /// It has ended, and how can't be known: another part of the program that embeds the master has taken the status, by waiting for all
    /// children (`waitpid(-1)`). A success if it was asked to leave, and a failure otherwise.
    StatusTaken,
    /// The master ended it.
    KilledByMaster {
        /// Why.
        cause: KillCause,
        /// What it ended with.
        status: ExitStatus,
    },
    /// No process came to be.
    SpawnFailed {
        /// The step that failed.
        step: SpawnStep,
        /// The errno of that step.
        errno: i32,
    },
}

/// The end of a worker, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Exit {
    /// How it ended.
    pub reason: ExitReason,
    /// The phase it was in.
    pub during: Phase,
    /// When its end was known.
    #[serde(with = "crate::written")]
    pub at: Instant,
    /// From spawn to end.
    pub uptime: Duration,
    /// What it used.
    pub usage: Usage,
    /// The last lines it wrote to stderr, oldest first.
    pub stderr_tail: Vec<String>,
    /// Who asked for the end; none if nobody did.
    pub asked_by: Option<Arc<str>>,
    /// Of a signal that ended it and is not a rung of its ending: on what occasion the master sent it, as "at the request of X".
    pub sent: Option<Arc<str>>,
    /// What is known beyond the status, such as the reason of a refused handshake or why a command can't be run.
    pub detail: Option<Arc<str>>,
}

/// What the master intended when the worker ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Intent {
    /// Why the master signals, once it does.
    pub cause: Option<KillCause>,
    /// The signals it has sent.
    pub sent: Vec<Signal>,
}

impl ExitReason {
    /// Reads the status in the light of the intent.
    ///
    /// A signal that the master did not send is external, whatever else it intended. A worker that its deadline had
    /// overtaken was killed by the master even if it then left with a code: a timeout is never a success.
    pub fn classify(status: ExitStatus, intent: &Intent) -> Self {
        match (status, intent.cause) {
            (ExitStatus::Signal { signal, .. }, Some(cause)) if intent.sent.contains(&signal) => {
                Self::KilledByMaster { cause, status }
            }
            (ExitStatus::Signal { signal, core_dumped }, _) => Self::ExternalSignal { signal, core_dumped },
            (ExitStatus::Code(_), Some(cause)) if cause != KillCause::StopSignal => {
                Self::KilledByMaster { cause, status }
            }
            (ExitStatus::Taken, Some(cause)) => Self::KilledByMaster { cause, status },
            (ExitStatus::Taken, None) => Self::StatusTaken,
            (ExitStatus::Code(0), _) => Self::NormalExit,
            (ExitStatus::Code(code), _) => Self::AbnormalExit { code },
        }
    }

    /// The exit code, where there was one.
    pub const fn code(self) -> Option<i32> {
        match self {
            Self::NormalExit => Some(0),
            Self::AbnormalExit { code } => Some(code),
            Self::KilledByMaster { status: ExitStatus::Code(code), .. } => Some(code),
            Self::KilledByMaster { .. }
            | Self::StatusTaken
            | Self::ExternalSignal { .. }
            | Self::SpawnFailed { .. } => None,
        }
    }

    /// The signal that ended it, where one did.
    pub const fn signal(self) -> Option<Signal> {
        match self {
            Self::ExternalSignal { signal, .. } => Some(signal),
            Self::KilledByMaster { status: ExitStatus::Signal { signal, .. }, .. } => Some(signal),
            Self::KilledByMaster { .. }
            | Self::StatusTaken
            | Self::NormalExit
            | Self::AbnormalExit { .. }
            | Self::SpawnFailed { .. } => None,
        }
    }
}
