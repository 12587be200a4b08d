//! How a worker ended: classified from what the master intended and what the kernel said, never from one alone.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::phase::Phase;
use super::readable::Readable;
use crate::signal_names::signal_name;

/// What the kernel said of an ended process, as `waitid(2)` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitStatus {
    /// It exited.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number.
        number: i32,
        /// Whether a core file was written.
        core_dumped: bool,
    },
    /// It can't be known: another part of the program has taken it, by waiting for all children (`waitpid(-1)`).
    Taken,
}

/// What the process used, as `getrusage(2)` tells it: its own and that of the children it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Usage {
    /// The largest resident set, in KiB. Linux counts what the process had before it became the program, too, which is the
    /// master's; so a small worker shows what the master has.
    pub max_rss_kb: u64,
    /// User and system time.
    pub cpu: Duration,
}

/// Why a worker is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        signal: i32,
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

/// Why the master ended a worker by signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KillCause {
    /// It speaks no protocol: its stop signal is how it is asked to leave.
    StopSignal,
    /// Not ready in time.
    StartDeadline,
    /// Not drained in time.
    StopDeadline,
    /// Not gone in time after Quit.
    QuitDeadline,
    /// A second request hurried its end.
    Hurried,
    /// The app was killed.
    HardShutdown,
    /// It closed its connection and did not come back.
    Disconnected,
    /// It broke the protocol, or was refused in the handshake.
    ProtocolError,
    /// It left several Pings unanswered.
    Unresponsive,
    /// It did not say in time that it makes progress.
    Watchdog,
    /// It failed its liveness probe several times in a row.
    Unhealthy,
    /// It answered that it can't do what it was asked.
    Refused,
}

/// The steps of creating a process, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpawnStep {
    /// What the child needs, such as its pipes.
    Prepare,
    /// `fork(2)`.
    Fork,
    /// A session and in it a process group of its own.
    ProcessGroup,
    /// Signal mask and dispositions.
    Signals,
    /// The working directory.
    WorkingDirectory,
    /// Death with the master.
    ParentDeathSignal,
    /// A resource limit.
    Limits,
    /// The priority.
    Nice,
    /// How early it is taken when memory runs out.
    OomScoreAdj,
    /// Supplementary groups.
    Groups,
    /// The group.
    Group,
    /// The user.
    User,
    /// Standard streams and inherited sockets.
    Descriptors,
    /// `execve(2)`.
    Exec,
    /// `pidfd_open(2)`.
    Pidfd,
}

/// The end of a worker, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exit {
    /// How it ended.
    pub reason: ExitReason,
    /// The phase it was in.
    pub during: Phase,
    /// When its end was known.
    pub at: Instant,
    /// From spawn to end.
    pub uptime: Duration,
    /// What it used.
    pub usage: Usage,
    /// The last lines it wrote to stderr, oldest first.
    pub stderr_tail: Vec<String>,
    /// Who asked for the end; none if nobody did.
    pub asked_by: Option<Arc<str>>,
    /// Of a signal that ended it and is no rung of its ending: on what occasion the master sent it, as "at the request of X".
    pub sent: Option<Arc<str>>,
    /// What is known beyond the status, such as the reason of a refused handshake or why a command can't be run.
    pub detail: Option<Arc<str>>,
}

/// What the master intended when the worker ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intent {
    /// Why the master signals, once it does.
    pub cause: Option<KillCause>,
    /// The signals it has sent.
    pub sent: Vec<i32>,
}

impl ExitReason {
    /// Reads the status in the light of the intent.
    ///
    /// A signal that the master did not send is external, whatever else it intended. A worker that its deadline had
    /// overtaken was killed by the master even if it then left with a code: a timeout is never a success.
    pub fn classify(status: ExitStatus, intent: &Intent) -> Self {
        match (status, intent.cause) {
            (ExitStatus::Signal { number, .. }, Some(cause)) if intent.sent.contains(&number) => {
                Self::KilledByMaster { cause, status }
            }
            (ExitStatus::Signal { number, core_dumped }, _) => {
                Self::ExternalSignal { signal: number, core_dumped }
            }
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
    pub const fn signal(self) -> Option<i32> {
        match self {
            Self::ExternalSignal { signal, .. } => Some(signal),
            Self::KilledByMaster { status: ExitStatus::Signal { number, .. }, .. } => Some(number),
            Self::KilledByMaster { .. }
            | Self::StatusTaken
            | Self::NormalExit
            | Self::AbnormalExit { .. }
            | Self::SpawnFailed { .. } => None,
        }
    }
}

impl fmt::Display for SpawnStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prepare => "prepare",
            Self::Fork => "fork",
            Self::ProcessGroup => "process_group",
            Self::Signals => "signals",
            Self::WorkingDirectory => "working_directory",
            Self::ParentDeathSignal => "parent_death_signal",
            Self::Limits => "limits",
            Self::Nice => "nice",
            Self::OomScoreAdj => "oom_score_adj",
            Self::Groups => "groups",
            Self::Group => "group",
            Self::User => "user",
            Self::Descriptors => "descriptors",
            Self::Exec => "exec",
            Self::Pidfd => "pidfd",
        })
    }
}

impl fmt::Display for KillCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StopSignal => "as asked",
            Self::StartDeadline => "it was not ready in time",
            Self::StopDeadline => "it did not drain in time",
            Self::QuitDeadline => "it did not leave in time",
            Self::Hurried => "its end was hurried",
            Self::HardShutdown => "the app was killed",
            Self::Disconnected => "it closed its connection and did not come back",
            Self::ProtocolError => "it broke the protocol",
            Self::Unresponsive => "it did not answer its heartbeats",
            Self::Watchdog => "its watchdog heard nothing in time",
            Self::Unhealthy => "it failed its liveness probe",
            Self::Refused => "it could not do what it was asked",
        })
    }
}

const TAKEN: &str = "another part of this program waits for all children, and took its exit status";

/// A clause for people that fits after "worker web/0": "exited with code 3 while starting".
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            ExitReason::NormalExit => f.write_str("exited with code 0")?,
            ExitReason::AbnormalExit { code } => write!(f, "exited with code {code}")?,
            ExitReason::ExternalSignal { signal, core_dumped } => {
                write!(f, "was ended by {}", signal_name(signal))?;
                match &self.sent {
                    Some(occasion) => write!(f, ", which the master had sent {occasion},")?,
                    None => f.write_str(" from outside")?,
                }
                if core_dumped {
                    f.write_str(" (core dumped)")?;
                }
            }
            ExitReason::StatusTaken => {
                return write!(f, "ended while {}; {TAKEN}", self.during.word());
            }
            // Where it stood adds nothing here: it was on its way out, and the cause tells what came before.
            ExitReason::KilledByMaster { cause, status } => {
                match (cause, status) {
                    (KillCause::StopSignal, ExitStatus::Signal { number, .. }) => {
                        write!(f, "was ended by {}, {cause}", signal_name(number))?;
                    }
                    (_, ExitStatus::Signal { number, .. }) => {
                        write!(f, "was ended by {}: {cause}", signal_name(number))?;
                    }
                    (KillCause::StopSignal, ExitStatus::Taken) => write!(f, "ended, {cause}")?,
                    (_, ExitStatus::Taken) => write!(f, "was ended by the master: {cause}")?,
                    (_, ExitStatus::Code(code)) => {
                        write!(f, "exited with code {code} after the master ended it: {cause}")?;
                    }
                }
                return self.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {}", Readable(detail)));
            }
            ExitReason::SpawnFailed { step, errno } => {
                write!(f, "could not be started: ")?;
                return match &self.detail {
                    Some(detail) => f.write_str(detail),
                    None => write!(f, "{step}: {}", std::io::Error::from_raw_os_error(errno)),
                };
            }
        }
        write!(f, " while {}", self.during.word())?;
        self.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {}", Readable(detail)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: i32 = 15;
    const KILL: i32 = 9;

    fn killed(cause: KillCause, status: ExitStatus) -> ExitReason {
        ExitReason::KilledByMaster { cause, status }
    }

    fn signal(number: i32) -> ExitStatus {
        ExitStatus::Signal { number, core_dumped: false }
    }

    #[test]
    fn an_exit_reads_as_a_sentence() {
        for (reason, during, detail, sentence) in [
            (
                ExitReason::AbnormalExit { code: 3 },
                Phase::Starting,
                None,
                "exited with code 3 while starting",
            ),
            (
                killed(KillCause::StopSignal, signal(TERM)),
                Phase::ShuttingDown,
                None,
                "was ended by SIGTERM, as asked",
            ),
            (
                killed(KillCause::StartDeadline, signal(TERM)),
                Phase::ShuttingDown,
                None,
                "was ended by SIGTERM: it was not ready in time",
            ),
            (
                killed(KillCause::ProtocolError, signal(TERM)),
                Phase::ShuttingDown,
                Some("a frame of 9 bytes is over the limit of 8 bytes"),
                "was ended by SIGTERM: it broke the protocol: a frame of 9 bytes is over the limit of 8 bytes",
            ),
            (
                ExitReason::StatusTaken,
                Phase::Started,
                None,
                "ended while ready; another part of this program waits for all children, and took its exit status",
            ),
            (
                killed(KillCause::StopDeadline, ExitStatus::Taken),
                Phase::ShuttingDown,
                None,
                "was ended by the master: it did not drain in time",
            ),
            (
                killed(KillCause::QuitDeadline, ExitStatus::Code(0)),
                Phase::ShuttingDown,
                None,
                "exited with code 0 after the master ended it: it did not leave in time",
            ),
        ] {
            let exit = Exit {
                reason,
                during,
                at: tokio::time::Instant::now().into_std(),
                uptime: Duration::ZERO,
                usage: Usage::default(),
                stderr_tail: Vec::new(),
                asked_by: None,
                sent: None,
                detail: detail.map(Arc::from),
            };
            assert_eq!(exit.to_string(), sentence);
        }
        let exit = Exit {
            reason: ExitReason::ExternalSignal { signal: 12, core_dumped: false },
            during: Phase::Started,
            at: tokio::time::Instant::now().into_std(),
            uptime: Duration::ZERO,
            usage: Usage::default(),
            stderr_tail: Vec::new(),
            asked_by: None,
            sent: Some("at the request of x".into()),
            detail: None,
        };
        let sentence = "was ended by SIGUSR2, which the master had sent at the request of x, while ready";
        assert_eq!(exit.to_string(), sentence);
    }

    #[test]
    fn an_exit_is_read_in_the_light_of_what_the_master_intended() {
        use KillCause::{HardShutdown, StopDeadline, StopSignal};
        let external = |signal| ExitReason::ExternalSignal { signal, core_dumped: false };
        for (status, cause, sent, expected) in [
            (ExitStatus::Code(0), None, vec![], ExitReason::NormalExit),
            (ExitStatus::Code(3), None, vec![], ExitReason::AbnormalExit { code: 3 }),
            (signal(KILL), None, vec![], external(KILL)),
            (ExitStatus::Taken, None, vec![], ExitReason::StatusTaken),
            (ExitStatus::Taken, Some(StopSignal), vec![TERM], killed(StopSignal, ExitStatus::Taken)),
            (ExitStatus::Taken, Some(StopDeadline), vec![TERM], killed(StopDeadline, ExitStatus::Taken)),
            (signal(TERM), Some(StopSignal), vec![TERM], killed(StopSignal, signal(TERM))),
            (ExitStatus::Code(0), Some(StopSignal), vec![TERM], ExitReason::NormalExit),
            (ExitStatus::Code(143), Some(StopSignal), vec![TERM], ExitReason::AbnormalExit { code: 143 }),
            // A crash while it is being ended is still a crash.
            (signal(11), Some(StopSignal), vec![TERM], external(11)),
            // The master sent TERM only, so this KILL came from elsewhere, the kernel's OOM killer perhaps.
            (signal(KILL), Some(StopDeadline), vec![TERM], external(KILL)),
            (ExitStatus::Code(0), Some(StopDeadline), vec![TERM], killed(StopDeadline, ExitStatus::Code(0))),
            (signal(KILL), Some(HardShutdown), vec![KILL], killed(HardShutdown, signal(KILL))),
        ] {
            let intent = Intent { cause, sent };
            assert_eq!(ExitReason::classify(status, &intent), expected, "{status:?} {intent:?}");
        }
    }
}
