//! Why the master ended a worker by signal.

use std::fmt;

/// Why the master ended a worker by signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
