//! Counts what happens. No clock and no I/O: each event comes with its time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::slot::SlotCounts;
use super::times::Times;
use crate::handle::{Event, Missed, Occurrence};
use crate::ids::WorkerId;
use crate::machine::fleet::EventKind;
use crate::machine::phase::Phase;

/// The bounds of starts and drains, in seconds: from a small program to one that warms up for minutes.
pub(super) const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

/// The bounds of reloads, in seconds: all workers of an app, with their drains.
pub(super) const RELOAD_SECONDS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0];

/// What has happened since the supervisor began; with a keeper, since its first master did.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::http) struct EventCounts {
    pub(super) apps: BTreeMap<Arc<str>, AppCounts>,
    pub(super) events: u64,
    pub(super) missed: u64,
    /// The number of the newest event that was counted, or missed.
    counted: u64,
}

/// What has happened to one app.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct AppCounts {
    pub(super) slots: BTreeMap<u32, SlotCounts>,
    pub(super) start: Times,
    pub(super) drain: Times,
    pub(super) leave: Times,
    #[serde(with = "crate::written")]
    pub(super) reloads: BTreeMap<&'static str, u64>,
    pub(super) reload: Times,
    #[serde(with = "crate::written")]
    pub(super) deadlines: BTreeMap<&'static str, u64>,
    #[serde(with = "crate::written")]
    reload_began: Option<Instant>,
    lives: HashMap<WorkerId, Life>,
}

/// Since when a worker has been in the step of its life that it is in.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Life {
    #[serde(with = "crate::written")]
    spawned: Instant,
    #[serde(with = "crate::written")]
    draining: Option<Instant>,
    #[serde(with = "crate::written")]
    leaving: Option<Instant>,
}

impl EventCounts {
    /// Something happened.
    pub(in crate::http) fn happened(&mut self, event: &Event) {
        self.events += 1;
        self.counted = event.seq;
        // The supervisor's own.
        if event.app.is_empty() {
            return;
        }
        let app = self.apps.entry(Arc::clone(&event.app)).or_default();
        match event.worker {
            Some(worker) => app.happened_to(worker, event),
            None => app.happened(&event.kind, event.at),
        }
    }

    /// Events were gone before they could be counted.
    pub(in crate::http) fn missed(&mut self, missed: Missed) {
        self.missed += missed.count;
        self.counted = missed.next_seq - 1;
    }

    /// Goes on with a log whose newest event is this. One that had to begin anew is counted from its begin.
    pub(in crate::http) fn follow(&mut self, newest: u64) {
        if self.counted > newest {
            self.counted = 0;
        }
    }

    /// Those after this number are still to be counted.
    pub(in crate::http) const fn counted(&self) -> u64 {
        self.counted
    }

    /// Forgets the apps that are no more: their series end.
    pub(super) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.apps.retain(|app, _| is_there(app));
    }
}

impl AppCounts {
    fn happened(&mut self, kind: &EventKind, now: Instant) {
        match kind {
            EventKind::ReloadStarted { .. } => self.reload_began = Some(now),
            EventKind::Committed { .. } => self.reloaded("committed", now),
            EventKind::ReloadRolledBack { .. } => self.reloaded("rolled_back", now),
            // It goes on once somebody has decided.
            EventKind::ReloadPaused { .. } => *self.reloads.entry("paused").or_default() += 1,
            _ => {}
        }
    }

    fn reloaded(&mut self, result: &'static str, now: Instant) {
        *self.reloads.entry(result).or_default() += 1;
        if let Some(began) = self.reload_began.take() {
            self.reload.observe(&RELOAD_SECONDS, now.saturating_duration_since(began));
        }
    }

    fn happened_to(&mut self, worker: Occurrence, event: &Event) {
        let now = event.at;
        let slot = self.slots.entry(worker.slot.0).or_default();
        let life = worker.id.and_then(|id| self.lives.get_mut(&id));
        match &event.kind {
            EventKind::Spawned => {
                let Some(id) = worker.id else { return };
                slot.spawned(id);
                self.lives.insert(id, Life { spawned: now, draining: None, leaving: None });
            }
            EventKind::Replaced { .. } => {
                if let Some(id) = worker.id {
                    slot.replaced(id);
                }
            }
            EventKind::Entered { from } => {
                let Some(life) = life else { return };
                match (from, event.phase) {
                    (Phase::Starting, Phase::Started) => {
                        self.start.observe(&SECONDS, now.saturating_duration_since(life.spawned))
                    }
                    (_, Phase::Stopping) => life.draining = Some(now),
                    (Phase::Stopping, _) => {
                        if let Some(began) = life.draining.take() {
                            self.drain.observe(&SECONDS, now.saturating_duration_since(began));
                        }
                    }
                    _ => {}
                }
                if event.phase == Phase::ShuttingDown {
                    life.leaving.get_or_insert(now);
                }
            }
            EventKind::DeadlineMissed { missed } => *self.deadlines.entry(missed).or_default() += 1,
            EventKind::Exited { exit } => {
                slot.exited(worker.id, exit);
                let Some(life) = worker.id.and_then(|id| self.lives.remove(&id)) else { return };
                if let Some(began) = life.draining {
                    self.drain.observe(&SECONDS, now.saturating_duration_since(began));
                }
                if let Some(began) = life.leaving {
                    self.leave.observe(&SECONDS, now.saturating_duration_since(began));
                }
            }
            _ => {}
        }
    }
}
