//! The stable lower-case names of wire enums, as they stand in JSON.

use crate::latest::{ChangeClass, ExitKind, KillCause, Phase, WorkerRole};

impl Phase {
    /// The phase as JSON shows it, such as `backing_off`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unknown",
            Self::Initialized => "initialized",
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown => "shutting_down",
            Self::ShutDown => "shut_down",
            Self::Failed => "failed",
            Self::BackingOff => "backing_off",
        }
    }
}

impl ExitKind {
    /// The kind as JSON shows it, such as `external_signal`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unknown",
            Self::NormalExit => "normal_exit",
            Self::AbnormalExit => "abnormal_exit",
            Self::ExternalSignal => "external_signal",
            Self::KilledByMaster => "killed_by_master",
            Self::SpawnFailed => "spawn_failed",
            Self::StatusTaken => "status_taken",
        }
    }
}

impl ChangeClass {
    /// What a change takes, as plans show it, such as `reload`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unknown",
            Self::Live => "live",
            Self::Reload => "reload",
            Self::Restart => "restart",
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Master => "master",
        }
    }
}

impl KillCause {
    /// The cause as JSON shows it, such as `start_deadline`; none for the zero value.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Unspecified => return None,
            Self::StopSignal => "stop_signal",
            Self::StartDeadline => "start_deadline",
            Self::StopDeadline => "stop_deadline",
            Self::QuitDeadline => "quit_deadline",
            Self::Hurried => "hurried",
            Self::HardShutdown => "hard_shutdown",
            Self::Disconnected => "disconnected",
            Self::ProtocolError => "protocol_error",
            Self::Unresponsive => "unresponsive",
            Self::Watchdog => "watchdog",
            Self::Unhealthy => "unhealthy",
            Self::Refused => "refused",
        })
    }
}

impl WorkerRole {
    /// The role as JSON shows it, such as `incoming`. A master that tells none knows of no other.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified | Self::Occupant => "occupant",
            Self::Incoming => "incoming",
            Self::Leaving => "leaving",
        }
    }

    /// Whether the slot is the worker's own.
    pub const fn is_occupant(self) -> bool {
        matches!(self, Self::Unspecified | Self::Occupant)
    }
}
