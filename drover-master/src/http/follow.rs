//! Counts events as they come, and takes a reading now and then.

use std::sync::Arc;
use std::sync::PoisonError;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::admin::Admin;
use super::history::EVERY;
use super::metrics::{CountMemory, EVENTS};
use crate::handle::{Event, EventStream, Missed};
use crate::usage::usage_of;

/// Counts events, from where an earlier master was.
#[derive(Debug)]
pub(super) struct EventCounter {
    admin: Arc<Admin>,
    events: EventStream,
    /// `None` without a keeper: then no master follows this one.
    memory: Option<CountMemory>,
    /// Up to which event it is written down.
    written: u64,
}

impl EventCounter {
    /// Counts all that has happened so far, so that whoever asks first finds no less than an earlier master has told.
    pub(super) fn begin(admin: Arc<Admin>) -> Self {
        let (memory, mut counts) = CountMemory::open(&admin.supervisor.holds);
        counts.follow(admin.supervisor.events().last_seq());
        let written = counts.counted();
        let mut counter = Self { events: admin.supervisor.events().since(written), admin, memory, written };
        *counter.admin.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        while let Some(next) = counter.events.try_next() {
            counter.count(next);
        }
        counter
    }

    /// Until it is dropped with its runtime, or aborted.
    pub(super) async fn run(mut self) {
        loop {
            let next = self.events.next().await;
            let counted = self.count(next);
            if counted - self.written >= EVENTS
                && let Some(memory) = self.memory.take()
            {
                self.written = counted;
                self.memory = write_down(&self.admin, memory).await;
            }
        }
    }

    /// The number of the newest that is counted.
    fn count(&self, next: Result<Arc<Event>, Missed>) -> u64 {
        let mut counts = self.admin.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match next {
            Ok(event) => counts.happened(&event),
            Err(missed) => counts.missed(missed),
        }
        counts.counted()
    }
}

/// Not on the thread that supervises.
async fn write_down(admin: &Arc<Admin>, mut memory: CountMemory) -> Option<CountMemory> {
    let admin = Arc::clone(admin);
    let written = tokio::task::spawn_blocking(move || {
        let counts = admin.counts.lock().unwrap_or_else(PoisonError::into_inner);
        memory.write(&counts).map(|()| memory)
    });
    match written.await {
        Ok(Ok(memory)) => Some(memory),
        Ok(Err(error)) => {
            tracing::error!(target: "drover::keeper", %error, "counts of events are not written down any more, and begin anew with the next master");
            None
        }
        // The runtime ends.
        Err(_) => None,
    }
}

/// Until it is dropped with its runtime, or aborted.
pub(super) async fn readings(admin: Arc<Admin>) {
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = every.tick().await;
    loop {
        let snapshots = admin.snapshots();
        let pids: Vec<u32> =
            snapshots.iter().flat_map(|shot| &shot.workers).filter_map(|row| row.pid).collect();
        // A panic there would be one here.
        let Ok(usage) = tokio::task::spawn_blocking(move || usage_of(pids)).await else { return };
        let now = Instant::now();
        let passed = now.duration_since(before);
        admin.history.lock().unwrap_or_else(PoisonError::into_inner).read(&snapshots, &usage, passed);
        before = now;
        every.tick().await;
    }
}
