//! Who waits for whom at a stop: workers, the master, and what runs the master; each has to be the more patient one.

use std::time::Duration;

use drover_master::config::file::Config;
use drover_master::config::{AppSpec, RestartWhen};
use serde_json::{Value, json};

use super::{Caveat, ExportTarget};
use crate::grace::{chain_of, quit_of, start_of, stop_of};

/// How much longer the one above waits: time to report what hung, and to be late on a busy machine.
const SPARE: Duration = Duration::from_secs(5);

/// What is reckoned for the work of a oneshot that has no limit.
const UNBOUNDED: Duration = Duration::from_secs(300);

/// The times of a file.
#[derive(Debug)]
pub(super) struct Arithmetic {
    /// How long each app may take to stop, longest first.
    apps: Vec<AppTimes>,
    /// The longest of them, with those that leave before it.
    workers: Duration,
    /// `stop.pre_delay`, the longest.
    pre_delay: Duration,
    /// `master.shutdown_timeout`.
    master: Duration,
    /// How long what runs the master has to wait, in seconds.
    pub(super) grace: u64,
    /// How long it may take until everything is ready, in seconds.
    pub(super) start: u64,
    /// How long an app may take to bring a failed worker back, in seconds.
    pub(super) mend: u64,
}

/// How long an app may take to stop.
#[derive(Debug)]
struct AppTimes {
    name: String,
    /// What its workers are given one after the other, by the names of the keys.
    parts: [(&'static str, Duration); 4],
    /// Their sum.
    own: Duration,
    /// With the apps that leave before it.
    whole: Duration,
    /// Those apps.
    after: String,
}

impl AppTimes {
    fn of(app: &AppSpec, config: &Config) -> Self {
        let stop = &app.stop;
        let (whole, after) = chain_of(app, config);
        let parts = [
            ("pre_delay", stop.pre_delay),
            ("drain", stop.drain_timeout),
            ("quit", quit_of(app)),
            ("term", stop.term_timeout),
        ];
        Self { name: app.name.clone(), parts, own: stop_of(app), whole, after }
    }

    fn sentence(&self) -> String {
        let sum: Vec<String> = self
            .parts
            .iter()
            .filter(|(_, time)| !time.is_zero())
            .map(|(name, time)| format!("{name} {time:?}"))
            .collect();
        let chain = match self.after.as_str() {
            "" => String::new(),
            after => format!(", {:?} with {after}, stopped before it", self.whole),
        };
        format!("app `{}`: {} = {:?}{chain}", self.name, sum.join(" + "), self.own)
    }

    fn json(&self) -> Value {
        let [pre_delay, drain, quit, term] = self.parts.map(|(_, time)| ms(time));
        let after: Vec<&str> = self.after.split(", ").filter(|name| !name.is_empty()).collect();
        json!({
            "app": self.name, "pre_delay_ms": pre_delay, "drain_ms": drain, "quit_ms": quit, "term_ms": term,
            "own_ms": ms(self.own), "whole_ms": ms(self.whole), "after": after,
        })
    }
}

impl Arithmetic {
    pub(super) fn of(config: &Config) -> Self {
        let specs = || config.apps.iter().map(|app| &app.spec);
        let mut apps: Vec<_> = specs().map(|app| AppTimes::of(app, config)).collect();
        apps.sort_by_key(|app| std::cmp::Reverse(app.whole));
        let workers = apps.first().map_or(Duration::ZERO, |app| app.whole);
        let pre_delay = specs().map(|app| app.stop.pre_delay).max().unwrap_or_default();
        let master = config.master.shutdown_timeout;
        let start = specs().map(|app| start_of(app, config, UNBOUNDED)).max().unwrap_or_default();
        Self {
            apps,
            workers,
            pre_delay,
            master,
            grace: seconds(master.saturating_add(pre_delay).saturating_add(SPARE)),
            start: seconds(start),
            mend: seconds(specs().map(mend_of).max().unwrap_or_default()),
        }
    }

    /// The sum, one line each.
    pub(super) fn sentences(&self, target: ExportTarget) -> Vec<String> {
        let mut lines: Vec<String> = self.apps.iter().map(AppTimes::sentence).collect();
        let pre_delay = match self.pre_delay {
            Duration::ZERO => String::new(),
            time => format!(" + pre_delay {time:?}"),
        };
        lines.push(format!(
            "master.shutdown_timeout {:?}{pre_delay} + {SPARE:?} = {} {}s",
            self.master,
            target.grace_key(),
            self.grace
        ));
        lines
    }

    /// What is wrong with the sum.
    pub(super) fn caveat(&self) -> Option<Caveat> {
        (self.workers >= self.master).then(|| {
            let raised = seconds(self.workers.saturating_add(SPARE));
            Caveat::new("master.shutdown_timeout", format!(
                "workers may take {:?} and the master waits {:?}, so some are killed: raise master.shutdown_timeout to {raised}s, and export again",
                self.workers, self.master
            ))
        })
    }

    pub(super) fn json(&self, target: ExportTarget) -> Value {
        let apps: Vec<Value> = self.apps.iter().map(AppTimes::json).collect();
        json!({
            "apps": apps, "workers_ms": ms(self.workers), "master_ms": ms(self.master),
            "pre_delay_ms": ms(self.pre_delay), "spare_ms": ms(SPARE),
            "grace_key": target.grace_key(), "grace_ms": self.grace.saturating_mul(1000),
            "start_ms": self.start.saturating_mul(1000),
        })
    }
}

/// From the end of a worker to its successor being ready: the longest pause, with its random part, and a start.
fn mend_of(app: &AppSpec) -> Duration {
    let backoff = &app.restart.backoff;
    match app.restart.when {
        RestartWhen::Never => Duration::ZERO,
        _ if app.start.timeout == Duration::MAX => UNBOUNDED,
        _ => backoff.max.mul_f64(1.0 + backoff.jitter).saturating_add(app.start.timeout),
    }
}

/// Whole seconds, not less.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
