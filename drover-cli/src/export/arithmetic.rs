//! Who waits for whom at a stop: workers, the master, and what runs the master; each has to be the more patient one.

use std::time::Duration;

use drover_master::config::file::Config;

use super::ExportTarget;
use crate::grace::{chain_of, quit_of, start_of, stop_of};

/// How much longer the one above waits: time to report what hung, and to be late on a busy machine.
const SPARE: Duration = Duration::from_secs(5);

/// What is reckoned for the work of a oneshot that has no limit.
const UNBOUNDED: Duration = Duration::from_secs(300);

/// The times of a file.
#[derive(Debug)]
pub(super) struct Arithmetic {
    /// How long each app may take to stop, in words, longest first.
    apps: Vec<(Duration, String)>,
    /// The longest of them, with those that leave before it.
    workers: Duration,
    /// `stop.pre_delay`, the longest.
    pre_delay: Duration,
    /// `master.shutdown_timeout`.
    master: Duration,
    /// How long what runs the master has to wait.
    pub(super) grace: u64,
    /// How long it may take until everything is ready, in seconds.
    pub(super) start: u64,
}

impl Arithmetic {
    pub(super) fn of(config: &Config) -> Self {
        let specs = || config.apps.iter().map(|app| &app.spec);
        let one = |app: &drover_master::config::AppSpec| {
            let (stop, own) = (&app.stop, stop_of(app));
            let (whole, after) = chain_of(app, config);
            let quit = quit_of(app);
            let parts = [
                ("pre_delay", stop.pre_delay),
                ("drain", stop.drain_timeout),
                ("quit", quit),
                ("term", stop.term_timeout),
            ];
            let sum: Vec<String> = parts
                .iter()
                .filter(|(_, time)| !time.is_zero())
                .map(|(name, time)| format!("{name} {time:?}"))
                .collect();
            let chain = if after.is_empty() {
                String::new()
            } else {
                format!(", {whole:?} with {after}, stopped before it")
            };
            (whole, format!("app `{}`: {} = {own:?}{chain}", app.name, sum.join(" + ")))
        };
        let mut apps: Vec<_> = specs().map(one).collect();
        apps.sort_by_key(|(whole, _)| std::cmp::Reverse(*whole));
        let workers = apps.first().map_or(Duration::ZERO, |(whole, _)| *whole);
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
        }
    }

    /// The sum, and what is wrong with it.
    pub(super) fn notes(&self, target: ExportTarget) -> Vec<String> {
        let key = match target {
            ExportTarget::Systemd => "TimeoutStopSec",
            ExportTarget::Compose => "stop_grace_period",
            ExportTarget::Kubernetes => "terminationGracePeriodSeconds",
        };
        let mut notes: Vec<String> = self.apps.iter().map(|(_, words)| words.clone()).collect();
        let pre_delay = if self.pre_delay.is_zero() {
            String::new()
        } else {
            format!(" + pre_delay {:?}", self.pre_delay)
        };
        notes.push(format!(
            "master.shutdown_timeout {:?}{pre_delay} + {SPARE:?} = {key} {}s",
            self.master, self.grace
        ));
        if self.workers >= self.master {
            let raised = seconds(self.workers.saturating_add(SPARE));
            notes.push(format!(
                "workers may take {:?} and the master waits {:?}, so some are killed: raise master.shutdown_timeout to {raised}s, and export again",
                self.workers, self.master
            ));
        }
        notes
    }
}

/// Whole seconds, not less.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
