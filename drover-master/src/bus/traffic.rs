//! How much the bus of an app has carried.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts over the lives of its workers.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    delivered: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
}

/// What was counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TrafficCounts {
    /// Messages that were handed to the program, or put into the queue of a worker: of one to several, each.
    pub delivered: u64,
    /// Their payloads.
    pub bytes: u64,
    /// Messages that were not.
    pub refused: u64,
}

impl Traffic {
    /// A message with a payload of so many bytes has gone to so many.
    pub(super) fn delivered(&self, to: u64, payload: usize) {
        self.delivered.fetch_add(to, Ordering::Relaxed);
        self.bytes.fetch_add(to.saturating_mul(payload as u64), Ordering::Relaxed);
    }

    /// So many have not got theirs.
    pub(super) fn refused(&self, by: u64) {
        self.refused.fetch_add(by, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> TrafficCounts {
        let read = |of: &AtomicU64| of.load(Ordering::Relaxed);
        TrafficCounts {
            delivered: read(&self.delivered),
            bytes: read(&self.bytes),
            refused: read(&self.refused),
        }
    }
}
