//! A place for a worker, stable over restarts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::Release;
use crate::ids::{SlotIndex, WorkerId};
use crate::machine::exit::Exit;
use crate::machine::phase::Phase;
use crate::machine::restart::{Decision, RestartTracker};

/// How many ends of a slot are kept of each kind. Enough to see a pattern; at some 300 bytes each it costs little.
const HISTORY: usize = 8;

/// How the last workers of a slot ended. Those that ended as wished and those that did not are kept apart, so that no number of
/// restarts by request pushes a crash out.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct History {
    /// Oldest first.
    as_wished: VecDeque<Arc<Exit>>,
    /// Oldest first.
    failed: VecDeque<Arc<Exit>>,
}

impl History {
    fn record(&mut self, exit: Arc<Exit>, as_wished: bool) {
        let ends = if as_wished { &mut self.as_wished } else { &mut self.failed };
        if ends.len() == HISTORY {
            ends.pop_front();
        }
        ends.push_back(exit);
    }

    fn last(&self) -> Option<&Arc<Exit>> {
        self.as_wished.back().into_iter().chain(self.failed.back()).max_by_key(|exit| exit.at)
    }

    /// Oldest first; at most 8 of each kind.
    pub fn ends(&self) -> Vec<Arc<Exit>> {
        let mut ends: Vec<_> = self.as_wished.iter().chain(&self.failed).cloned().collect();
        ends.sort_by_key(|exit| exit.at);
        ends
    }
}

/// A place for a worker.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Slot {
    /// Which place.
    pub index: SlotIndex,
    /// What is in it.
    pub state: SlotState,
    /// What its next worker is made from.
    pub release: Release,
    /// Whether its worker is to take no work, or none is to be started, until somebody resumes it.
    pub suspended: bool,
    /// How often a worker was started in it after the first.
    pub restarts: u64,
    /// Whether it ever had a worker since the app was started.
    pub was_filled: bool,
    /// What follows the exit of its worker, which was asked to leave; none: it was not, and the policy decides.
    pub after_exit: Option<AfterExit>,
    /// The memory of its failures.
    pub tracker: RestartTracker,
    /// Its last ends.
    pub history: History,
}

/// What is in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum SlotState {
    /// Nothing: the app does not run.
    Empty,
    /// Nothing yet: it waits for its turn.
    Queued,
    /// A worker.
    Occupied(WorkerId),
    /// Nothing: its worker ended, and what follows is being decided.
    Undecided {
        /// Who ended.
        ended: WorkerId,
        /// What the policy proposes, once it was asked.
        proposed: Option<Decision>,
    },
    /// Nothing: its next run is due later.
    Scheduled,
    /// Nothing until the next try.
    BackingOff {
        /// When that is.
        #[serde(with = "crate::written")]
        until: Instant,
    },
    /// Nothing: its worker ended with a success.
    Completed,
    /// Nothing: it is not tried any more.
    GivenUp,
    /// Nothing: it was stopped by request, until somebody starts it.
    Held,
    /// Nothing: its worker has made room for another generation's, which is on its way.
    Vacated,
    /// Nothing, and the app has no such place any more; kept only while others after it are.
    Retired,
}

/// What follows the exit of a worker that was asked to leave its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum AfterExit {
    /// Nothing, until somebody starts it.
    Hold,
    /// Another worker, at once.
    Refill,
    /// Nothing: the app has become smaller.
    Retire,
    /// One of another generation.
    MakeRoom,
}

impl Slot {
    pub(super) fn new(index: SlotIndex, release: Release) -> Self {
        Self {
            index,
            state: SlotState::Empty,
            release,
            suspended: false,
            restarts: 0,
            was_filled: false,
            after_exit: None,
            tracker: RestartTracker::default(),
            history: History::default(),
        }
    }

    /// Forgets what an earlier run of the app left.
    pub(super) fn reset(&mut self, release: Release) {
        *self = Self::new(self.index, release);
    }

    pub(super) fn record(&mut self, exit: Arc<Exit>, as_wished: bool) {
        self.history.record(exit, as_wished);
    }

    /// How the last worker ended.
    pub fn last_exit(&self) -> Option<&Arc<Exit>> {
        self.history.last()
    }

    /// Whether it is one of the places that the app should have: not retired, and not about to be.
    pub(super) fn is_member(&self) -> bool {
        self.state != SlotState::Retired && self.after_exit != Some(AfterExit::Retire)
    }

    /// The phase of an empty slot.
    pub(super) fn phase(&self) -> Phase {
        match self.state {
            SlotState::Empty if self.last_exit().is_some() => Phase::ShutDown,
            SlotState::Empty
            | SlotState::Queued
            | SlotState::Scheduled
            | SlotState::Occupied(_)
            | SlotState::Retired => Phase::Initialized,
            SlotState::Undecided { .. } | SlotState::BackingOff { .. } => Phase::BackingOff,
            SlotState::Vacated => Phase::Initialized,
            SlotState::Completed | SlotState::Held => Phase::ShutDown,
            SlotState::GivenUp => Phase::Failed,
        }
    }
}
