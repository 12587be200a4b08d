//! The task above the masters of several apps, and the handle by which everybody asks it.
//!
//! How a supervisor is made, and that it serves a control socket, is in `supervisor`, above both.

mod change;
mod cpu_following;
mod difference;
mod driver;
mod handle;
mod hangup;
mod keeping;
mod masters;
mod memory;
mod news;
mod operation;
mod past;
mod roster;
mod upgrade;
mod verdict;
mod watching;
mod workshop;

pub use change::{
    ApplyError, PlanError, Planned, Reading, Reread, RereadRequest, Step, StepError, StepOutcome, Steps,
};
pub use difference::difference;
pub use driver::SupervisorEnd;
pub(crate) use driver::{SupervisorTask, run};
pub use handle::SupervisorHandle;
pub use hangup::ReloadWitness;
pub(crate) use memory::{SupervisorMemory, SupervisorRemembered, SupervisorState};
pub use operation::{AppError, AppRef, NotStarted};
pub(crate) use past::Past;
pub(crate) use roster::{Entry, Roster};
pub(crate) use upgrade::{UpgradeError, Upgraded};
pub(crate) use workshop::Workshop;

pub use crate::machine::composite::{End, Fate, Standing};

impl End {
    /// A sentence for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Completed => "every app completed",
            Self::ShutDown => "shut down gracefully",
            Self::Hurried => {
                "a second signal came before every app had ended, so work under way may have been cut off"
            }
            Self::Killed => "killed",
            Self::StartFailed => "an app failed to start, so everything was stopped",
            Self::Failed => "an app failed for good",
            Self::TimedOut => "not everything ended within the shutdown timeout, so what was left was killed",
        }
    }
}
