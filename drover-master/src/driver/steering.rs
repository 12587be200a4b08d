//! The driver's dealings with slots that have queues of their own: connections are led to where workers are ready.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::Driver;
use super::contact::{AbortOnDrop, ProcessNews};
use crate::ids::{SlotIndex, WorkerId};
use crate::listener::{Renewed, until_empty};
use crate::machine::fleet::{EventKind, FleetEvent, FleetInput};
use crate::machine::gate::Doing;
use crate::machine::phase::Phase;
use crate::machine::worker::WorkerInput;
use crate::upkeep::{Teller, UpkeepNews};

impl Driver {
    /// Leads connections by what happened to a worker. While the app ends nothing is led away: there is nowhere to.
    pub(super) fn follow(&mut self, event: &FleetEvent) {
        let Some((worker, _)) = event.worker else { return };
        match event.kind {
            _ if self.is_ending() => {}
            EventKind::Entered { .. } if event.phase == Phase::Started => {
                self.listeners.ready(worker.slot, worker.id);
            }
            EventKind::ReadyAgain => self.listeners.ready(worker.slot, worker.id),
            EventKind::Unready { .. } | EventKind::Entered { from: Phase::Started } => {
                self.listeners.gone(worker.slot, worker.id)
            }
            _ => {}
        }
    }

    /// A worker is dead, though how is not known yet: nothing new for it from this moment on.
    pub(super) fn lead_away_from_dead(&mut self, id: WorkerId) {
        if let Some(contact) = self.contacts.get(&id)
            && !self.is_ending()
        {
            self.listeners.gone(contact.identity.slot, id);
        }
    }

    /// Waits, for the worker that is to be stopped, until nothing waits in its queues; it serves meanwhile.
    pub(super) fn empty_queue(&mut self, now: Instant, id: WorkerId) {
        let is_ending = self.is_ending();
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        let queues = self.listeners.left_queues(contact.identity.slot);
        if is_ending || queues.is_empty() {
            // Wherever connections wait now, they wait for another worker.
            return self.feed(now, FleetInput::Worker { id, input: WorkerInput::QueueEmptied });
        }
        let sender = self.process_sender.clone();
        contact.emptying = Some(AbortOnDrop(tokio::spawn(async move {
            until_empty(queues).await;
            // Without a driver nobody wants to know.
            let _ = sender.send(ProcessNews::QueueEmptied { id }).await;
        })));
    }

    /// Closes the queues of slots that the app has lost. Asked with every change, as one may have to wait for another.
    pub(super) fn close_queues(&mut self, changed: &[SlotIndex]) {
        if !changed.is_empty() && !self.is_ending() {
            self.listeners.retain(|slot| self.fleet.worker_status(slot).is_some());
        }
    }

    /// Who looks after paths tells this driver by the queue of its processes; again later, if that is full.
    pub(super) fn teller(queue: mpsc::Sender<ProcessNews>) -> Teller {
        Teller(Arc::new(move |news| queue.try_send(ProcessNews::Upkeep(news)).is_ok()))
    }

    pub(super) fn upkeep_news(&mut self, now: Instant, news: UpkeepNews) {
        match news {
            UpkeepNews::ListenerReplaced => self.renew_listeners(now),
            UpkeepNews::Renewed(renewal) => {
                let renewal = Box::new(renewal);
                self.feed(now, FleetInput::SocketRenewed { renewal, outdates_workers: false });
            }
        }
    }

    /// Opens again what was shut down by a worker, and takes what is in the place of what was swept away. Not while the app ends, which may have shut it down
    /// itself.
    pub(super) fn renew_listeners(&mut self, now: Instant) {
        if self.is_ending() {
            return;
        }
        for Renewed { renewal, is_another } in self.listeners.renew(now) {
            let input =
                FleetInput::SocketRenewed { renewal: Box::new(renewal), outdates_workers: is_another };
            self.feed(now, input);
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        matches!(self.fleet.doing(), Doing::Stopping | Doing::Killing)
    }
}
