//! What apps have sent each other and printed, and what of it was lost.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::sheet::{Sheet, count, family};
use crate::bus::TrafficCounts;
use crate::process::LogCounts;

/// What one app has sent and printed, all its workers.
#[derive(Debug)]
pub(in crate::http) struct AppTraffic {
    pub(in crate::http) app: String,
    pub(in crate::http) bus: TrafficCounts,
    pub(in crate::http) log: LogCounts,
    /// Lines that its files have not got.
    pub(in crate::http) lost_by_files: u64,
    /// Lines that the journal has not got.
    pub(in crate::http) lost_by_journal: u64,
}

/// A family of counters: its name, its help, its unit, and what is read.
type TrafficReading = (&'static str, &'static str, Option<Unit>, fn(&AppTraffic) -> u64);

const READINGS: [TrafficReading; 5] = [
    (
        "drover_bus_messages",
        "Messages that the program or a worker was given; of one to several, each.",
        None,
        |app| app.bus.delivered,
    ),
    ("drover_bus_payload", "The payloads of these messages.", Some(Unit::Bytes), |app| app.bus.bytes),
    (
        "drover_bus_refused",
        "Messages that nobody was given: by their form, or as who they were for was not there, not ready, or had no room.",
        None,
        |app| app.bus.refused,
    ),
    ("drover_log_lines", "Lines that workers have printed.", None, |app| app.log.lines),
    ("drover_log_printed", "What workers have printed.", Some(Unit::Bytes), |app| app.log.bytes),
];

impl Sheet {
    pub(super) fn sent_and_printed(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, unit, read) in &READINGS {
            family(encoder, name, help, unit.as_ref(), MetricType::Counter, |metric| {
                self.traffic.iter().try_for_each(|app| count(metric, &[("app", &app.app)], read(app)))
            })?;
        }
        let (name, help) = (
            "drover_log_lines_lost",
            "Lines that the files of the log or the journal have not got, or that readers came too late for, each reader for itself.",
        );
        family(encoder, name, help, None, MetricType::Counter, |metric| {
            for app in &self.traffic {
                count(metric, &[("app", &app.app), ("by", "file")], app.lost_by_files)?;
                count(metric, &[("app", &app.app), ("by", "journal")], app.lost_by_journal)?;
                count(metric, &[("app", &app.app), ("by", "reader")], app.log.missed)?;
            }
            Ok(())
        })
    }
}
