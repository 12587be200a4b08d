//! The program's own say in what follows an exit.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crate::machine::exit::Exit;
use crate::machine::fleet::ExitDecision;
use crate::machine::worker::Identity;

/// The end of a worker that nobody asked for, put before the program.
#[derive(Debug)]
#[non_exhaustive]
pub struct ExitContext<'a> {
    /// Which worker.
    pub worker: Identity,
    /// How it ended, with the evidence.
    pub exit: &'a Exit,
    /// What the restart policy would do; return it to leave the decision there.
    pub proposed: ExitDecision,
}

/// The program's closure. A clone is the same one, for the master that follows: of one app, one at a time asks.
#[derive(Clone)]
pub(crate) struct Hook(Arc<Mutex<Closure>>);

type Closure = dyn FnMut(&ExitContext<'_>) -> ExitDecision + Send;

impl Hook {
    pub(crate) fn new(closure: impl FnMut(&ExitContext<'_>) -> ExitDecision + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(closure)))
    }

    /// Asks the closure. One that panics has no say: the policy's proposal is taken.
    pub(crate) fn ask(&self, context: &ExitContext<'_>) -> ExitDecision {
        let ask = || (self.0.lock().unwrap_or_else(PoisonError::into_inner))(context);
        catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| {
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
