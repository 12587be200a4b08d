//! An app or a worker in the list.

use drover_proto::latest::WorkerRole;

/// What is selected: it stays so where the list is sorted anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) app: String,
    /// The slot, and which of those in it.
    pub(crate) worker: Option<(u32, WorkerRole)>,
}

impl Place {
    /// As the verbs name it.
    pub(crate) fn name(&self) -> String {
        match self.worker {
            Some((slot, _)) => format!("{}/{slot}", self.app),
            None => self.app.clone(),
        }
    }

    /// Whether something is about it. What happens to the whole app concerns each of its workers.
    pub(crate) fn concerns(&self, app: &str, slot: Option<u32>) -> bool {
        app.is_empty()
            || (app == self.app
                && match (self.worker, slot) {
                    (Some((own, _)), Some(slot)) => own == slot,
                    _ => true,
                })
    }
}
