//! An exit as a clause, for people.

use std::fmt;

use super::{Exit, ExitReason, ExitStatus, KillCause};
use crate::machine::readable::Readable;

const TAKEN: &str = "another part of this program waits for all children, and took its exit status";

/// A clause for people that fits after "worker web/0": "exited with code 3 while starting".
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            ExitReason::NormalExit => f.write_str("exited with code 0")?,
            ExitReason::AbnormalExit { code } => write!(f, "exited with code {code}")?,
            ExitReason::ExternalSignal { signal, core_dumped } => {
                write!(f, "was ended by {}", signal)?;
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
                    (KillCause::StopSignal, ExitStatus::Signal { signal, .. }) => {
                        write!(f, "was ended by {signal}, {cause}")?;
                    }
                    (_, ExitStatus::Signal { signal, .. }) => {
                        write!(f, "was ended by {signal}: {cause}")?;
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
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::{Intent, Usage};
    use super::*;
    use crate::machine::phase::Phase;
    use crate::signal::Signal;

    const TERM: Signal = Signal::TERM;
    const KILL: Signal = Signal::KILL;

    fn killed(cause: KillCause, status: ExitStatus) -> ExitReason {
        ExitReason::KilledByMaster { cause, status }
    }

    fn signal(signal: Signal) -> ExitStatus {
        ExitStatus::Signal { signal, core_dumped: false }
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
            reason: ExitReason::ExternalSignal { signal: Signal::USR2, core_dumped: false },
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
            (signal(Signal::SEGV), Some(StopSignal), vec![TERM], external(Signal::SEGV)),
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
