//! The driver's questions to workers from outside: whether one is ready at its start, and how it is later.

use std::sync::Arc;
use std::time::Instant;

use super::Driver;
use super::contact::{AbortOnDrop, ProcessNews};
use crate::config::{AppSpec, Probe};
use crate::ids::WorkerId;
use crate::machine::fleet::FleetInput;
use crate::machine::worker::{Question, WorkerInput};
use crate::probe::{Prober, Surroundings};
use crate::process::AwaitedText;

impl Driver {
    /// Asks the worker from outside until it answers.
    pub(super) fn start_probe(&mut self, id: WorkerId) {
        let awaited = self.contacts.get_mut(&id).and_then(|contact| contact.awaited.take());
        let Some(asker) = self.asker(id, awaited, |spec| spec.start.probe.as_ref()) else { return };
        let sender = self.process_sender.clone();
        let asking = tokio::spawn(async move {
            let mut asker = match asker {
                Ok(asker) => asker,
                Err(reason) => return drop(sender.send(ProcessNews::ProbeFailed { id, reason }).await),
            };
            // Without a driver nobody wants to know.
            while let Err(reason) = asker.until_news().await {
                if sender.send(ProcessNews::ProbeFailed { id, reason }).await.is_err() {
                    return;
                }
            }
            let _ = sender.send(ProcessNews::ProbePassed { id }).await;
        });
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.probe = Some(AbortOnDrop(asking));
        }
    }

    /// Looks whether the process stands still: one system call, for a child of the master.
    pub(super) fn look_whether_stopped(&mut self, now: Instant, id: WorkerId) {
        let tree = self.contacts.get(&id).and_then(|contact| contact.tree.as_ref());
        let stopped_by = tree.and_then(|tree| tree.stopped_by());
        self.feed(now, FleetInput::Worker { id, input: WorkerInput::Looked { stopped_by } });
    }

    /// Asks the worker about its health, once.
    pub(super) fn ask(&mut self, id: WorkerId, question: Question, number: u64) {
        let asker = self.asker(id, None, |spec| {
            let check = match question {
                Question::Liveness => &spec.health.liveness,
                Question::Readiness => &spec.health.readiness,
            };
            check.as_ref().map(|check| &check.probe)
        });
        let Some(asker) = asker else { return };
        let sender = self.process_sender.clone();
        let asking = tokio::spawn(async move {
            let fault = match asker {
                Ok(asker) => asker.once().await.err().map(Into::into),
                Err(reason) => Some(reason),
            };
            // Without a driver nobody wants to know.
            let _ = sender.send(ProcessNews::Asked { id, question, number, fault }).await;
        });
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.asking[question as usize] = Some(AbortOnDrop(asking));
        }
    }

    /// Nobody asks the worker any more; what runs for that is killed.
    pub(super) fn end_probe(&mut self, id: WorkerId) {
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.probe = None;
            contact.asking = [None, None];
        }
    }

    /// Whoever asks this worker what its description says; or why nobody can.
    fn asker(
        &self,
        id: WorkerId,
        awaited: Option<Arc<AwaitedText>>,
        probe: impl Fn(&AppSpec) -> Option<&Probe>,
    ) -> Option<Result<Prober, Arc<str>>> {
        let contact = self.contacts.get(&id)?;
        let edition = self.editions.get(&contact.identity.generation)?;
        let probe = probe(&edition.spec)?;
        let pid = contact.tree.as_ref().map_or(0, |tree| tree.pid());
        let slot = contact.identity.slot;
        let probe = match probe.of_worker(slot.0, pid) {
            Ok(probe) => probe,
            // The app has grown, and the port of this slot would be none.
            Err(error) => return Some(Err(error.to_string().into())),
        };
        let mut words = edition.words(contact.identity, None, self.mark.as_deref());
        // It inherits none of the sockets.
        words.retain(|(name, _)| !name.starts_with("LISTEN_"));
        words.push(("DROVER_PID", pid.to_string().into()));
        let surroundings = Surroundings {
            app: Arc::clone(&self.app),
            slot,
            command: edition.spec.command.of_slot(slot.0),
            words,
            turn: Arc::clone(&contact.probing),
        };
        Some(Ok(Prober::new(probe, surroundings, awaited)))
    }
}
