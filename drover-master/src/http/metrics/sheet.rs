//! The families of series, one after the other.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::count::{RELOAD_SECONDS, SECONDS};
use super::times::Times;
use super::{AppTraffic, EventCounts};
use crate::handle::Snapshot;
use crate::machine::fleet::WorkerStatus;
use crate::machine::phase::Phase;
use crate::machine::worker::WorkerGauges;
use crate::usage::ProcessUsage;

/// A worker as it is measured.
#[derive(Debug)]
pub(super) struct WorkerSample {
    pub(super) app: String,
    pub(super) slot: String,
    ready: bool,
    resident: Option<u64>,
    in_flight: Option<u64>,
    pub(super) gauges: WorkerGauges,
}

impl WorkerSample {
    pub(super) fn of(shot: &Snapshot, worker: &WorkerStatus, usage: &HashMap<u32, ProcessUsage>) -> Self {
        let used = worker.pid.and_then(|pid| usage.get(&pid));
        Self {
            app: shot.app.to_string(),
            slot: worker.slot.to_string(),
            ready: worker.phase == Phase::Started && worker.unready.is_none(),
            resident: used.map(|used| used.resident),
            in_flight: worker.in_flight,
            gauges: worker.gauges.clone(),
        }
    }
}

/// An app's counters, as they are at this moment.
#[derive(Debug)]
pub(super) struct AppSheet {
    app: String,
    /// By slot and reason.
    restarts: Vec<(String, &'static str, u64)>,
    exits: Vec<(String, &'static str, bool, u64)>,
    cpu: Vec<(String, Duration)>,
    reloads: Vec<(&'static str, u64)>,
    deadlines: Vec<(&'static str, u64)>,
    start: Times,
    drain: Times,
    leave: Times,
    reload: Times,
}

/// Every app's.
pub(super) fn apps(
    counts: &mut EventCounts,
    snapshots: &[Snapshot],
    usage: &HashMap<u32, ProcessUsage>,
) -> Vec<AppSheet> {
    let mut sheets = Vec::with_capacity(counts.apps.len());
    for (app, counted) in &mut counts.apps {
        let workers = snapshots.iter().filter(|shot| shot.app == *app).flat_map(|shot| &shot.workers);
        let mut living: HashMap<u32, Duration> = HashMap::new();
        for worker in workers {
            let cpu = worker.pid.and_then(|pid| usage.get(&pid)).map_or(Duration::ZERO, |used| used.cpu);
            *living.entry(worker.slot.0).or_default() += cpu;
        }
        let (mut restarts, mut exits, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
        for (number, slot) in &mut counted.slots {
            let label = number.to_string();
            restarts.extend(slot.restarts.iter().map(|(reason, count)| (label.clone(), *reason, *count)));
            exits.extend(
                slot.exits.iter().map(|((kind, asked), count)| (label.clone(), *kind, *asked, *count)),
            );
            cpu.push((label, slot.cpu(living.get(number).copied().unwrap_or_default())));
        }
        sheets.push(AppSheet {
            app: app.to_string(),
            restarts,
            exits,
            cpu,
            reloads: counted.reloads.iter().map(|(result, count)| (*result, *count)).collect(),
            deadlines: counted.deadlines.iter().map(|(missed, count)| (*missed, *count)).collect(),
            start: counted.start.clone(),
            drain: counted.drain.clone(),
            leave: counted.leave.clone(),
            reload: counted.reload.clone(),
        });
    }
    sheets
}

/// All of it, family by family.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) rows: Vec<WorkerSample>,
    pub(super) apps: Vec<AppSheet>,
    pub(super) traffic: Vec<AppTraffic>,
    pub(super) uptime: Duration,
    pub(super) events: u64,
    pub(super) missed: u64,
}

impl Collector for Sheet {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        self.supervisor(encoder)?;
        self.gauges_of_apps(encoder)?;
        self.counters_of_apps(encoder)?;
        self.workers(encoder)?;
        self.told_by_workers(encoder)?;
        self.sent_and_printed(encoder)
    }
}

/// One family: its name, its help, and a closure that writes its series.
pub(super) fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    kind: MetricType,
    write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    write(&mut encoder.encode_descriptor(name, help, unit, kind)?)
}

pub(super) fn count<const N: usize>(
    metric: &mut MetricEncoder<'_>,
    labels: &[(&str, &str); N],
    count: u64,
) -> fmt::Result {
    ConstCounter::new(count).encode(metric.encode_family(labels)?)
}

pub(super) fn gauge<const N: usize>(
    metric: &mut MetricEncoder<'_>,
    labels: &[(&str, &str); N],
    value: u64,
) -> fmt::Result {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(metric.encode_family(labels)?)
}

impl Sheet {
    fn supervisor(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        family(encoder, "drover_build", "The version that runs.", None, MetricType::Info, |metric| {
            metric.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
        })?;
        family(
            encoder,
            "drover_uptime",
            "How long the supervisor has run.",
            Some(&Unit::Seconds),
            MetricType::Gauge,
            |metric| ConstGauge::new(self.uptime.as_secs_f64()).encode(metric.encode_family(&NO_LABELS)?),
        )?;
        family(encoder, "drover_events", "Events that happened.", None, MetricType::Counter, |metric| {
            count(metric, &[], self.events)
        })?;
        family(
            encoder,
            "drover_events_uncounted",
            "Events that came faster than they could be counted.",
            None,
            MetricType::Counter,
            |metric| count(metric, &[], self.missed),
        )
    }

    fn gauges_of_apps(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type AppSample = fn(&Snapshot) -> u64;
        let readings: [(&str, &str, AppSample); 3] = [
            ("drover_workers_desired", "Workers that the app should have.", |shot| {
                shot.status.desired.into()
            }),
            ("drover_workers_ready", "Workers that are ready.", |shot| shot.status.ready.into()),
            ("drover_app_generation", "How often the app was reloaded, from 1.", |shot| {
                shot.status.generation.0
            }),
        ];
        for (name, help, read) in readings {
            family(encoder, name, help, None, MetricType::Gauge, |metric| {
                self.snapshots.iter().try_for_each(|shot| gauge(metric, &[("app", &shot.app)], read(shot)))
            })?;
        }
        family(
            encoder,
            "drover_app_phase",
            "1 for the phase that the app is in.",
            None,
            MetricType::Gauge,
            |metric| {
                for shot in &self.snapshots {
                    for phase in Phase::ALL {
                        let labels = [("app", &*shot.app), ("phase", phase.name())];
                        gauge(metric, &labels, (shot.status.phase == phase).into())?;
                    }
                }
                Ok(())
            },
        )?;
        let (name, help) = ("drover_app_operation", "1 for what is under way in the app, such as a reload.");
        family(encoder, name, help, None, MetricType::Gauge, |metric| {
            let mut busy = self.snapshots.iter().filter_map(|shot| Some((shot, shot.status.operation?)));
            busy.try_for_each(|(shot, operation)| {
                gauge(metric, &[("app", &*shot.app), ("operation", operation)], 1)
            })
        })?;
        family(
            encoder,
            "drover_workers",
            "Workers by the phase that they are in.",
            None,
            MetricType::Gauge,
            |metric| {
                for shot in &self.snapshots {
                    for phase in Phase::ALL {
                        let number = shot.workers.iter().filter(|worker| worker.phase == phase).count();
                        gauge(metric, &[("app", &*shot.app), ("phase", phase.name())], number as u64)?;
                    }
                }
                Ok(())
            },
        )
    }

    fn counters_of_apps(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        family(encoder, "drover_reloads", "Reloads by their result.", None, MetricType::Counter, |metric| {
            let all = self.apps.iter().flat_map(|app| app.reloads.iter().map(move |of| (app, of)));
            all.into_iter().try_for_each(|(app, (result, number))| {
                count(metric, &[("app", &app.app), ("result", result)], *number)
            })
        })?;
        family(
            encoder,
            "drover_deadlines_missed",
            "Deadlines that workers missed.",
            None,
            MetricType::Counter,
            |metric| {
                let all = self.apps.iter().flat_map(|app| app.deadlines.iter().map(move |of| (app, of)));
                all.into_iter().try_for_each(|(app, (missed, number))| {
                    count(metric, &[("app", &app.app), ("missed", missed)], *number)
                })
            },
        )?;
        type TimesOf = fn(&AppSheet) -> (&Times, &[f64]);
        let times: [(&str, &str, TimesOf); 4] = [
            ("drover_worker_start", "From spawn to ready.", |app| (&app.start, &SECONDS)),
            ("drover_worker_drain", "From the request to stop to the last of its work.", |app| {
                (&app.drain, &SECONDS)
            }),
            ("drover_worker_leave", "From the request to leave, or the first signal, to the end.", |app| {
                (&app.leave, &SECONDS)
            }),
            ("drover_reload_duration", "From the start of a reload to its result.", |app| {
                (&app.reload, &RELOAD_SECONDS)
            }),
        ];
        for (name, help, of) in times {
            family(encoder, name, help, Some(&Unit::Seconds), MetricType::Histogram, |metric| {
                self.apps.iter().try_for_each(|app| {
                    let (times, bounds) = of(app);
                    times.encode(bounds, metric.encode_family(&[("app", app.app.as_str())])?)
                })
            })?;
        }
        Ok(())
    }

    fn workers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        family(
            encoder,
            "drover_worker_restarts",
            "Workers started in the place of one that had ended, by how it had.",
            None,
            MetricType::Counter,
            |metric| {
                for app in &self.apps {
                    for (slot, reason, number) in &app.restarts {
                        count(
                            metric,
                            &[("app", app.app.as_str()), ("slot", slot), ("reason", reason)],
                            *number,
                        )?;
                    }
                }
                Ok(())
            },
        )?;
        family(
            encoder,
            "drover_worker_exits",
            "Ends of workers, by how they ended and whether somebody asked.",
            None,
            MetricType::Counter,
            |metric| {
                for app in &self.apps {
                    for (slot, kind, asked, number) in &app.exits {
                        let asked = if *asked { "true" } else { "false" };
                        let labels =
                            [("app", app.app.as_str()), ("slot", slot), ("kind", kind), ("asked", asked)];
                        count(metric, &labels, *number)?;
                    }
                }
                Ok(())
            },
        )?;
        family(
            encoder,
            "drover_worker_cpu",
            "CPU time of all workers that the slot has had.",
            Some(&Unit::Seconds),
            MetricType::Counter,
            |metric| {
                for app in &self.apps {
                    for (slot, cpu) in &app.cpu {
                        let labels = [("app", app.app.as_str()), ("slot", slot)];
                        ConstCounter::new(cpu.as_secs_f64()).encode(metric.encode_family(&labels)?)?;
                    }
                }
                Ok(())
            },
        )?;
        type AppSample = fn(&WorkerSample) -> Option<u64>;
        let readings: [(&str, &str, Option<Unit>, AppSample); 3] = [
            (
                "drover_worker_ready",
                "How many workers in the slot are ready: two for a moment while one takes the place of another.",
                None,
                |row| Some(row.ready.into()),
            ),
            (
                "drover_worker_resident_memory",
                "What the workers in the slot hold in memory.",
                Some(Unit::Bytes),
                |row| row.resident,
            ),
            ("drover_worker_in_flight", "Requests under way, of workers that tell.", None, |row| {
                row.in_flight
            }),
        ];
        for (name, help, unit, read) in readings {
            family(encoder, name, help, unit.as_ref(), MetricType::Gauge, |metric| {
                // While workers are replaced, a slot has several: one series for all of them.
                let mut rows = self.rows.iter().peekable();
                while let Some(row) = rows.next() {
                    let mut sum = read(row);
                    while let Some(next) = rows.next_if(|next| next.app == row.app && next.slot == row.slot) {
                        sum = sum.map_or_else(|| read(next), |sum| Some(sum + read(next).unwrap_or(0)));
                    }
                    if let Some(sum) = sum {
                        gauge(metric, &[("app", row.app.as_str()), ("slot", row.slot.as_str())], sum)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

const NO_LABELS: [(&str, &str); 0] = [];
