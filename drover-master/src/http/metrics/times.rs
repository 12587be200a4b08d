//! How long something took, each time: a histogram that can be written down, which that of the library can't be.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};
use serde::{Deserialize, Serialize};

/// By the bounds that whoever observes gives each time, the same ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Times {
    /// How many were at most as long as each bound and longer than the one before; the last is of those that were longer than all.
    within: Vec<u64>,
    sum: Duration,
}

impl Times {
    /// It took so long once.
    pub(super) fn observe(&mut self, bounds: &[f64], took: Duration) {
        self.within.resize(bounds.len() + 1, 0);
        self.within[bounds.partition_point(|bound| *bound < took.as_secs_f64())] += 1;
        self.sum = self.sum.saturating_add(took);
    }

    pub(super) fn encode(&self, bounds: &[f64], mut metric: MetricEncoder<'_>) -> fmt::Result {
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        let within = self.within.iter().copied().chain(std::iter::repeat(0));
        let buckets: Vec<(f64, u64)> = bounds.zip(within).collect();
        metric.encode_histogram::<NoLabelSet>(
            self.sum.as_secs_f64(),
            self.within.iter().sum(),
            &buckets,
            None,
        )
    }
}
