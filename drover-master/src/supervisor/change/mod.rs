//! Everything is to be as another description says: read, compared, and brought about step by step.
//!
//! ```text
//!  reread ──► description ──► compare ──► plan ──► apply ──► the driver takes what is new into the roster
//!                                                              │
//!                             dependencies first, ◄────────────┘
//!              for each app:  add, or live, reload, restart
//!                             at last, dependents first: remove
//! ```
//!
//! The first step that fails is the last that is tried. An app whose step failed is as it was before.

mod begin;
mod check;
mod error;
mod order;
mod run;
mod seam;

use std::fmt;
use std::hash::BuildHasher as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

pub use error::{ApplyError, PlanError, StepError};

use super::handle::{Request, SupervisorHandle};
use crate::config::{AppSpec, Change, ChangeClass, ConfigError, Description, changes};

/// How long it may take to read a description. A file on a dead disk does not hold a session.
const READ: Duration = Duration::from_secs(10);

/// Who reads what is to be run, again.
pub trait Reread: fmt::Debug + Send + Sync {
    /// Reads a file, or the one that it was read from first. It may wait for the disk: it has a thread of its own.
    ///
    /// # Errors
    ///
    /// Every mistake, as it is to be shown to the user; with colours if `coloured`.
    fn reread(&self, file: Option<&Path>, coloured: bool) -> Result<Reading, String>;

    /// The file that everything was read from first, by its absolute path, as control clients are told. Default: none. It is
    /// called by the runtime's own thread, so it must not wait.
    fn file(&self) -> Option<&Path> {
        None
    }
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The file.
    pub file: PathBuf,
    /// What it says.
    pub description: Description,
}

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

/// How the change of one app went, or of what holds for all.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Step {
    /// The app; none: what holds for all.
    pub app: Option<String>,
    /// What it took.
    pub class: ChangeClass,
    /// How it went.
    pub outcome: StepOutcome,
}

/// How a step went.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StepOutcome {
    /// It is as described.
    Done,
    /// It was tried; the app is as it was before, and runs if it ran.
    RolledBack(StepError),
    /// It was tried, and the app is neither as it was nor as it should be.
    Failed(StepError),
    /// It was not tried, because an earlier step failed.
    Skipped,
}

/// The steps of an apply, as they are done. Dropping it cancels nothing.
#[derive(Debug)]
#[must_use = "the apply goes on without it, but how it went is lost"]
pub struct Steps {
    steps: mpsc::Receiver<Step>,
    left: usize,
}

impl Steps {
    /// How many have not come yet.
    pub const fn left(&self) -> usize {
        self.left
    }

    /// The next step that was done, or was not; none after the last. If the supervisor ends before the apply, the rest is not
    /// told.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next(&mut self) -> Option<Step> {
        let step = self.steps.recv().await?;
        self.left -= 1;
        Some(step)
    }
}

/// Where the answer to an apply goes.
pub(super) type Begun = oneshot::Sender<Result<Steps, ApplyError>>;

/// An app is to be known by another description.
#[derive(Debug)]
pub(super) struct Take {
    app: String,
    spec: Arc<AppSpec>,
    how: TakeHow,
    taken: oneshot::Sender<Result<(), StepError>>,
}

/// How an app takes another description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TakeHow {
    /// Its master has it already.
    Record,
    /// By another master, in place of the one that rests.
    Replace,
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

    /// Reads a file, or the one that everything was started from, and compares.
    ///
    /// # Errors
    ///
    /// [`PlanError`].
    pub(crate) async fn reread(
        &self,
        file: Option<PathBuf>,
        coloured: bool,
    ) -> Result<(PathBuf, Planned), PlanError> {
        let reader = self.reader.clone().ok_or(PlanError::NoFile)?;
        let handle = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let Reading { file, description } =
                reader.reread(file.as_deref(), coloured).map_err(|text| PlanError::Refused { text })?;
            // The names of users may be asked of a network.
            Ok((file, handle.compare(description)?))
        });
        match tokio::time::timeout(READ, read).await {
            Ok(Ok(read)) => read,
            // The reader has panicked, which the runtime has told.
            Ok(Err(_)) => Err(PlanError::Refused { text: "the file could not be read".to_owned() }),
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
        let request = Request::Apply { wanted: Box::new(planned.wanted), by: by.into(), begun };
        self.requests.send(request).await.map_err(|_| ApplyError::Gone)?;
        answer.await.unwrap_or(Err(ApplyError::Gone))
    }
}
