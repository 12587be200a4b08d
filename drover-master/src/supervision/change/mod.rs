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
mod plan;
pub(super) mod request;
pub(super) mod reread;
mod resume;
mod run;
mod seam;
mod step;

pub use error::{ApplyError, PlanError, StepError};
pub use plan::Planned;
pub use reread::{Reading, Reread, RereadRequest};
pub(super) use resume::ChangeMemory;
pub use step::{Step, StepOutcome, Steps};
