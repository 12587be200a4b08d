//! What an apply asks of the supervisor's task.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::error::{ApplyError, StepError};
use super::step::Steps;
use crate::config::AppSpec;

/// Where the answer to an apply goes.
pub(crate) type ApplyReply = oneshot::Sender<Result<Steps, ApplyError>>;

/// An app is to be known by another description.
#[derive(Debug)]
pub(crate) struct Take {
    pub(super) app: String,
    pub(super) spec: Arc<AppSpec>,
    pub(super) how: TakeHow,
    pub(super) taken: oneshot::Sender<Result<(), StepError>>,
}

/// How an app takes another description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TakeHow {
    /// Its master has it already.
    Record,
    /// By another master, in place of the one that is held.
    Replace,
}
