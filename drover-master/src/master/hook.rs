//! The program's own say in what follows an exit.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::machine::exit::Exit;
use crate::machine::fleet::ExitDecision;
use crate::machine::worker::Identity;

/// The end of a worker that nobody asked for, put before the program.
#[derive(Debug)]
pub struct ExitContext<'a> {
    /// Which worker.
    pub worker: Identity,
    /// How it ended, with the evidence.
    pub exit: &'a Exit,
    /// What the restart policy would do; return it to leave the decision there.
    pub proposed: ExitDecision,
}

/// The program's closure.
pub(super) struct Hook(Box<dyn FnMut(&ExitContext<'_>) -> ExitDecision + Send>);

impl Hook {
    pub(super) fn new(closure: impl FnMut(&ExitContext<'_>) -> ExitDecision + Send + 'static) -> Self {
        Self(Box::new(closure))
    }

    /// Asks the closure. One that panics has no say: the policy's proposal is taken.
    pub(super) fn ask(&mut self, context: &ExitContext<'_>) -> ExitDecision {
        catch_unwind(AssertUnwindSafe(|| (self.0)(context))).unwrap_or_else(|_| {
            tracing::error!(target: "drover::master", worker = context.worker.id.0, "the exit hook panicked; the policy decides");
            context.proposed
        })
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook(…)")
    }
}
