//! EventCounts events as they come, and takes a reading now and then.

use std::sync::Arc;
use std::sync::PoisonError;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::admin::Admin;
use super::history::EVERY;
use crate::usage::usage_of;

/// Until it is dropped with its runtime, or aborted.
pub(super) async fn events(admin: Arc<Admin>) {
    let mut events = admin.supervisor.events().since(0);
    loop {
        let next = events.next().await;
        let now = Instant::now().into_std();
        let mut counts = admin.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match next {
            Ok(event) => counts.happened(&event, now),
            Err(missed) => counts.missed(missed.count),
        }
    }
}

/// The same.
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
