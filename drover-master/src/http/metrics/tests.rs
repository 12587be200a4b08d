//! What is counted, and how it reads.

use crate::signal::Signal;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::{AppTraffic, EventCounts, Measured, TextForm, text};
use crate::bus::TrafficCounts;
use crate::config::AppSpec;
use crate::handle::{Event, Occurrence, Snapshot};
use crate::ids::{Generation, SlotIndex, WorkerId};
use crate::machine::exit::{Exit, ExitReason, Usage as Used};
use crate::machine::fleet::{EventKind, ReloadFailure};
use crate::machine::phase::Phase;
use crate::machine::worker::WorkerGauges;
use crate::process::LogCounts;
use crate::state::{decode, encode};
use crate::usage::ProcessUsage;
use crate::{Command, Master};

/// An app `web` whose events come at times that a test chooses.
struct Web {
    /// Between any two events another master goes on.
    is_carried: bool,
    counts: EventCounts,
    seq: u64,
    begun: Instant,
    at: Duration,
}

impl Web {
    fn new() -> Self {
        let begun = tokio::time::Instant::now().into_std();
        Self { is_carried: false, counts: EventCounts::default(), seq: 0, begun, at: Duration::ZERO }
    }

    fn wait(&mut self, ms: u64) -> &mut Self {
        self.at += Duration::from_millis(ms);
        self
    }

    fn worker(&mut self, slot: u32, id: u64, phase: Phase, kind: EventKind) -> &mut Self {
        let worker = Occurrence {
            slot: SlotIndex(slot),
            generation: Generation(1),
            id: Some(WorkerId(id)),
            pid: Some(1000 + u32::try_from(id).unwrap()),
        };
        self.happened(Some(worker), phase, kind)
    }

    fn app(&mut self, kind: EventKind) -> &mut Self {
        self.happened(None, Phase::Started, kind)
    }

    fn happened(&mut self, worker: Option<Occurrence>, phase: Phase, kind: EventKind) -> &mut Self {
        self.seq += 1;
        let event = Event {
            seq: self.seq,
            time: SystemTime::UNIX_EPOCH,
            at: self.begun + self.at,
            app: Arc::from("web"),
            worker,
            phase,
            kind,
        };
        self.counts.happened(&event);
        if self.is_carried {
            self.counts = decode(&encode(&self.counts)).unwrap();
        }
        self
    }

    fn exited(&mut self, slot: u32, id: u64, reason: ExitReason, asked_by: Option<&str>) -> &mut Self {
        let exit = Arc::new(Exit {
            reason,
            during: Phase::Started,
            at: self.begun,
            uptime: Duration::ZERO,
            usage: Used { max_rss_kb: 0, cpu: Duration::from_millis(250) },
            stderr_tail: Vec::new(),
            asked_by: asked_by.map(Arc::from),
            sent: None,
            detail: None,
        });
        self.worker(slot, id, Phase::ShutDown, EventKind::Exited { exit })
    }

    /// The older form.
    fn prometheus(&mut self) -> String {
        let (snapshots, usage) = (vec![snapshot("web")], HashMap::new());
        let traffic = Vec::new();
        let measured =
            Measured { counts: &mut self.counts, snapshots, traffic, usage, uptime: Duration::ZERO };
        text(TextForm::Prometheus, measured).unwrap()
    }

    /// The text, with one worker whose process has used this much.
    fn text(&mut self, cpu: Duration) -> String {
        let snapshots = vec![snapshot("web")];
        let usage = HashMap::from([(1001, ProcessUsage { cpu, own_cpu: cpu, resident: 4096 })]);
        let log = LogCounts { lines: 12, bytes: 345, missed: 6 };
        let bus = TrafficCounts { delivered: 7, bytes: 89, refused: 1 };
        let traffic =
            vec![AppTraffic { app: "web".to_owned(), bus, log, lost_by_files: 2, lost_by_journal: 4 }];
        let measured =
            Measured { counts: &mut self.counts, snapshots, traffic, usage, uptime: Duration::from_secs(7) };
        text(TextForm::OpenMetrics, measured).unwrap()
    }
}

/// An app with one worker that is not there yet, but for its process.
fn snapshot(app: &str) -> Snapshot {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut shot = runtime.block_on(async {
        Master::builder(app, Command::new("true")).workers(1).build().unwrap().snapshot()
    });
    let spec = AppSpec::new(app, Command::new("true"));
    assert_eq!(spec.name, app);
    (shot.workers[0].pid, shot.workers[0].phase) = (Some(1001), Phase::Started);
    shot
}

fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

#[test]
fn a_worker_that_comes_back_is_a_restart_by_how_the_one_before_ended() {
    let mut web = Web::new();
    web.worker(0, 1, Phase::Starting, EventKind::Spawned);
    web.exited(0, 1, ExitReason::ExternalSignal { signal: Signal::KILL, core_dumped: false }, None);
    web.worker(0, 2, Phase::Starting, EventKind::Spawned);
    web.exited(0, 2, ExitReason::NormalExit, Some("drover"));
    web.worker(0, 3, Phase::Starting, EventKind::Spawned);
    let text = web.text(Duration::ZERO);
    for (series, expected) in [
        (r#"drover_worker_restarts_total{app="web",slot="0",reason="external_signal"}"#, 1.0),
        (r#"drover_worker_restarts_total{app="web",slot="0",reason="requested"}"#, 1.0),
        (r#"drover_worker_exits_total{app="web",slot="0",kind="external_signal",asked="false"}"#, 1.0),
        (r#"drover_worker_exits_total{app="web",slot="0",kind="normal_exit",asked="true"}"#, 1.0),
        ("drover_events_total", 5.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series}\n{text}");
    }
    assert!(!text.contains("1001"), "a process is in it: {text}");
}

#[test]
fn a_worker_that_takes_the_place_of_another_is_not_a_restart() {
    let mut web = Web::new();
    web.worker(0, 1, Phase::Starting, EventKind::Spawned);
    web.worker(0, 2, Phase::Starting, EventKind::Spawned);
    web.worker(0, 2, Phase::Started, EventKind::Replaced { old: Some((WorkerId(1), 1001)) });
    web.exited(0, 1, ExitReason::NormalExit, Some("drover"));
    web.worker(0, 3, Phase::Starting, EventKind::Spawned);
    assert!(!web.text(Duration::ZERO).contains("drover_worker_restarts_total{"));
    // And the one that has the place now is one, if it crashes.
    web.worker(0, 3, Phase::Started, EventKind::Replaced { old: Some((WorkerId(2), 1002)) });
    web.exited(0, 3, ExitReason::AbnormalExit { code: 1 }, None);
    web.worker(0, 4, Phase::Starting, EventKind::Spawned);
    let series = r#"drover_worker_restarts_total{app="web",slot="0",reason="abnormal_exit"}"#;
    assert_eq!(value(&web.text(Duration::ZERO), series), Some(1.0));
}

#[test]
fn the_cpu_time_of_a_slot_never_falls() {
    let series = r#"drover_worker_cpu_seconds_total{app="web",slot="0"}"#;
    let mut web = Web::new();
    web.worker(0, 1, Phase::Starting, EventKind::Spawned);
    assert_eq!(value(&web.text(Duration::from_millis(200)), series), Some(0.2));
    // It has ended, and nobody has counted that yet.
    assert_eq!(value(&web.text(Duration::ZERO), series), Some(0.2));
    web.exited(0, 1, ExitReason::NormalExit, None);
    assert_eq!(value(&web.text(Duration::ZERO), series), Some(0.25));
    web.worker(0, 2, Phase::Starting, EventKind::Spawned);
    assert_eq!(value(&web.text(Duration::from_millis(50)), series), Some(0.3));
}

#[test]
fn starts_drains_ends_and_reloads_are_timed() {
    starts_drains_ends_and_reloads(Web::new());
}

#[test]
fn what_was_written_down_after_any_event_goes_on_as_if_nothing_had_been() {
    starts_drains_ends_and_reloads(Web { is_carried: true, ..Web::new() });
}

fn starts_drains_ends_and_reloads(mut web: Web) {
    let entered = |from| EventKind::Entered { from };
    web.worker(0, 1, Phase::Starting, EventKind::Spawned);
    web.wait(30).worker(0, 1, Phase::Started, entered(Phase::Starting));
    web.wait(1000).worker(0, 1, Phase::Stopping, entered(Phase::Started));
    web.wait(200).worker(0, 1, Phase::Stopped, entered(Phase::Stopping));
    web.worker(0, 1, Phase::ShuttingDown, entered(Phase::Stopped));
    web.wait(70).exited(0, 1, ExitReason::NormalExit, Some("drover"));
    // One that dies while it drains: its drain is over, too.
    web.worker(0, 2, Phase::Starting, EventKind::Spawned);
    web.worker(0, 2, Phase::Stopping, entered(Phase::Starting));
    web.wait(400).exited(0, 2, ExitReason::AbnormalExit { code: 1 }, None);
    web.app(EventKind::ReloadStarted { from: Generation(1), to: Generation(2), by: "x".into() });
    web.wait(90).app(EventKind::Committed { generation: Generation(2) });
    web.app(EventKind::ReloadStarted { from: Generation(2), to: Generation(3), by: "x".into() });
    let failure = Box::new(ReloadFailure::Deadline);
    web.wait(90).app(EventKind::ReloadRolledBack { to: Generation(2), failure });
    let text = web.text(Duration::ZERO);
    for (series, expected) in [
        (r#"drover_worker_start_seconds_count{app="web"}"#, 1.0),
        (r#"drover_worker_start_seconds_sum{app="web"}"#, 0.03),
        (r#"drover_worker_drain_seconds_count{app="web"}"#, 2.0),
        (r#"drover_worker_drain_seconds_sum{app="web"}"#, 0.2 + 0.4),
        (r#"drover_worker_leave_seconds_sum{app="web"}"#, 0.07),
        (r#"drover_reloads_total{app="web",result="committed"}"#, 1.0),
        (r#"drover_reloads_total{app="web",result="rolled_back"}"#, 1.0),
        (r#"drover_reload_duration_seconds_count{app="web"}"#, 2.0),
        (r#"drover_worker_start_seconds_bucket{le="0.025",app="web"}"#, 0.0),
        (r#"drover_worker_start_seconds_bucket{le="0.05",app="web"}"#, 1.0),
        (r#"drover_worker_drain_seconds_bucket{le="0.25",app="web"}"#, 1.0),
        (r#"drover_worker_drain_seconds_bucket{le="+Inf",app="web"}"#, 2.0),
        (r#"drover_worker_exits_total{app="web",slot="0",kind="normal_exit",asked="true"}"#, 1.0),
        (r#"drover_worker_restarts_total{app="web",slot="0",reason="requested"}"#, 1.0),
        (r#"drover_worker_cpu_seconds_total{app="web",slot="0"}"#, 0.5),
        ("drover_events_total", 13.0),
    ] {
        let found = value(&text, series).unwrap_or_else(|| panic!("{series}\n{text}"));
        assert!((found - expected).abs() < 1e-9, "{series}: {found}");
    }
}

#[test]
fn the_text_is_open_metrics_and_an_app_that_is_gone_has_no_series() {
    let mut web = Web::new();
    web.worker(0, 1, Phase::Starting, EventKind::Spawned);
    web.worker(0, 1, Phase::Started, EventKind::DeadlineMissed { missed: "ready in time" });
    let text = web.text(Duration::ZERO);
    assert!(text.ends_with("# EOF\n"), "{text}");
    for series in [
        r#"drover_build_info{version=""#,
        "drover_uptime_seconds 7",
        r#"drover_workers_desired{app="web"} 1"#,
        r#"drover_workers{app="web",phase="started"} 1"#,
        r#"drover_worker_ready{app="web",slot="0"} 1"#,
        r#"drover_worker_resident_memory_bytes{app="web",slot="0"} 4096"#,
        r#"drover_bus_messages_total{app="web"} 7"#,
        r#"drover_bus_payload_bytes_total{app="web"} 89"#,
        r#"drover_bus_refused_total{app="web"} 1"#,
        r#"drover_log_lines_total{app="web"} 12"#,
        r#"drover_log_printed_bytes_total{app="web"} 345"#,
        r#"drover_log_lines_lost_total{app="web",by="file"} 2"#,
        r#"drover_log_lines_lost_total{app="web",by="journal"} 4"#,
        r#"drover_log_lines_lost_total{app="web",by="reader"} 6"#,
        r#"drover_deadlines_missed_total{app="web",missed="ready in time"} 1"#,
    ] {
        assert!(text.contains(&format!("\n{series}")), "{series}\n{text}");
    }
    assert!(!web.prometheus().contains("# EOF"));
    let measured = Measured {
        counts: &mut web.counts,
        snapshots: vec![snapshot("mail")],
        traffic: Vec::new(),
        usage: HashMap::new(),
        uptime: Duration::ZERO,
    };
    let text = super::text(TextForm::OpenMetrics, measured).unwrap();
    assert!(!text.contains(r#"app="web""#), "{text}");
}

#[test]
fn readings_of_workers_are_summed_by_slot_and_no_process_is_told_apart() {
    let mut shot = snapshot("web");
    let gauges = |value| WorkerGauges::of([("queue_length", value), ("lag", f64::NAN)]);
    shot.workers[0].gauges = gauges(2.5);
    let mut incoming = shot.workers[0].clone();
    (incoming.pid, incoming.gauges) = (Some(1002), gauges(4.0));
    shot.workers.push(incoming);
    let measured = Measured {
        counts: &mut EventCounts::default(),
        snapshots: vec![shot],
        traffic: Vec::new(),
        usage: HashMap::new(),
        uptime: Duration::ZERO,
    };
    let text = text(TextForm::OpenMetrics, measured).unwrap();
    assert_eq!(value(&text, r#"drover_worker_reading{app="web",slot="0",name="queue_length"}"#), Some(6.5));
    assert_eq!(value(&text, r#"drover_worker_readings_refused{app="web",slot="0"}"#), Some(2.0));
    assert!(!text.contains("NaN") && !text.contains("lag"), "{text}");
}

#[test]
fn a_scraper_gets_the_form_that_it_asks_for() {
    for (accept, expected) in [
        (None, TextForm::Prometheus),
        (Some("*/*"), TextForm::Prometheus),
        (Some("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"), TextForm::OpenMetrics),
    ] {
        assert_eq!(TextForm::of(accept), expected, "{accept:?}");
    }
}
