//! What else the machine does meanwhile: a figure is worth little if others took the CPUs.

use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::{SysconfVar, sysconf};

use crate::sample::now;

/// The CPU time of the machine and of this benchmark, from one moment on.
#[derive(Debug)]
pub(crate) struct Others {
    begin: Instant,
    machine: f64,
    own: f64,
}

impl Others {
    pub(crate) fn watch() -> Self {
        Self { begin: now(), machine: machine(), own: own() }
    }

    /// The part of all CPUs that other programs have had since, in percent.
    pub(crate) fn share(&self) -> f64 {
        let cpus = std::thread::available_parallelism().map_or(1.0, |cpus| cpus.get() as f64);
        let others = (machine() - self.machine) - (own() - self.own);
        100.0 * others.max(0.0) / (self.begin.elapsed().as_secs_f64() * cpus)
    }
}

/// The seconds that all CPUs have worked: the first line of `/proc/stat`, but for idle and iowait (proc_stat(5)).
fn machine() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<f64> = ticks.take(8).filter_map(|ticks| ticks.parse().ok()).collect();
    let idle: f64 = ticks.iter().skip(3).take(2).sum();
    let a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().map_or(100.0, |ticks| ticks as f64);
    (ticks.iter().sum::<f64>() - idle) / a_second
}

/// The seconds of this process and of every child that has been reaped.
fn own() -> f64 {
    let used = |who| {
        let usage = getrusage(who).expect("both are known to every kernel");
        [usage.user_time(), usage.system_time()]
            .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
            .iter()
            .sum::<f64>()
    };
    used(UsageWho::RUSAGE_SELF) + used(UsageWho::RUSAGE_CHILDREN)
}
