//! What processes use of the machine, between two looks or since they began.

use std::collections::HashMap;
use std::time::Duration;

use drover_master::usage::{ProcessUsage, usage_of};
use tokio::time::Instant;

/// What processes had used at a moment.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    at: Option<Instant>,
    used: HashMap<u32, ProcessUsage>,
}

impl Sample {
    /// Looks at these processes now. Those that are gone are left out.
    pub(crate) fn of(pids: impl IntoIterator<Item = u32>) -> Self {
        let used = usage_of(pids.into_iter().filter(|pid| *pid != 0));
        Self { at: Some(Instant::now()), used }
    }

    /// Whether it was taken at all.
    pub(crate) const fn is_there(&self) -> bool {
        self.at.is_some()
    }

    /// Whether it was taken that long ago, or never.
    pub(crate) fn is_older_than(&self, age: Duration) -> bool {
        self.at.is_none_or(|at| at.elapsed() >= age)
    }

    /// What each process that it knows had used.
    pub(crate) const fn used(&self) -> &HashMap<u32, ProcessUsage> {
        &self.used
    }

    /// The processes that it knows.
    #[cfg(feature = "tui")]
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.used.keys().copied()
    }

    /// The part of a CPU that a process used since, in percent, and its memory.
    pub(crate) fn usage_since(&self, before: &Self, pid: u32) -> Option<(f64, u64)> {
        let now = self.used.get(&pid)?;
        let earlier = before.used.get(&pid).unwrap_or(now).own_cpu;
        let passed = self.at?.duration_since(before.at?).as_secs_f64().max(0.001);
        Some((now.own_cpu.saturating_sub(earlier).as_secs_f64() / passed * 100.0, now.resident))
    }

    /// The same since its life began; or since `before`, if that knew it.
    pub(crate) fn usage_of_life(&self, before: &Self, pid: u32, lived: Duration) -> Option<(f64, u64)> {
        if before.used.contains_key(&pid) {
            return self.usage_since(before, pid);
        }
        let now = self.used.get(&pid)?;
        Some((now.cpu_percent(lived), now.resident))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_is_that_of_a_whole_life_until_there_is_an_earlier_look() {
        let look = |at: Instant, cpu: u64| {
            let cpu = Duration::from_millis(cpu);
            let used = ProcessUsage { cpu: cpu * 2, own_cpu: cpu, resident: 4096 };
            Sample { at: Some(at), used: HashMap::from([(7, used)]) }
        };
        let begun = Instant::now();
        let (first, second) = (look(begun, 100), look(begun + Duration::from_secs(1), 300));
        let lived = Duration::from_secs(2);
        // What children used counts in a life, and makes no jump between two looks.
        assert_eq!(first.usage_of_life(&Sample::default(), 7, lived), Some((10.0, 4096)));
        assert_eq!(second.usage_of_life(&first, 7, lived), Some((20.0, 4096)));
        assert_eq!(second.usage_of_life(&first, 8, lived), None);
    }
}
