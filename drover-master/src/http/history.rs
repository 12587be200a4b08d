//! How the last ten minutes were: a reading of each app now and then, in a ring.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::handle::Snapshot;
use crate::usage::ProcessUsage;

/// Between two readings. Shorter wakes the supervisor up more often, and costs CPU with the number of workers.
pub(super) const EVERY: Duration = Duration::from_secs(10);

/// How many readings are kept: ten minutes of them.
const KEPT: usize = 60;

/// The last readings of every app.
#[derive(Debug, Default)]
pub(super) struct RecentHistory {
    apps: BTreeMap<Arc<str>, AppHistory>,
}

#[derive(Debug, Default)]
struct AppHistory {
    readings: VecDeque<AppSample>,
    /// The CPU time of each process when it was read last.
    cpu: HashMap<u32, Duration>,
}

/// An app at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
struct AppSample {
    /// The part of one CPU that it used since the reading before, in percent.
    cpu: f64,
    resident: u64,
    in_flight: Option<u64>,
    ready: u32,
}

impl RecentHistory {
    /// Takes a reading. `passed`: the time since the one before.
    pub(super) fn read(
        &mut self,
        snapshots: &[Snapshot],
        usage: &HashMap<u32, ProcessUsage>,
        passed: Duration,
    ) {
        self.apps.retain(|app, _| snapshots.iter().any(|shot| shot.app == *app));
        for shot in snapshots {
            self.apps.entry(Arc::clone(&shot.app)).or_default().read(shot, usage, passed);
        }
    }

    /// All of it, oldest first.
    pub(super) fn json(&self) -> String {
        let apps = self.apps.iter().map(|(app, history)| {
            let of = |read: fn(&AppSample) -> Value| history.readings.iter().map(read).collect::<Vec<_>>();
            json!({
                "name": &**app,
                "cpu_percent": of(|reading| json!((reading.cpu * 10.0).round() / 10.0)),
                "resident_bytes": of(|reading| json!(reading.resident)),
                "in_flight": of(|reading| json!(reading.in_flight)),
                "ready": of(|reading| json!(reading.ready)),
            })
        });
        json!({ "every_ms": EVERY.as_millis() as u64, "apps": apps.collect::<Vec<_>>() }).to_string()
    }
}

impl AppHistory {
    fn read(&mut self, shot: &Snapshot, usage: &HashMap<u32, ProcessUsage>, passed: Duration) {
        let pids = shot.workers.iter().filter_map(|worker| worker.pid);
        let used: Vec<(u32, ProcessUsage)> = pids.filter_map(|pid| Some((pid, *usage.get(&pid)?))).collect();
        // What a process had used before it was seen first is of no moment that is known.
        let since = |(pid, now): &(u32, ProcessUsage)| {
            self.cpu.get(pid).map_or(Duration::ZERO, |before| now.cpu.saturating_sub(*before))
        };
        let cpu: Duration = used.iter().map(since).sum();
        let reading = AppSample {
            cpu: cpu.as_secs_f64() / passed.as_secs_f64().max(0.001) * 100.0,
            resident: used.iter().map(|(_, usage)| usage.resident).sum(),
            in_flight: shot.workers.iter().filter_map(|worker| worker.in_flight).reduce(|a, b| a + b),
            ready: shot.status.ready,
        };
        self.cpu = used.into_iter().map(|(pid, usage)| (pid, usage.cpu)).collect();
        if self.readings.len() == KEPT {
            self.readings.pop_front();
        }
        self.readings.push_back(reading);
    }
}
