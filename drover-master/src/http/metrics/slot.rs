//! What has happened in one slot, over all its workers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::WorkerId;
use crate::machine::exit::{Exit, ExitReason};

/// A label's value that the program has. Under another name than its type, which serde would take for one that it can borrow.
type LabelText = &'static str;

/// How an exit is counted: its kind as in JSON, and whether somebody asked for it.
pub(super) type ExitClass = (&'static str, bool);

/// The counters of a slot.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SlotCounts {
    #[serde(with = "crate::written")]
    pub(super) exits: BTreeMap<ExitClass, u64>,
    /// By what became of the one before.
    #[serde(with = "crate::written")]
    pub(super) restarts: BTreeMap<&'static str, u64>,
    /// What those that have ended had used.
    pub(super) ended_cpu: Duration,
    /// What was shown last: a worker that has just ended is in neither of the two for a moment.
    pub(super) shown_cpu: Duration,
    /// Who has the slot; one that is to take its place has it later.
    occupant: Option<WorkerId>,
    /// Why the slot is empty, if somebody was in it.
    #[serde(with = "crate::written")]
    left: Option<LabelText>,
}

impl SlotCounts {
    /// A worker's process exists.
    pub(super) fn spawned(&mut self, id: WorkerId) {
        if self.occupant.is_some() {
            return;
        }
        self.occupant = Some(id);
        if let Some(reason) = self.left.take() {
            *self.restarts.entry(reason).or_default() += 1;
        }
    }

    /// A worker has taken the slot over.
    pub(super) fn replaced(&mut self, id: WorkerId) {
        (self.occupant, self.left) = (Some(id), None);
    }

    /// A worker has ended.
    pub(super) fn exited(&mut self, id: Option<WorkerId>, exit: &Exit) {
        let (kind, is_asked) = class(exit);
        *self.exits.entry((kind, is_asked)).or_default() += 1;
        self.ended_cpu += exit.usage.cpu;
        if id.is_none() || id == self.occupant {
            self.occupant = None;
            self.left = Some(if is_asked { "requested" } else { kind });
        }
    }

    /// What all workers of the slot have used, those that live with so much. Never less than before.
    pub(super) fn cpu(&mut self, living: Duration) -> Duration {
        self.shown_cpu = self.shown_cpu.max(self.ended_cpu + living);
        self.shown_cpu
    }
}

fn class(exit: &Exit) -> ExitClass {
    let kind = match exit.reason {
        ExitReason::NormalExit => "normal_exit",
        ExitReason::AbnormalExit { .. } => "abnormal_exit",
        ExitReason::ExternalSignal { .. } => "external_signal",
        ExitReason::StatusTaken => "status_taken",
        ExitReason::KilledByMaster { .. } => "killed_by_master",
        ExitReason::SpawnFailed { .. } => "spawn_failed",
    };
    (kind, exit.asked_by.is_some())
}
