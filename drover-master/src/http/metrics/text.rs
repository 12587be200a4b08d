//! Everything that is measured, as OpenMetrics or as Prometheus has it.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{prometheus_text, text as open_metrics};
use prometheus_client::registry::Registry;

use super::sheet::{Sheet, WorkerSample, apps};
use super::{AppTraffic, EventCounts};
use crate::handle::Snapshot;
use crate::usage::ProcessUsage;

/// The two forms that scrapers read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum TextForm {
    /// OpenMetrics 1.0, for those who ask for it.
    OpenMetrics,
    /// The older one of Prometheus, which every tool reads.
    Prometheus,
}

impl TextForm {
    /// What a scraper accepts that says this in `Accept`.
    pub(in crate::http) fn of(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Prometheus,
        }
    }

    pub(in crate::http) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// All that is known at one moment.
#[derive(Debug)]
pub(in crate::http) struct Measured<'m> {
    pub(in crate::http) counts: &'m mut EventCounts,
    pub(in crate::http) snapshots: Vec<Snapshot>,
    pub(in crate::http) traffic: Vec<AppTraffic>,
    pub(in crate::http) usage: HashMap<u32, ProcessUsage>,
    pub(in crate::http) uptime: Duration,
}

/// The text that a scraper gets.
pub(in crate::http) fn text(form: TextForm, measured: Measured<'_>) -> Result<String, fmt::Error> {
    let Measured { counts, snapshots, traffic, usage, uptime } = measured;
    counts.retain(|app| snapshots.iter().any(|shot| *shot.app == *app));
    let rows = snapshots.iter().flat_map(|shot| shot.workers.iter().map(move |worker| (shot, worker)));
    let rows = rows.map(|(shot, worker)| WorkerSample::of(shot, worker, &usage)).collect();
    let sheet = Sheet {
        apps: apps(counts, &snapshots, &usage),
        rows,
        snapshots,
        traffic,
        uptime,
        events: counts.events,
        missed: counts.missed,
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(sheet));
    let mut text = String::new();
    match form {
        TextForm::OpenMetrics => open_metrics::encode(&mut text, &registry)?,
        TextForm::Prometheus => prometheus_text::encode(&mut text, &registry)?,
    }
    Ok(text)
}
