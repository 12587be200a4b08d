//! What processes use of the machine, as the kernel counts it.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

/// What a process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessUsage {
    /// Its own CPU time, and that of children it has waited for.
    pub cpu: Duration,
    /// Its own alone, which does not jump when a child ends.
    pub own_cpu: Duration,
    /// Its resident set, in bytes; pages that it shares count in full.
    pub resident: u64,
}

impl ProcessUsage {
    /// The part of one CPU that it used on average in that time, in percent.
    #[must_use]
    pub fn cpu_percent(&self, lived: Duration) -> f64 {
        // The kernel counts in ticks, and may be one ahead of a process that has just begun.
        self.cpu.as_secs_f64() / lived.max(TICK).as_secs_f64() * 100.0
    }
}

/// A tick of USER_HZ, which is 100 on every architecture that Linux has today.
const TICK: Duration = Duration::from_millis(10);

/// What each of these uses; those that are gone, or that this process may not look at, are left out. Reads `/proc`, some 10 µs for
/// each: not for a thread that others wait for.
#[must_use]
pub fn usage_of(pids: impl IntoIterator<Item = u32>) -> HashMap<u32, ProcessUsage> {
    let (ticks, page) = (conf(SysconfVar::CLK_TCK, 100), conf(SysconfVar::PAGE_SIZE, 4096));
    pids.into_iter().filter_map(|pid| Some((pid, read(pid, ticks, page)?))).collect()
}

fn conf(variable: SysconfVar, usual: u64) -> u64 {
    sysconf(variable)
        .ok()
        .flatten()
        .and_then(|value| u64::try_from(value).ok())
        .filter(|value| *value > 0)
        .unwrap_or(usual)
}

/// `proc_pid_stat(5)`: utime, stime, cutime and cstime are fields 14 to 17, rss, in pages, is field 24.
fn read(pid: u32, ticks: u64, page: u64) -> Option<ProcessUsage> {
    // 52 numbers of at most 20 digits, and a name of 64 bytes.
    let mut text = [0; 1200];
    let length = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut text).ok()?;
    // The second field, a name, may have anything in it, also what is not UTF-8.
    let after_name = text[..length].iter().rposition(|byte| *byte == b')')? + 2;
    let fields: Vec<&str> = str::from_utf8(text.get(after_name..length)?).ok()?.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let (own, of_children) = (field(14)? + field(15)?, field(16)? + field(17)?);
    let time = |used: u64| Duration::from_nanos(used.saturating_mul(1_000_000_000 / ticks));
    let (cpu, own_cpu) = (time(own + of_children), time(own));
    Some(ProcessUsage { cpu, own_cpu, resident: field(24)? * page })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_use_of_this_process_is_known_and_that_of_none_is_not() {
        let own = std::process::id();
        // No process has a number above 2^22 (`pid_max` of proc(5)).
        let usage = usage_of([own, 1 << 23]);
        assert_eq!(usage.len(), 1);
        assert!(usage[&own].resident > 100 * 1024, "{usage:?}");
    }

    #[test]
    fn cpu_time_that_was_used_is_counted() {
        let own = std::process::id();
        let used = || usage_of([own])[&own].cpu;
        let before = used();
        while used() < before + Duration::from_millis(30) {
            std::hint::black_box((0..100_000_u64).sum::<u64>());
        }
    }
}
