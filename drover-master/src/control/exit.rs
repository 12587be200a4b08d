//! How a worker ended, as a message.

use std::time::{Instant, SystemTime};

use drover_proto::latest as wire;

use crate::machine::exit::{Exit, ExitReason, ExitStatus, KillCause};
use crate::machine::phase::Phase;

/// How a worker ended, with all its last words.
pub(super) fn whole_exit(ended: &Exit) -> wire::Exit {
    exit(ended, ended.stderr_tail.clone())
}

/// How a worker ended, with these last words.
pub(super) fn exit(exit: &Exit, stderr_tail: Vec<String>) -> wire::Exit {
    let (kind, core_dumped, cause, step, errno) = match exit.reason {
        ExitReason::NormalExit => (wire::ExitKind::NormalExit, false, None, String::new(), 0),
        ExitReason::AbnormalExit { .. } => (wire::ExitKind::AbnormalExit, false, None, String::new(), 0),
        ExitReason::ExternalSignal { core_dumped, .. } => {
            (wire::ExitKind::ExternalSignal, core_dumped, None, String::new(), 0)
        }
        ExitReason::StatusTaken => (wire::ExitKind::StatusTaken, false, None, String::new(), 0),
        ExitReason::KilledByMaster { cause, status } => {
            let core_dumped = matches!(status, ExitStatus::Signal { core_dumped: true, .. });
            (wire::ExitKind::KilledByMaster, core_dumped, Some(cause), String::new(), 0)
        }
        ExitReason::SpawnFailed { step, errno } => {
            (wire::ExitKind::SpawnFailed, false, None, step.to_string(), errno)
        }
    };
    wire::Exit {
        kind: kind.into(),
        code: exit.reason.code(),
        signal: exit.reason.signal().map_or_else(String::new, |signal| signal.to_string()),
        core_dumped,
        kill_cause: cause.map_or(wire::KillCause::Unspecified, kill_cause).into(),
        during: phase(exit.during).into(),
        uptime_ms: milliseconds(exit.uptime),
        max_rss_kb: exit.usage.max_rss_kb,
        cpu_ms: milliseconds(exit.usage.cpu),
        stderr_tail,
        asked_by: exit.asked_by.as_deref().unwrap_or_default().to_owned(),
        step,
        errno,
        text: exit.to_string(),
        time_ms: milliseconds_of(exit.at),
    }
}

/// A time of the monotonic clock by that of the calendar, as both are now.
fn milliseconds_of(at: Instant) -> u64 {
    let ago = tokio::time::Instant::now().into_std().saturating_duration_since(at);
    let time = SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, milliseconds)
}

fn kill_cause(cause: KillCause) -> wire::KillCause {
    match cause {
        KillCause::StopSignal => wire::KillCause::StopSignal,
        KillCause::StartDeadline => wire::KillCause::StartDeadline,
        KillCause::StopDeadline => wire::KillCause::StopDeadline,
        KillCause::QuitDeadline => wire::KillCause::QuitDeadline,
        KillCause::Hurried => wire::KillCause::Hurried,
        KillCause::HardShutdown => wire::KillCause::HardShutdown,
        KillCause::Disconnected => wire::KillCause::Disconnected,
        KillCause::ProtocolError => wire::KillCause::ProtocolError,
        KillCause::Unresponsive => wire::KillCause::Unresponsive,
        KillCause::Watchdog => wire::KillCause::Watchdog,
        KillCause::Unhealthy => wire::KillCause::Unhealthy,
        KillCause::Refused => wire::KillCause::Refused,
    }
}

pub(super) fn phase(phase: Phase) -> wire::Phase {
    match phase {
        Phase::Initialized => wire::Phase::Initialized,
        Phase::Starting => wire::Phase::Starting,
        Phase::Started => wire::Phase::Started,
        Phase::Stopping => wire::Phase::Stopping,
        Phase::Stopped => wire::Phase::Stopped,
        Phase::ShuttingDown => wire::Phase::ShuttingDown,
        Phase::ShutDown => wire::Phase::ShutDown,
        Phase::Failed => wire::Phase::Failed,
        Phase::BackingOff => wire::Phase::BackingOff,
    }
}

pub(super) fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
