//! What a handle asks of a running app as a whole: other workers in the place of those there are.

use std::sync::Arc;

use super::error::OperateError;
use super::ticket::Ticket;
use super::{DriverRequest, Master};
use crate::config::{AppSpec, UpdatePolicy};
use crate::machine::fleet::Target;

/// A reload: what the new workers are, and how they take over.
///
/// # Example
///
/// ```no_run
/// # async fn example(master: drover_master::Master) -> Result<(), drover_master::OperateError> {
/// use drover_master::Reload;
///
/// // The same description: a new program behind the same path, a new configuration of its own.
/// master.reload(Reload::new()).await?;
///
/// // Another description.
/// let mut spec = (*master.spec()).clone();
/// spec.command = spec.command.env("GREETING", "hello");
/// master.reload(Reload::to(spec)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Reload {
    pub(crate) spec: Option<Box<AppSpec>>,
    pub(crate) policy: Option<UpdatePolicy>,
    pub(crate) canary: Option<u32>,
}

impl Reload {
    /// By the description that the app has, when its turn has come.
    pub fn new() -> Self {
        Self::default()
    }

    /// By another description, which is the app's once every worker is replaced. Its name has to be the same. Its number of
    /// workers is not looked at: see [`Master::scale`](super::Master::scale).
    pub fn to(spec: AppSpec) -> Self {
        Self { spec: Some(Box::new(spec)), ..Self::default() }
    }

    /// Goes about it by this policy, not by the one of the description.
    #[must_use]
    pub fn policy(mut self, policy: UpdatePolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Replaces this many workers, 1 at least, then waits for [`Master::promote`](super::Master::promote) or [`Master::abort`](super::Master::abort).
    #[must_use]
    pub fn canary(mut self, workers: u32) -> Self {
        self.canary = Some(workers.max(1));
        self
    }
}

/// A change of the app as a whole.
#[derive(Debug)]
pub(crate) enum ChangeRequest {
    Reload(Reload),
    Renew(Target),
    Promote,
    Abort,
    Adjust(Box<AppSpec>),
}

impl Master {
    /// Replaces every worker by a new one, as [`AppSpec::update`] says: by default each new worker is ready before its
    /// predecessor drains. Resolved means that every worker is new and every old one gone. While another reload is under way
    /// it waits for its turn; a newer one takes the place of one that waits.
    ///
    /// # Errors
    ///
    /// [`OperateError::RolledBack`] if a new worker failed, or the time was over: then the old workers serve as before.
    /// [`Paused`](OperateError::Paused) if the policy says so. [`Denied`](OperateError::Denied) if the app does not run, and
    /// no other description is given. [`Listen`](OperateError::Listen), [`Link`](OperateError::Link),
    /// [`Config`](OperateError::Config) if the description can't be used: nothing has changed then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the ticket cancels nothing.
    pub fn reload(&self, reload: Reload) -> Ticket<OperateError> {
        self.reload_for(reload, "reload()")
    }

    pub(crate) fn reload_for(&self, reload: Reload, by: impl Into<Arc<str>>) -> Ticket<OperateError> {
        self.change(ChangeRequest::Reload(reload), by)
    }

    /// Goes on with a reload that is held: with canaries, or paused by a failure. Resolved as the reload would have been.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload); [`Denied`](OperateError::Denied) if there is none.
    pub fn promote(&self) -> Ticket<OperateError> {
        self.promote_for("promote()")
    }

    pub(crate) fn promote_for(&self, by: impl Into<Arc<str>>) -> Ticket<OperateError> {
        self.change(ChangeRequest::Promote, by)
    }

    /// Takes a reload back that is held or under way. Resolved means that every worker is of the old generation again.
    ///
    /// # Errors
    ///
    /// [`OperateError::Denied`] if there is none.
    pub fn abort(&self) -> Ticket<OperateError> {
        self.abort_for("abort()")
    }

    pub(crate) fn abort_for(&self, by: impl Into<Arc<str>>) -> Ticket<OperateError> {
        self.change(ChangeRequest::Abort, by)
    }

    /// Replaces workers by others of the same description, as a reload does: a restart without a gap.
    ///
    /// # Errors
    ///
    /// [`OperateError::Worker`]: a new worker failed; those that were not replaced yet stay.
    pub fn renew(&self, target: Target) -> Ticket<OperateError> {
        self.renew_for(target, "renew()")
    }

    pub(crate) fn renew_for(&self, target: Target, by: impl Into<Arc<str>>) -> Ticket<OperateError> {
        self.change(ChangeRequest::Renew(target), by)
    }

    /// Takes over what of a description needs no new worker: policies of start, stop, restart, update and heartbeat, with
    /// effect from each worker's next step on. What does need one is not looked at.
    ///
    /// # Errors
    ///
    /// [`OperateError::Denied`] while a reload is under way or held; [`Config`](OperateError::Config) if the description is
    /// invalid.
    pub fn adjust(&self, spec: AppSpec) -> Ticket<OperateError> {
        self.adjust_for(spec, "adjust()")
    }

    pub(crate) fn adjust_for(&self, spec: AppSpec, by: impl Into<Arc<str>>) -> Ticket<OperateError> {
        self.change(ChangeRequest::Adjust(Box::new(spec)), by)
    }

    fn change(&self, change: ChangeRequest, by: impl Into<Arc<str>>) -> Ticket<OperateError> {
        let by = by.into();
        self.request(|reply| DriverRequest::Change { change, by, reply })
    }
}
