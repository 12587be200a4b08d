//! Brings one app after the other to its description, by what the supervisor can be asked by anybody.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::error::StepError;
use super::order::{AppChange, Order};
use super::request::{Take, TakeHow};
use super::seam;
use super::step::{Step, StepOutcome};
use crate::config::{AppSpec, ChangeClass};
use crate::handle::Ticket;
use crate::machine::composite::{Fate, Standing};
use crate::machine::gate;
use crate::supervision::handle::{SupervisorHandle, SupervisorRequest};
use crate::supervision::operation::AppError;

pub(super) struct Runner {
    pub(super) handle: SupervisorHandle,
    pub(super) by: Arc<str>,
    /// Has room for every step.
    pub(super) told: mpsc::Sender<Step>,
}

/// What is left of an apply that did not get through.
#[derive(Default)]
struct Rest {
    /// New apps that did not start, and why.
    failed: Vec<(AppChange, AppError)>,
    /// What was not tried.
    skipped: Vec<AppChange>,
    /// Whether a step has failed.
    is_stopped: bool,
}

impl Runner {
    pub(super) async fn run(self, order: Order) {
        let mut rest = Rest::default();
        for wave in order.waves {
            self.wave(wave, &mut rest).await;
        }
        if rest.is_stopped {
            for app in order.removals {
                self.tell(&app, ChangeClass::Remove, StepOutcome::Skipped);
            }
            self.clean_up(rest).await;
        } else {
            self.remove(order.removals).await;
            self.replan().await;
        }
    }

    /// New apps together, then the others one by one.
    async fn wave(&self, wave: Vec<AppChange>, rest: &mut Rest) {
        if rest.is_stopped {
            return rest.skipped.extend(wave);
        }
        let (new, known): (Vec<AppChange>, Vec<AppChange>) =
            wave.into_iter().partition(|task| task.class == ChangeClass::Add);
        let starts: Vec<(AppChange, Ticket<AppError>)> = new
            .into_iter()
            .map(|task| {
                let start = self.handle.start_app(&task.spec.name, Arc::clone(&self.by));
                (task, start)
            })
            .collect();
        for (task, start) in starts {
            match start.await {
                Ok(()) => self.tell(&task.spec.name, ChangeClass::Add, StepOutcome::Done),
                Err(error) => {
                    rest.is_stopped = true;
                    rest.failed.push((task, error));
                }
            }
        }
        for task in known {
            if rest.is_stopped {
                rest.skipped.push(task);
                continue;
            }
            let outcome = self.change(&task).await;
            rest.is_stopped = !matches!(outcome, StepOutcome::Done);
            self.tell(&task.spec.name, task.class, outcome);
        }
    }

    async fn change(&self, task: &AppChange) -> StepOutcome {
        let Some((entry, standing)) = self.handle.roster.find(&task.spec.name) else {
            return StepOutcome::Failed(AppError::Gone.into());
        };
        let runs = matches!(standing, Standing::Starting | Standing::Started);
        if (runs || task.class == ChangeClass::Live)
            && let Some(changed) = seam::change(&entry.master, task.class, &task.spec, &self.by).await
        {
            if !matches!(changed, StepOutcome::Done) {
                return changed;
            }
            let recorded = self.take(&task.spec, TakeHow::Record).await;
            return recorded.map_or_else(StepOutcome::Failed, |()| StepOutcome::Done);
        }
        self.restart(task, &entry.spec, &standing).await
    }

    /// Ends an app, has another master for it, and starts it; as it was before, if that does not work. Of one that does not
    /// run the processes are left alone, but what has ended on its own is tried as it is now.
    async fn restart(&self, task: &AppChange, old: &Arc<AppSpec>, standing: &Standing) -> StepOutcome {
        let (new, name) = (&task.spec, task.spec.name.as_str());
        let runs = matches!(standing, Standing::Starting | Standing::Started);
        if runs || *standing == Standing::Stopping {
            let stop = self.handle.stop_app(name, gate::Request::Shutdown, Arc::clone(&self.by));
            if let Err(error) = stop.await {
                return StepOutcome::Failed(error.into());
            }
        }
        let taken = self.take(new, TakeHow::Replace).await;
        if let (Err(error), false) = (&taken, runs) {
            return StepOutcome::RolledBack(error.clone());
        }
        let has_ended = match standing {
            Standing::Ended(Fate::Failed | Fate::NotStarted) => true,
            Standing::Ended(Fate::Completed) => task.class > ChangeClass::Live,
            _ => false,
        };
        if taken.is_ok() && !runs && !has_ended {
            return StepOutcome::Done;
        }
        let started = match taken {
            Ok(()) => self.start(name).await.map_err(StepError::from),
            Err(error) => Err(error),
        };
        let Err(first) = started else { return StepOutcome::Done };
        if let Err(error) = self.take(old, TakeHow::Replace).await {
            return StepOutcome::Failed(error);
        }
        // Somebody who has stopped it meanwhile wants it to be down.
        if !runs || matches!(first, StepError::App(AppError::Interrupted { .. })) {
            return StepOutcome::RolledBack(first);
        }
        match self.start(name).await {
            Ok(()) => StepOutcome::RolledBack(first),
            Err(again) => StepOutcome::Failed(StepError::Down { first: Box::new(first), again }),
        }
    }

    fn start(&self, app: &str) -> Ticket<AppError> {
        self.handle.start_app(app, Arc::clone(&self.by))
    }

    /// The apps that go; each waits for those that depend on it.
    async fn remove(&self, apps: Vec<String>) {
        let removals: Vec<(String, Ticket<AppError>)> = apps
            .into_iter()
            .map(|app| {
                let removal = self.handle.remove_app(&app, Arc::clone(&self.by));
                (app, removal)
            })
            .collect();
        for (app, removal) in removals {
            let outcome = match removal.await {
                Ok(()) => StepOutcome::Done,
                Err(error) => StepOutcome::Failed(error.into()),
            };
            self.tell(&app, ChangeClass::Remove, outcome);
        }
    }

    /// Forgets what is new and does not run, so that everything is as it was but for what was done. One that a changed app
    /// needs by now stays.
    async fn clean_up(&self, rest: Rest) {
        self.replan().await;
        for task in rest.skipped.iter().rev() {
            if task.class == ChangeClass::Add {
                // At the end of everything it goes with the others.
                let _ = self.handle.remove_app(&task.spec.name, Arc::clone(&self.by)).await;
            }
            self.tell(&task.spec.name, task.class, StepOutcome::Skipped);
        }
        for (task, error) in rest.failed.into_iter().rev() {
            let error = StepError::from(error);
            let outcome = match self.handle.remove_app(&task.spec.name, Arc::clone(&self.by)).await {
                Ok(()) => StepOutcome::RolledBack(error),
                Err(_) => StepOutcome::Failed(error),
            };
            self.tell(&task.spec.name, ChangeClass::Add, outcome);
        }
    }

    async fn take(&self, spec: &Arc<AppSpec>, how: TakeHow) -> Result<(), StepError> {
        let (taken, answer) = oneshot::channel();
        let take = Take { app: spec.name.clone(), spec: Arc::clone(spec), how, taken };
        let gone = || StepError::App(AppError::Gone);
        self.handle.requests.send(SupervisorRequest::Take(take)).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    async fn replan(&self) {
        let (done, answer) = oneshot::channel();
        if self.handle.requests.send(SupervisorRequest::Replan { done }).await.is_ok() {
            // Without an answer the supervisor is gone.
            let _ = answer.await;
        }
    }

    /// Who asked may be gone: it goes on all the same.
    fn tell(&self, app: &str, class: ChangeClass, outcome: StepOutcome) {
        let _ = self.told.try_send(Step { app: Some(app.to_owned()), class, outcome });
    }
}
