//! What can be seen of an app at any moment, without asking the driver: it writes down what changed, others read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::ListenAddr;
use crate::machine::fleet::{AppStatus, Fleet, WorkerStatus};
use crate::machine::ids::SlotIndex;

/// An app at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its name.
    pub app: Arc<str>,
    /// The app as a whole.
    pub status: AppStatus,
    /// Every slot and the worker in it, in the order of slots.
    pub workers: Vec<WorkerStatus>,
    /// The listeners that are open, with their true addresses.
    pub listeners: Vec<(String, ListenAddr)>,
    /// The newest event that this reflects.
    pub last_seq: u64,
}

/// Written by the driver, read by anybody. Locked for as long as a copy takes, never over an await.
#[derive(Debug)]
pub(super) struct View(Mutex<Snapshot>);

impl View {
    pub(super) fn new(app: Arc<str>, fleet: &Fleet) -> Self {
        let workers = fleet.slots().into_iter().filter_map(|slot| fleet.worker_status(slot)).collect();
        let status = fleet.status();
        Self(Mutex::new(Snapshot { app, status, workers, listeners: Vec::new(), last_seq: 0 }))
    }

    pub(super) fn read(&self) -> Snapshot {
        self.lock().clone()
    }

    pub(super) fn update(&self, fleet: &Fleet, changed: &[SlotIndex], last_seq: u64) {
        let mut view = self.lock();
        view.status = fleet.status();
        view.last_seq = last_seq;
        for slot in changed {
            // Slots come and go with the scale; their rows are in the order of slots.
            let place = view.workers.binary_search_by_key(slot, |row| row.slot);
            match (place, fleet.worker_status(*slot)) {
                (Ok(at), Some(status)) => view.workers[at] = status,
                (Ok(at), None) => drop(view.workers.remove(at)),
                (Err(at), Some(status)) => view.workers.insert(at, status),
                (Err(_), None) => {}
            }
        }
    }

    pub(super) fn set_listeners(&self, listeners: Vec<(String, ListenAddr)>) {
        self.lock().listeners = listeners;
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
