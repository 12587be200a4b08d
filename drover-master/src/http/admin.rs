//! What all requests share.

use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::history::RecentHistory;
use super::metrics::{AppTraffic, EventCounts};
use super::spec::AdminSpec;
use crate::control::OwnClients;
use crate::handle::{Master, Snapshot};
use crate::process::{LostBy, lost_lines};
use crate::supervision::SupervisorHandle;

/// How many readers may follow at once. Each costs a task, a descriptor and some 20 KiB: a screen for each person of a large team,
/// and a few tabs.
pub(super) const FOLLOWING: usize = 256;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Admin {
    pub(super) spec: AdminSpec,
    pub(super) supervisor: SupervisorHandle,
    pub(super) counts: Mutex<EventCounts>,
    pub(super) history: Mutex<RecentHistory>,
    pub(super) inside: OwnClients,
    following: Arc<Semaphore>,
}

impl Admin {
    pub(super) fn new(spec: AdminSpec, supervisor: SupervisorHandle) -> Self {
        Self {
            spec,
            inside: OwnClients::new(supervisor.clone(), "the admin HTTP"),
            supervisor,
            counts: Mutex::default(),
            history: Mutex::default(),
            following: Arc::new(Semaphore::new(FOLLOWING)),
        }
    }

    pub(super) fn snapshots(&self) -> Vec<Snapshot> {
        self.supervisor.masters().iter().map(Master::snapshot).collect()
    }

    /// What each app has sent and printed.
    pub(super) fn traffic(&self) -> Vec<AppTraffic> {
        let of = |master: &Master| {
            let app = master.spec().name.clone();
            let (bus, log) = (master.bus().counts(), self.supervisor.output().counts(&app));
            AppTraffic {
                bus,
                log,
                lost_by_files: lost_lines(&app, LostBy::Files),
                lost_by_journal: lost_lines(&app, LostBy::Journal),
                app,
            }
        };
        self.supervisor.masters().iter().map(of).collect()
    }

    /// A place for a reader that follows; none if all are taken.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.following).try_acquire_owned().ok()
    }
}
