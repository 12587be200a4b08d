//! What a handle asks of a running app as a whole: other workers in the place of those there are.

use std::sync::Arc;

use super::error::OperateError;
use super::handle::{Master, Request};
use super::reload::{Change, Reload};
use super::ticket::Ticket;
use crate::config::AppSpec;
use crate::machine::fleet::Target;

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
    pub fn reload(&self, reload: Reload) -> Ticket<(), OperateError> {
        self.reload_for(reload, "reload()")
    }

    pub(crate) fn reload_for(&self, reload: Reload, by: impl Into<Arc<str>>) -> Ticket<(), OperateError> {
        self.change(Change::Reload(reload), by)
    }

    /// Goes on with a reload that is held: with canaries, or paused by a failure. Resolved as the reload would have been.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload); [`Denied`](OperateError::Denied) if there is none.
    pub fn promote(&self) -> Ticket<(), OperateError> {
        self.promote_for("promote()")
    }

    pub(crate) fn promote_for(&self, by: impl Into<Arc<str>>) -> Ticket<(), OperateError> {
        self.change(Change::Promote, by)
    }

    /// Takes a reload back that is held or under way. Resolved means that every worker is of the old generation again.
    ///
    /// # Errors
    ///
    /// [`OperateError::Denied`] if there is none.
    pub fn abort(&self) -> Ticket<(), OperateError> {
        self.abort_for("abort()")
    }

    pub(crate) fn abort_for(&self, by: impl Into<Arc<str>>) -> Ticket<(), OperateError> {
        self.change(Change::Abort, by)
    }

    /// Replaces workers by others of the same description, as a reload does: a restart without a gap.
    ///
    /// # Errors
    ///
    /// [`OperateError::Worker`]: a new worker failed; those that were not replaced yet stay.
    pub fn renew(&self, target: Target) -> Ticket<(), OperateError> {
        self.renew_for(target, "renew()")
    }

    pub(crate) fn renew_for(&self, target: Target, by: impl Into<Arc<str>>) -> Ticket<(), OperateError> {
        self.change(Change::Renew(target), by)
    }

    /// Takes over what of a description needs no new worker: policies of start, stop, restart, update and heartbeat, with
    /// effect from each worker's next step on. What does need one is not looked at.
    ///
    /// # Errors
    ///
    /// [`OperateError::Denied`] while a reload is under way or held; [`Config`](OperateError::Config) if the description can't
    /// be meant.
    pub fn adjust(&self, spec: AppSpec) -> Ticket<(), OperateError> {
        self.adjust_for(spec, "adjust()")
    }

    pub(crate) fn adjust_for(&self, spec: AppSpec, by: impl Into<Arc<str>>) -> Ticket<(), OperateError> {
        self.change(Change::Adjust(Box::new(spec)), by)
    }

    fn change(&self, change: Change, by: impl Into<Arc<str>>) -> Ticket<(), OperateError> {
        let by = by.into();
        self.request(|reply| Request::Change { change, by, reply })
    }
}
