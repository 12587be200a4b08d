//! Several apps under one roof: started in order, kept by a strategy, ended in reverse, asked at one control socket.

mod builder;
mod standby;
#[cfg(test)]
mod tests;

pub use builder::{Supervisor, SupervisorBuilder, SupervisorError};
pub use standby::go_on_after;

pub use crate::supervision::{
    AppError, AppRef, ApplyError, End, Fate, NotStarted, PlanError, Planned, Reading, ReloadWitness, Reread,
    RereadRequest, Standing, Step, StepError, StepOutcome, Steps, SupervisorEnd, SupervisorHandle,
    difference,
};
