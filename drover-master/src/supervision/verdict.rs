//! What the composite's verdict on an operation means to whoever waits for it.

use super::driver::Running;
use super::operation::{AppError, NotStarted};
use crate::handle::{EndError, OperateError, StartError, Unavailable};
use crate::ids::TicketId;
use crate::machine::composite::{AppIndex, AppVerdict, Missing};
use crate::machine::gate::DenyReason;

impl Running {
    pub(super) fn answer(&mut self, ticket: TicketId, verdict: AppVerdict) {
        let Some((app, reply)) = self.operations.remove(&ticket) else { return };
        reply.answer(match verdict {
            AppVerdict::Done => Ok(()),
            AppVerdict::Ending => Err(AppError::Ending),
            AppVerdict::Unknown => {
                let (name, known) = (self.name(app).to_string(), self.handle.roster.names().join(", "));
                Err(AppError::UnknownApp { name, known })
            }
            AppVerdict::Needed { by } => Err(AppError::Needed { app: self.name(app), by: self.name(by) }),
            AppVerdict::Denied { app, reason } => Err(AppError::Denied { app: self.name(app), reason }),
            AppVerdict::StartFailed => {
                // The start has told why, before the end that this answers.
                let error = self.start_errors.get(&app).cloned();
                Err(error.unwrap_or(StartError::Unavailable(Unavailable::Gone)).into())
            }
            AppVerdict::NotDone => Err(self.not_done(ticket)),
            AppVerdict::NotStarted(missing) => Err(self.not_started(app, missing).into()),
            AppVerdict::Interrupted { by } => Err(AppError::Interrupted { app: self.name(app), by }),
            AppVerdict::Unkillable { pid } => Err(EndError::Unkillable { pid }.into()),
        });
    }

    /// Why a master did not do what was passed on to it.
    fn not_done(&mut self, ticket: TicketId) -> AppError {
        match self.operate_errors.remove(&ticket) {
            // The news of its end was on the way.
            Some(OperateError::Denied { app, reason: DenyReason::NotRunning }) => {
                AppError::Denied { app, reason: DenyReason::ShuttingDown }
            }
            Some(OperateError::Denied { app, reason }) => AppError::Denied { app, reason },
            Some(OperateError::Worker { app, failure }) => StartError::Worker { app, failure }.into(),
            Some(OperateError::Interrupted { app, by }) => AppError::Interrupted { app, by },
            Some(OperateError::Unkillable { pid, .. }) => EndError::Unkillable { pid }.into(),
            Some(OperateError::Unavailable(why)) => StartError::Unavailable(why).into(),
            // What the composite passes on is none of these.
            Some(
                error @ (OperateError::RolledBack { .. }
                | OperateError::Paused { .. }
                | OperateError::NotReloaded { .. }
                | OperateError::Listen { .. }
                | OperateError::Link { .. }
                | OperateError::Config(_)),
            ) => AppError::Interrupted { app: error.to_string().into(), by: "a reload".into() },
            None => AppError::Gone,
        }
    }

    pub(super) fn not_started(&self, app: AppIndex, missing: Missing) -> NotStarted {
        NotStarted { app: self.name(app), dependency: self.name(missing.dependency), fate: missing.fate }
    }
}
