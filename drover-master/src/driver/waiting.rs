//! Whoever waits for an operation.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::handle::error::{EndError, OperateError, StartError};
use crate::machine::fleet::Verdict;

/// Whoever waits for an operation.
#[derive(Debug)]
pub(super) enum Waiter {
    Start(oneshot::Sender<Result<(), StartError>>),
    End(oneshot::Sender<Result<(), EndError>>),
    Operation(oneshot::Sender<Result<(), OperateError>>),
}

impl Waiter {
    /// A dropped ticket is not a reason to do anything else.
    pub(super) fn answer(self, app: Arc<str>, verdict: Verdict) {
        match self {
            Self::Start(answer) => drop(answer.send(StartError::of(app, verdict))),
            Self::End(answer) => drop(answer.send(EndError::of(verdict))),
            Self::Operation(answer) => drop(answer.send(OperateError::of(app, verdict))),
        }
    }
}
