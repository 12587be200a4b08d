//! The steps of creating a process.

use std::fmt;

/// The steps of creating a process, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum SpawnStep {
    /// What the child needs, such as its pipes.
    Prepare,
    /// `fork(2)`.
    Fork,
    /// A session and in it a process group of its own.
    ProcessGroup,
    /// Signal mask and dispositions.
    Signals,
    /// The working directory.
    WorkingDirectory,
    /// Death with the master.
    ParentDeathSignal,
    /// A resource limit.
    Limits,
    /// The priority.
    Nice,
    /// How early it is taken when memory runs out.
    OomScoreAdj,
    /// Supplementary groups.
    Groups,
    /// The group.
    Group,
    /// The user.
    User,
    /// Standard streams and inherited sockets.
    Descriptors,
    /// `execve(2)`.
    Exec,
    /// `pidfd_open(2)`.
    Pidfd,
}

impl fmt::Display for SpawnStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prepare => "prepare",
            Self::Fork => "fork",
            Self::ProcessGroup => "process_group",
            Self::Signals => "signals",
            Self::WorkingDirectory => "working_directory",
            Self::ParentDeathSignal => "parent_death_signal",
            Self::Limits => "limits",
            Self::Nice => "nice",
            Self::OomScoreAdj => "oom_score_adj",
            Self::Groups => "groups",
            Self::Group => "group",
            Self::User => "user",
            Self::Descriptors => "descriptors",
            Self::Exec => "exec",
            Self::Pidfd => "pidfd",
        })
    }
}
