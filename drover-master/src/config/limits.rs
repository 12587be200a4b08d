//! Limits of a worker: of resources, of its share of the CPU, and how it is chosen when memory runs out.

use std::fmt;

/// What the kernel limits for a process (`getrlimit(2)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Resource {
    /// Address space, in bytes. Too low, and the program can't even be loaded.
    AddressSpace,
    /// The size of a core dump, in bytes; 0 is none.
    Core,
    /// CPU time, in seconds. At the soft limit comes SIGXCPU each second, at the hard one SIGKILL.
    Cpu,
    /// Initialised data and heap, in bytes.
    Data,
    /// The size of a file it writes, in bytes. Beyond it comes SIGXFSZ.
    FileSize,
    /// Memory that it may lock, in bytes.
    Memlock,
    /// POSIX message queues of its user, in bytes.
    MessageQueues,
    /// Descriptors. A program that still uses `select(2)` breaks above 1024.
    OpenFiles,
    /// Processes and threads of its user on the whole host, not of the worker alone.
    Processes,
    /// The highest real-time priority.
    RealtimePriority,
    /// Queued signals of its user.
    PendingSignals,
    /// The stack of its first thread, in bytes; many programs take it for all threads.
    Stack,
}

impl Resource {
    /// Every resource, by name.
    pub const ALL: [Self; 12] = [
        Self::AddressSpace,
        Self::Core,
        Self::Cpu,
        Self::Data,
        Self::FileSize,
        Self::Memlock,
        Self::MessageQueues,
        Self::OpenFiles,
        Self::Processes,
        Self::RealtimePriority,
        Self::PendingSignals,
        Self::Stack,
    ];

    /// Its name as the kernel has it, in lower case and without `RLIMIT_`: `nofile`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddressSpace => "as",
            Self::Core => "core",
            Self::Cpu => "cpu",
            Self::Data => "data",
            Self::FileSize => "fsize",
            Self::Memlock => "memlock",
            Self::MessageQueues => "msgqueue",
            Self::OpenFiles => "nofile",
            Self::Processes => "nproc",
            Self::RealtimePriority => "rtprio",
            Self::PendingSignals => "sigpending",
            Self::Stack => "stack",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The two values of a limit. The soft one holds; the program may raise it up to the hard one by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limit {
    /// What holds.
    pub soft: u64,
    /// How far the program may raise it; none: the master's own. Above the master's own it needs CAP_SYS_RESOURCE.
    pub hard: Option<u64>,
}

impl Limit {
    /// No limit at all.
    pub const UNLIMITED: u64 = u64::MAX;

    /// Soft and hard alike, so that the program can't raise it.
    pub const fn fixed(value: u64) -> Self {
        Self { soft: value, hard: Some(value) }
    }
}

/// What a worker is limited to. What is not named is inherited from the master.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Limits of resources; each at most once.
    pub resources: Vec<(Resource, Limit)>,
    /// Its share of the CPU beside others, from -20 (most) to 19 (least). Below the master's own it needs CAP_SYS_NICE.
    pub nice: Option<i32>,
    /// How early the kernel takes it when memory runs out, from -1000 (never) to 1000 (first). Below the master's own it
    /// needs CAP_SYS_RESOURCE.
    pub oom_score_adj: Option<i32>,
    /// Whether a worker whose limits can't be set is not started. Default: so. Otherwise it gets the nearest that can
    /// be had, and the difference is traced as a warning, once an app.
    pub is_required: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { resources: Vec::new(), nice: None, oom_score_adj: None, is_required: true }
    }
}

impl Limits {
    /// Adds a limit of a resource, or replaces it.
    #[must_use]
    pub fn with(mut self, resource: Resource, limit: Limit) -> Self {
        self.resources.retain(|(other, _)| *other != resource);
        self.resources.push((resource, limit));
        self
    }

    /// The first resource that is limited twice.
    pub(super) fn repeated(&self) -> Option<Resource> {
        let is_earlier =
            |at: usize, resource| self.resources[..at].iter().any(|(other, _)| other == resource);
        let mut resources = self.resources.iter().enumerate();
        resources.find(|(at, (resource, _))| is_earlier(*at, resource)).map(|(_, (resource, _))| *resource)
    }
}

/// A value for people.
pub(crate) fn shown(value: u64) -> String {
    if value == Limit::UNLIMITED { "unlimited".to_owned() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_given_again_replaces_the_first() {
        let limits = Limits::default()
            .with(Resource::OpenFiles, Limit::fixed(1))
            .with(Resource::OpenFiles, Limit::fixed(2));
        assert_eq!(limits.resources, [(Resource::OpenFiles, Limit::fixed(2))]);
    }
}
