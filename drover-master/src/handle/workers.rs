//! What a handle asks of single workers of a running app, and of their number.

use crate::signal::Signal;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::error::{OperateError, Unavailable};
use super::ticket::Ticket;
use super::{DriverRequest, Master};
use crate::ids::SlotIndex;
use crate::machine::exit::Exit;
use crate::machine::fleet::{Count, Target};
use crate::machine::gate;

impl Master {
    /// Restarts workers: each drains and leaves, and another takes its place as soon as it has. The listeners stay open
    /// meanwhile. Resolved means that every new worker is ready. Joins a restart that is under way. [`renew`](Self::renew) has the
    /// new workers ready first.
    ///
    /// # Errors
    ///
    /// [`OperateError`]: a new worker failed before it was ready (the restart policy goes on trying), there is no such worker, or
    /// the app does not run.
    ///
    /// # Cancel safety
    ///
    /// Dropping the ticket cancels nothing, as with all that follow.
    pub fn restart(&self, target: Target) -> Ticket<OperateError> {
        self.operate(gate::SlotRequest::Restart, target, "restart()")
    }

    /// Ends workers gracefully and leaves their slots empty until they are started again; a pending try is called off. Resolved
    /// means that their processes have been reaped. The app runs on, even without any worker;
    /// [`shutdown`](Self::shutdown) ends it too.
    ///
    /// # Errors
    ///
    /// [`OperateError`]: there is no such worker, or its process can't be killed.
    pub fn stop_workers(&self, target: Target) -> Ticket<OperateError> {
        self.operate(gate::SlotRequest::Stop, target, "stop_workers()")
    }

    /// Starts workers in slots that were stopped, given up, or wait for their next try, with a fresh count of failures.
    /// Resolved means that they are ready; of those that run, at once.
    ///
    /// # Errors
    ///
    /// [`OperateError`]: one failed before it was ready (the restart policy goes on trying), or there is no such slot.
    pub fn start_workers(&self, target: Target) -> Ticket<OperateError> {
        self.operate(gate::SlotRequest::Start, target, "start_workers()")
    }

    /// Has workers take no work, and stay: each drains, and its process lives on. Connections wait in the queue of the listener
    /// while nobody takes them. Resolved means that what is meant takes no work any more. Workers without the protocol need
    /// [`AppSpec::suspend`](crate::config::AppSpec::suspend).
    ///
    /// # Errors
    ///
    /// [`OperateError::Denied`]: they can't be suspended, there is no such worker, or the app does not run.
    pub fn suspend(&self, target: Target) -> Ticket<OperateError> {
        self.operate(gate::SlotRequest::Suspend, target, "suspend()")
    }

    /// Has suspended workers take work again: by the same process, or by a new one in the slot if the worker can't. Resolved
    /// means that they are ready.
    ///
    /// # Errors
    ///
    /// [`OperateError`]: a new worker failed before it was ready, there is no such worker, or the app does not run.
    pub fn resume(&self, target: Target) -> Ticket<OperateError> {
        self.operate(gate::SlotRequest::Resume, target, "resume()")
    }

    /// Has more or fewer workers. Newcomers are started in parallel and count when they are ready; those that are too many
    /// drain and leave: first what has failed, then what is not ready, then the least busy, then the youngest. Resolved means
    /// that every newcomer is ready, or everyone that had to leave is gone. A newer call takes the place of one that is under
    /// way. Of an app that does not run it sets how many will be started.
    ///
    /// # Errors
    ///
    /// [`OperateError::Worker`] if a newcomer failed before it was ready: then nothing has changed, and all newcomers are
    /// gone or leaving. [`Denied`](OperateError::Denied) for no workers at all or more than 100,000, and while the app starts
    /// or ends.
    pub fn scale(&self, count: Count) -> Ticket<OperateError> {
        self.scale_for(count, "scale()")
    }

    pub(crate) fn scale_for(&self, count: Count, by: impl Into<Arc<str>>) -> Ticket<OperateError> {
        let by = by.into();
        self.request(|reply| DriverRequest::Scale { count, by, reply })
    }

    /// Sends a signal to the processes of the workers that are meant, and to nothing that they started. What follows is the
    /// worker's business: one that ends by it was ended from outside.
    ///
    /// # Errors
    ///
    /// [`OperateError::Denied`] if no process is meant.
    pub fn signal(&self, target: Target, signal: Signal) -> Ticket<OperateError> {
        self.send_signal(target, signal, "signal()")
    }

    /// Forgets what failed before: how often workers were restarted, the pause before the next try, and that a slot was given up,
    /// which is tried again. Resolved means that it is forgotten, not that anything is ready.
    ///
    /// # Errors
    ///
    /// [`OperateError::Denied`] if the app does not run, or is being reloaded.
    pub fn reset(&self, target: Target) -> Ticket<OperateError> {
        self.reset_for(target, "reset()")
    }

    pub(crate) fn reset_for(&self, target: Target, by: impl Into<Arc<str>>) -> Ticket<OperateError> {
        let by = by.into();
        self.request(|reply| DriverRequest::Reset { target, by, reply })
    }

    pub(crate) fn operate(
        &self,
        request: gate::SlotRequest,
        target: Target,
        by: impl Into<Arc<str>>,
    ) -> Ticket<OperateError> {
        let by = by.into();
        self.request(|reply| DriverRequest::Operate { request, target, by, reply })
    }

    /// As [`operate`](Self::operate), but waits for room instead of being refused: for whoever has thousands to ask.
    pub(crate) async fn operate_in_turn(
        &self,
        request: gate::SlotRequest,
        target: Target,
        by: impl Into<Arc<str>>,
    ) -> Ticket<OperateError> {
        let by = by.into();
        let (ticket, reply) = Ticket::waiting();
        match self.requests.send(DriverRequest::Operate { request, target, by, reply }).await {
            Ok(()) => ticket,
            Err(_) => Ticket::refused(Unavailable::Gone),
        }
    }

    pub(crate) fn send_signal(
        &self,
        target: Target,
        signal: Signal,
        by: impl Into<Arc<str>>,
    ) -> Ticket<OperateError> {
        let by = by.into();
        self.request(|reply| DriverRequest::Signal { target, signal, by, reply })
    }

    /// How the last workers of a slot ended, oldest first; at most 8. Empty if there is no such slot.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the master's task can't be asked.
    ///
    /// # Cancel safety
    ///
    /// A dropped future changes nothing.
    pub async fn history(&self, slot: SlotIndex) -> Result<Vec<Arc<Exit>>, Unavailable> {
        let (answer, history) = oneshot::channel();
        self.requests.try_send(DriverRequest::History { slot, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unavailable::Busy,
            mpsc::error::TrySendError::Closed(_) => Unavailable::Gone,
        })?;
        history.await.map_err(|_| Unavailable::Gone)
    }
}
