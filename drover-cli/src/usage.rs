//! What processes use of the machine, by /proc.

use std::collections::HashMap;
use std::fs;
use std::sync::OnceLock;

use tokio::time::Instant;

/// Ticks of `proc_pid_stat(5)` in a second: USER_HZ, which is 100 on every architecture that Linux has today.
const TICKS: f64 = 100.0;

/// What processes had used at a moment: CPU in ticks, and memory in bytes.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    at: Option<Instant>,
    used: HashMap<u32, (u64, u64)>,
}

impl Sample {
    /// Looks at these processes now. Those that are gone are left out.
    pub(crate) fn of(pids: impl IntoIterator<Item = u32>) -> Self {
        let pids = pids.into_iter().filter(|pid| *pid != 0);
        let used = pids.filter_map(|pid| Some((pid, used(pid)?))).collect();
        Self { at: Some(Instant::now()), used }
    }

    /// Whether it was taken at all.
    pub(crate) const fn is_there(&self) -> bool {
        self.at.is_some()
    }

    /// The processes that it knows.
    #[cfg(feature = "tui")]
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.used.keys().copied()
    }

    /// The part of a CPU that a process used since, in percent, and its memory.
    pub(crate) fn usage_since(&self, before: &Self, pid: u32) -> Option<(f64, u64)> {
        let (ticks, memory) = *self.used.get(&pid)?;
        let earlier = before.used.get(&pid).map_or(ticks, |(ticks, _)| *ticks);
        let passed = self.at?.duration_since(before.at?).as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "a few hundred ticks")]
        let percent = ticks.saturating_sub(earlier) as f64 / TICKS / passed * 100.0;
        Some((percent, memory))
    }
}

/// `proc_pid_stat(5)`: utime and stime are fields 14 and 15, rss, in pages, is field 24; the second, a name, may have spaces.
fn used(pid: u32) -> Option<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some((field(14)? + field(15)?, field(24)? * page_size()))
}

/// The kernel tells it with every mapping (`proc_pid_smaps(5)`). Read once: that takes longer than all the rest of a look.
fn page_size() -> u64 {
    static SIZE: OnceLock<u64> = OnceLock::new();
    *SIZE.get_or_init(|| {
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        let line = smaps.lines().find_map(|line| line.strip_prefix("KernelPageSize:"));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(4) * 1024
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_use_of_this_process_is_known() {
        let (_, memory) = used(std::process::id()).unwrap();
        assert!(memory > 100 * 1024, "{memory}");
    }
}
