//! What workers measure of themselves.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::sheet::{Sheet, WorkerSample, family, gauge};

impl Sheet {
    pub(super) fn told_by_workers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (name, help) =
            ("drover_worker_reading", "What the workers in the slot measure of themselves, their sum.");
        family(encoder, name, help, None, MetricType::Gauge, |metric| {
            for slot in self.slots() {
                let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
                for (name, value) in slot.iter().flat_map(|row| row.gauges.kept()) {
                    *sums.entry(name).or_default() += value;
                }
                for (name, sum) in sums {
                    let labels = [("app", &*slot[0].app), ("slot", &*slot[0].slot), ("name", name)];
                    ConstGauge::new(sum).encode(metric.encode_family(&labels)?)?;
                }
            }
            Ok(())
        })?;
        let (name, help) = (
            "drover_worker_readings_refused",
            "Readings of the last reports that were not kept: too many, or none.",
        );
        family(encoder, name, help, None, MetricType::Gauge, |metric| {
            for slot in self.slots() {
                let refused = slot.iter().map(|row| row.gauges.refused()).sum();
                if refused > 0 {
                    gauge(
                        metric,
                        &[("app", slot[0].app.as_str()), ("slot", slot[0].slot.as_str())],
                        refused,
                    )?;
                }
            }
            Ok(())
        })
    }

    /// The workers of each slot: while they are replaced, several.
    fn slots(&self) -> impl Iterator<Item = &[WorkerSample]> {
        self.rows.chunk_by(|one, next| one.app == next.app && one.slot == next.slot)
    }
}
