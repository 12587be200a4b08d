//! One thing that happened, as everybody sees it.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::ids::{Generation, SlotIndex, WorkerId};
use crate::machine::fleet::EventKind;
use crate::machine::phase::Phase;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// Its number: rises by one, without gaps, over all apps that share the log.
    pub seq: u64,
    /// Wall clock, for display only.
    #[serde(with = "crate::written")]
    pub time: SystemTime,
    /// The same by the clock that never goes back. Earlier versions did not write it.
    #[serde(with = "crate::written", default = "now")]
    pub(crate) at: Instant,
    /// The app.
    pub app: Arc<str>,
    /// The worker it happened to; none for the app as a whole.
    pub worker: Option<Occurrence>,
    /// The phase after it, of the worker or the app.
    pub phase: Phase,
    /// What happened.
    pub kind: EventKind,
}

/// Which worker an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Occurrence {
    /// Its slot.
    pub slot: SlotIndex,
    /// Its generation.
    pub generation: Generation,
    /// The worker; none if the event is about the empty slot.
    pub id: Option<WorkerId>,
    /// Its process.
    pub pid: Option<u32>,
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Event {
    /// The event's name in JSON, such as `restart_scheduled`.
    pub fn name(&self) -> &'static str {
        self.kind.name(self.phase)
    }

    /// How many bytes of last words it holds.
    pub(super) fn words(&self) -> usize {
        match &self.kind {
            EventKind::Exited { exit } => exit.stderr_tail.iter().map(String::len).sum(),
            _ => 0,
        }
    }
}
