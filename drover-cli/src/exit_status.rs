//! What the command ends with. Scripts rely on these numbers.

use std::process::ExitCode;

use drover_master::control::ClientError;
use drover_proto::latest::ErrorCode;

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Done; a master ended gracefully, or everything completed.
    Done = 0,
    /// Failed or refused; a first start failed, or the breaker ended a master.
    Failed = 1,
    /// Invalid arguments, or an invalid configuration.
    Usage = 2,
    /// Something is not running or not ready.
    NotReady = 3,
    /// There is no such app or worker.
    NotFound = 4,
    /// The user may not.
    NotPermitted = 5,
    /// No master answers.
    Unreachable = 6,
    /// The master speaks no version in common.
    ProtocolMismatch = 7,
    /// It was tried and failed, and is as it was before.
    RolledBack = 8,
    /// It was not so, or not done, in the time that was given.
    TimedOut = 124,
    /// Interrupted while waiting; or a second signal hurried the end of a master.
    Interrupted = 130,
    /// A third signal, or `down --now`, killed.
    Killed = 137,
}

impl ExitStatus {
    /// What an exit code of a master means.
    pub(crate) fn of_code(code: u8) -> Self {
        let known = [Self::Done, Self::Usage, Self::NotFound, Self::Interrupted, Self::Killed];
        known.into_iter().find(|status| *status as u8 == code).unwrap_or(Self::Failed)
    }

    /// What a refusal of a master means.
    pub(crate) const fn of_refusal(code: ErrorCode) -> Self {
        match code {
            ErrorCode::NotFound => Self::NotFound,
            ErrorCode::PermissionDenied => Self::NotPermitted,
            // It is not in the state for it: mostly, it does not run.
            ErrorCode::BadState => Self::NotReady,
            ErrorCode::RolledBack => Self::RolledBack,
            _ => Self::Failed,
        }
    }

    /// What it means that a master could not be asked.
    pub(crate) const fn of_client(error: &ClientError) -> Self {
        match error {
            ClientError::Unreachable { .. }
            | ClientError::Silent { .. }
            | ClientError::Crashed { .. }
            | ClientError::Closed => Self::Unreachable,
            ClientError::NotPermitted { .. } => Self::NotPermitted,
            ClientError::Version { .. } => Self::ProtocolMismatch,
            ClientError::Refused { code: ErrorCode::NotFound, .. } => Self::NotFound,
            ClientError::Refused { code: ErrorCode::PermissionDenied, .. } => Self::NotPermitted,
            _ => Self::Failed,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8)
    }
}
