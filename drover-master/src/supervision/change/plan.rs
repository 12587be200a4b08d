//! What a handle is asked for: what runs, what another description would change, and that it be changed.

use std::hash::BuildHasher as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::error::{ApplyError, PlanError};
use super::reread::{Reading, RereadRequest};
use super::step::Steps;
use crate::config::{AppSpec, Change, ConfigError, Description, changes};
use crate::supervision::handle::{SupervisorHandle, SupervisorRequest};

/// How long it may take to read a description. A file on a dead disk does not hold a session.
const READ: Duration = Duration::from_secs(10);

/// What is to be changed, and what takes it: nothing has been done.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Planned {
    /// Every difference.
    pub changes: Vec<Change>,
    /// Tells this plan from others of the same supervisor: equal ones have the same. Values of the environment, which are
    /// not shown, tell too.
    pub id: u64,
    wanted: Description,
}

impl SupervisorHandle {
    /// Everything as it runs: the descriptions that apps were brought to, with the numbers of workers that they were scaled to.
    pub fn description(&self) -> Description {
        self.roster.description()
    }

    /// Compares what runs with a description.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if that is invalid.
    pub fn compare(&self, mut wanted: Description) -> Result<Planned, ConfigError> {
        wanted.check()?;
        // Here it may wait; where apps are made it may not.
        for app in &mut wanted.apps {
            app.look_up_account()?;
        }
        let changes = changes(&self.roster.description(), &wanted);
        let environments: Vec<_> = wanted.apps.iter().map(|app| (&app.name, &app.command.env)).collect();
        let id = self.hasher.hash_one((&changes, environments));
        Ok(Planned { changes, id, wanted })
    }

    /// Reads a file again, and compares. With the plan come the file and the profile that were read.
    ///
    /// # Errors
    ///
    /// [`PlanError`].
    pub(crate) async fn reread(
        &self,
        asked: RereadRequest,
    ) -> Result<(PathBuf, Option<String>, Planned), PlanError> {
        let reader = self.reader.clone().ok_or(PlanError::NoFile)?;
        let handle = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let Reading { file, profile, description } =
                reader.reread(&asked).map_err(|text| PlanError::Refused { text })?;
            // The names of users may be asked of a network.
            Ok((file, profile, handle.compare(description)?))
        });
        match tokio::time::timeout(READ, read).await {
            Ok(Ok(read)) => read,
            // The reader has panicked, which the runtime has told.
            Ok(Err(_)) => Err(PlanError::Refused { text: "the file could not be read".to_owned() }),
            Err(_) => Err(PlanError::Slow { limit: READ }),
        }
    }

    /// Compares what runs with what these apps were described as before the last apply.
    ///
    /// # Errors
    ///
    /// [`PlanError`].
    pub(crate) async fn earlier(&self, apps: Vec<String>) -> Result<Planned, PlanError> {
        let mut wanted = self.description();
        for app in apps {
            let last = self.roster.find(&app).and_then(|(entry, _)| entry.past.last().cloned());
            let last = last.ok_or_else(|| PlanError::NothingEarlier { app: app.clone() })?;
            if let Some(known) = wanted.apps.iter_mut().find(|known| known.name == app) {
                *known = AppSpec::clone(&last);
            }
        }
        let handle = self.clone();
        // The names of users may be asked of a network.
        let compared = tokio::task::spawn_blocking(move || handle.compare(wanted));
        match tokio::time::timeout(READ, compared).await {
            Ok(Ok(compared)) => Ok(compared?),
            // A panic, which the runtime has told.
            Ok(Err(_)) => {
                Err(PlanError::Refused { text: "the descriptions could not be compared".to_owned() })
            }
            Err(_) => Err(PlanError::Slow { limit: READ }),
        }
    }

    /// Brings everything to what was planned, with the least that each app needs; what has changed since is brought to it too.
    /// Resolved means that it has begun: the verdicts come by the [`Steps`]. What only a restart of the master changes is left
    /// as it is.
    ///
    /// An app that has to be stopped and started gets another [`Master`](crate::Master), without the hook of the first one.
    ///
    /// # Errors
    ///
    /// [`ApplyError`]: nothing has been touched.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels nothing.
    pub async fn apply(&self, planned: Planned, by: impl Into<Arc<str>>) -> Result<Steps, ApplyError> {
        let (begun, answer) = oneshot::channel();
        let request = SupervisorRequest::Apply { wanted: Box::new(planned.wanted), by: by.into(), begun };
        self.requests.send(request).await.map_err(|_| ApplyError::Gone)?;
        answer.await.unwrap_or(Err(ApplyError::Gone))
    }
}
