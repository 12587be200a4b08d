//! What can be seen of an app at any moment, without asking the driver: it writes down what changed, others read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::{AppSpec, ListenAddr};
use crate::ids::SlotIndex;
use crate::machine::fleet::{AppStatus, Fleet, WorkerStatus};
use crate::machine::phase::Phase;
use crate::machine::worker::WorkerGauges;

/// An app at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name.
    pub app: Arc<str>,
    /// The app as a whole.
    pub status: AppStatus,
    /// Every slot and the worker in it, in the order of slots; during a reload, after each the one that is to take its place
    /// and those that drain: see [`WorkerStatus::role`].
    pub workers: Vec<WorkerStatus>,
    /// The listeners that are open, with their true addresses.
    pub listeners: Vec<(String, ListenAddr)>,
    /// The newest event that this reflects.
    pub last_seq: u64,
}

/// How an app ended whose driver went with its runtime.
const GONE: &str = "ended with the runtime of its program: its workers were killed";

/// Written by the driver, read by anybody. Locked for as long as a copy takes, never over an await.
#[derive(Debug)]
pub(crate) struct View(Mutex<Seen>);

#[derive(Debug)]
struct Seen {
    spec: Arc<AppSpec>,
    /// But for the workers.
    snapshot: Snapshot,
    /// By slots, so that a row that comes or goes does not move all that follow it.
    rows: BTreeMap<SlotIndex, Vec<WorkerStatus>>,
}

impl View {
    pub(crate) fn new(spec: Arc<AppSpec>, fleet: &Fleet) -> Self {
        let app = spec.name.as_str().into();
        let rows = fleet.slots().into_iter().map(|slot| (slot, fleet.rows(slot))).collect();
        let status = fleet.status();
        let snapshot = Snapshot { app, status, workers: Vec::new(), listeners: Vec::new(), last_seq: 0 };
        Self(Mutex::new(Seen { spec, snapshot, rows }))
    }

    pub(crate) fn read(&self) -> Snapshot {
        let seen = self.lock();
        let workers = seen.rows.values().flatten().cloned().collect();
        Snapshot { workers, ..seen.snapshot.clone() }
    }

    pub(crate) fn spec(&self) -> Arc<AppSpec> {
        Arc::clone(&self.lock().spec)
    }

    pub(crate) fn update(&self, fleet: &Fleet, changed: &[SlotIndex], last_seq: u64) {
        let seen = &mut *self.lock();
        seen.snapshot.status = fleet.status();
        seen.snapshot.last_seq = last_seq;
        for slot in changed {
            // Slots come and go with the scale.
            let rows = fleet.rows(*slot);
            if rows.is_empty() {
                seen.rows.remove(slot);
            } else {
                seen.rows.insert(*slot, rows);
            }
        }
    }

    /// Whatever was seen before, this is the app.
    pub(crate) fn show_whole(&self, fleet: &Fleet, last_seq: u64) {
        self.lock().rows.clear();
        self.update(fleet, &fleet.slots(), last_seq);
    }

    pub(crate) fn show_edition(&self, spec: Arc<AppSpec>, listeners: Vec<(String, ListenAddr)>) {
        let seen = &mut *self.lock();
        seen.spec = spec;
        seen.snapshot.listeners = listeners;
    }

    /// The driver is gone, and every worker is killed with it.
    pub(crate) fn abandon(&self) {
        let seen = &mut *self.lock();
        let status = &mut seen.snapshot.status;
        status.phase = Phase::Failed;
        (status.ready, status.operation) = (0, None);
        status.outcome = Some(GONE.to_owned());
        seen.snapshot.listeners.clear();
        for row in seen.rows.values_mut().flatten() {
            let is_process = row.pid.take().is_some();
            if is_process || matches!(row.phase, Phase::Starting | Phase::BackingOff) {
                row.phase = Phase::Failed;
            }
            (row.since, row.next_try, row.in_flight) = (None, None, None);
            row.gauges = WorkerGauges::default();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
