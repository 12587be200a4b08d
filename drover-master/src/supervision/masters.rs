//! What a supervisor has its masters do, and what it makes of their news.

use std::sync::Arc;

use super::driver::Running;
use super::hangup;
use super::news::AppNews;
use crate::handle::{EndError, StartError, Unavailable};
use crate::ids::TicketId;
use crate::machine::composite::{AppIndex, AppOperation, CompositeInput};
use crate::machine::fleet::{Outcome, Target};
use crate::machine::gate;
use crate::machine::restart::LeaveReason;

impl Running {
    /// Watches the files of apps, and the CPUs, as the apps say by now. Nothing is watched before they are started.
    pub(super) fn watch_surroundings(&mut self) {
        if self.has_begun {
            self.watches.follow(&self.apps, &self.handle);
            self.cpu_following.follow(&self.apps, &self.handle);
        }
    }

    /// Those that do not run, and oneshots, refuse.
    pub(super) fn reload_all(&mut self) {
        let witness = self.workshop.witness.clone();
        if let Some(witness) = &witness {
            witness.begun();
        }
        let handle = self.handle.clone();
        let look_again = self.cpu_following.look_again();
        self.tasks.spawn(async move {
            hangup::reload_all(handle, witness).await;
            look_again.notify_one();
            AppNews::Asked
        });
    }

    pub(super) fn start(&mut self, app: AppIndex) {
        // What failed before does not count any more.
        self.failures.retain(|(failed, _)| *failed != app);
        self.start_errors.remove(&app);
        let Some(master) = self.master(app) else { return };
        let ticket = master.start();
        self.tasks.spawn(async move { AppNews::Started(app, ticket.await) });
    }

    /// Waits for the end of an app whose life has begun.
    pub(super) fn watch(&mut self, app: AppIndex) {
        let Some(master) = self.master(app) else { return };
        self.tasks.spawn(async move {
            match master.wait().await {
                Ok(outcome) => AppNews::Ended(app, outcome),
                Err(_) => AppNews::Lost(app),
            }
        });
    }

    pub(super) fn end(&mut self, app: AppIndex, how: gate::Request, by: Arc<str>) {
        let Some(master) = self.master(app) else { return };
        let mut ticket = master.end(how, Arc::clone(&by));
        self.tasks.spawn(async move {
            loop {
                match ticket.await {
                    Err(EndError::Unkillable { pid }) => return AppNews::Unkillable(app, pid),
                    // The whole waits for this end, so it has to be heard; the master takes each request at once.
                    Err(EndError::Unavailable(Unavailable::Busy)) => {
                        tokio::task::yield_now().await;
                        ticket = master.end(how, Arc::clone(&by));
                    }
                    Ok(()) | Err(EndError::Unavailable(Unavailable::Gone)) => return AppNews::Asked,
                }
            }
        });
    }

    pub(super) fn operate(&mut self, ticket: TicketId, app: AppIndex, operation: AppOperation, by: Arc<str>) {
        let request = match operation {
            AppOperation::Start => gate::SlotRequest::Start,
            AppOperation::Restart => gate::SlotRequest::Restart,
            AppOperation::Stop(_) | AppOperation::Remove => gate::SlotRequest::Stop,
        };
        let Some(master) = self.master(app) else { return };
        let mut asked = master.operate(request, Target::All, by);
        self.tasks.spawn(async move {
            match asked.admitted().await {
                Ok(()) => AppNews::LetIn(app, ticket, asked),
                Err(error) => AppNews::Operated(app, ticket, Err(error)),
            }
        });
    }

    pub(super) fn input_of_news(&mut self, news: AppNews) -> Option<CompositeInput> {
        match news {
            AppNews::WayMade => {
                self.has_begun = true;
                self.is_changed = true;
                self.watch_surroundings();
                Some(CompositeInput::StartRequested)
            }
            AppNews::Started(app, Ok(())) => {
                self.watch(app);
                Some(CompositeInput::AppStarted(app))
            }
            AppNews::Started(app, Err(error)) => self.start_failed(app, error),
            AppNews::Ended(app, outcome) => {
                if let Outcome::StartFailed(failure) = &outcome {
                    let name = self.name(app);
                    let failure = StartError::Worker { app: name, failure: failure.clone() };
                    self.failures.push((app, failure));
                }
                Some(CompositeInput::AppEnded(app, outcome))
            }
            AppNews::Lost(app) => {
                self.lost(app);
                // Nobody asked for it; why is in `failures`.
                let outcome = Outcome::Failed { reason: LeaveReason::Policy, stop_all: false };
                Some(CompositeInput::AppEnded(app, outcome))
            }
            AppNews::LetIn(app, ticket, asked) => {
                self.admit(ticket);
                self.tasks.spawn(async move { AppNews::Operated(app, ticket, asked.await) });
                None
            }
            AppNews::Operated(app, ticket, Ok(())) => {
                Some(CompositeInput::AppOperated { ticket, app, is_done: true })
            }
            AppNews::Operated(app, ticket, Err(error)) => {
                if self.operations.contains_key(&ticket) {
                    self.operate_errors.insert(ticket, error);
                }
                Some(CompositeInput::AppOperated { ticket, app, is_done: false })
            }
            AppNews::Unkillable(app, pid) => Some(CompositeInput::AppUnkillable { app, pid }),
            AppNews::Asked => None,
            AppNews::Changed => {
                (self.changed_by, self.change_under_way) = (None, None);
                self.is_changed = true;
                None
            }
        }
    }

    fn start_failed(&mut self, app: AppIndex, error: StartError) -> Option<CompositeInput> {
        self.start_errors.insert(app, error.clone());
        match error {
            StartError::Unavailable(Unavailable::Gone) => {
                self.lost(app);
                Some(CompositeInput::AppNotStarted(app))
            }
            StartError::Listen { .. } | StartError::Link { .. } | StartError::Unavailable(_) => {
                self.failures.push((app, error));
                Some(CompositeInput::AppNotStarted(app))
            }
            // A life that began has an end, and its outcome tells what this means. Whoever waits hears of a process that
            // does not end.
            StartError::Unkillable { pid, .. } => {
                self.watch(app);
                Some(CompositeInput::AppUnkillable { app, pid })
            }
            StartError::Worker { .. } | StartError::Interrupted { .. } | StartError::Denied { .. } => {
                self.watch(app);
                None
            }
        }
    }

    /// An app's task is gone, with its runtime.
    fn lost(&mut self, app: AppIndex) {
        tracing::error!(target: "drover::supervisor", app = &*self.name(app), "an app's task is gone");
        self.failures.push((app, Unavailable::Gone.into()));
    }
}
