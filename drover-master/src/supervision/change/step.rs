//! How an apply goes, step by step.

use tokio::sync::mpsc;

use super::error::StepError;
use crate::config::ChangeClass;

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
    pub(super) steps: mpsc::Receiver<Step>,
    pub(super) left: usize,
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
