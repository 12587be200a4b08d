//! The master's own types as messages.

use std::time::{Instant, SystemTime};

use drover_proto::latest as wire;

use crate::machine::exit::{Exit, ExitReason, ExitStatus, KillCause, signal_name};
use crate::machine::fleet::{EventKind, WorkerStatus};
use crate::machine::phase::Phase;
use crate::master::{Event, Snapshot};

pub(super) fn app_status(snapshot: &Snapshot, now: Instant) -> wire::AppStatus {
    wire::AppStatus {
        name: snapshot.app.to_string(),
        phase: phase(snapshot.status.phase).into(),
        desired: snapshot.status.desired,
        ready: snapshot.status.ready,
        generation: snapshot.status.generation.0,
        operation: snapshot.status.operation.unwrap_or_default().to_owned(),
        workers: snapshot.workers.iter().map(|worker| worker_status(worker, now)).collect(),
        listeners: snapshot.listeners.iter().map(|(name, addr)| format!("{name}={addr}")).collect(),
    }
}

fn worker_status(worker: &WorkerStatus, now: Instant) -> wire::WorkerStatus {
    wire::WorkerStatus {
        id: worker.id.map_or(0, |id| id.0),
        slot: worker.slot.0,
        generation: worker.generation.0,
        pid: worker.pid.unwrap_or(0),
        phase: phase(worker.phase).into(),
        uptime_ms: worker.since.map_or(0, |since| milliseconds(now.saturating_duration_since(since))),
        restarts: worker.restarts,
        next_try_ms: worker.next_try.map(|at| milliseconds(at.saturating_duration_since(now))),
        last_exit: worker.last_exit.as_deref().map(exit),
        status_text: worker.status_text.clone(),
        in_flight: worker.in_flight,
    }
}

pub(super) fn event(event: &Event) -> wire::Event {
    wire::Event {
        seq: event.seq,
        time_ms: event.time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, milliseconds),
        app: event.app.to_string(),
        slot: event.worker.map(|worker| worker.slot.0),
        generation: event.worker.map_or(0, |worker| worker.generation.0),
        worker: event.worker.and_then(|worker| worker.id).map_or(0, |id| id.0),
        pid: event.worker.and_then(|worker| worker.pid).unwrap_or(0),
        name: event.name().to_owned(),
        phase: phase(event.phase).into(),
        exit: match &event.kind {
            EventKind::Exited { exit: ended } => Some(exit(ended)),
            _ => None,
        },
        detail: event.kind.detail(),
        next_try_ms: match &event.kind {
            EventKind::RestartScheduled { after, .. } => Some(milliseconds(*after)),
            _ => None,
        },
    }
}

fn exit(exit: &Exit) -> wire::Exit {
    let (kind, core_dumped, cause, step, errno) = match exit.reason {
        ExitReason::NormalExit => (wire::ExitKind::NormalExit, false, None, String::new(), 0),
        ExitReason::AbnormalExit { .. } => (wire::ExitKind::AbnormalExit, false, None, String::new(), 0),
        ExitReason::ExternalSignal { core_dumped, .. } => {
            (wire::ExitKind::ExternalSignal, core_dumped, None, String::new(), 0)
        }
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
        signal: exit.reason.signal().map(signal_name).unwrap_or_default(),
        core_dumped,
        kill_cause: cause.map_or(wire::KillCause::Unspecified, kill_cause).into(),
        during: phase(exit.during).into(),
        uptime_ms: milliseconds(exit.uptime),
        max_rss_kb: exit.usage.max_rss_kb,
        cpu_ms: milliseconds(exit.usage.cpu),
        stderr_tail: exit.stderr_tail.clone(),
        asked_by: exit.asked_by.as_deref().unwrap_or_default().to_owned(),
        step,
        errno,
        text: exit.to_string(),
    }
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
    }
}

fn phase(phase: Phase) -> wire::Phase {
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

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_has_the_same_name_on_the_wire() {
        for ours in Phase::ALL {
            assert_eq!(phase(ours).name(), ours.name());
        }
    }
}
