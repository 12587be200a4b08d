//! How much the bus of an app has carried.

use crate::keeper::{AppTallies, Tally};

/// Counts over the lives of its workers, and of masters.
#[derive(Debug)]
pub(super) struct Traffic(pub(super) AppTallies);

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
        self.0.add(Tally::BusDelivered, to);
        self.0.add(Tally::BusBytes, to.saturating_mul(payload as u64));
    }

    /// So many have not got theirs.
    pub(super) fn refused(&self, by: u64) {
        self.0.add(Tally::BusRefused, by);
    }

    pub(super) fn counts(&self) -> TrafficCounts {
        TrafficCounts {
            delivered: self.0.read(Tally::BusDelivered),
            bytes: self.0.read(Tally::BusBytes),
            refused: self.0.read(Tally::BusRefused),
        }
    }
}
