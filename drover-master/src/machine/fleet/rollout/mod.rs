//! Workers are replaced by others while the app runs: a reload, a restart beside, or the change of one that has served long.
//!
//! ```text
//!             ┌──────────────── promoted ─────────────────┐
//!             ▼   the canaries are ready; or paused     │
//!  begun ──► Forward ─────────────────────────────────► Held
//!             │ │                                         │ aborted; a canary failed
//!             │ │ one failed, the time is over, aborted   ▼
//!             │ └──────────────────────────────────────► Back ──► the old generation is whole again: rolled back
//!             ▼
//!        every slot is replaced: committed ──► the last old ones drain ──► done
//! ```
//!
//! A slot in it:
//!
//! ```text
//!  start-first:  pending ──────────────────► Queued ──► Starting ──ready──► Soaking ──lived──► replaced: the old one drains
//!  stop-first:   pending ──► Emptying ──gone──► ▲
//! ```
//!
//! Until a slot is replaced its old worker is its occupant, healed as ever; a replacement is nobody's until then, and whatever
//! ends it is its failure. From then on the old worker is only *leaving*: no slot knows it, and it is reaped like every other.
//! Going back is the same way with the generations exchanged.
//!
//! One rollout at a time: see [`waiting`](super::waiting) for what comes meanwhile.

mod failing;
mod request;
mod stepping;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

pub use request::ReloadPlan;

use super::StartFailure;
use crate::config::AppSpec;
use crate::config::UpdatePolicy;
use crate::ids::{Generation, SlotIndex, TicketId, WorkerId};

/// What workers of one generation have in common.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Release {
    /// Its number.
    pub generation: Generation,
    /// How they live.
    #[serde(with = "crate::written")]
    pub spec: Arc<AppSpec>,
}

/// The same generation is the same release.
impl PartialEq for Release {
    fn eq(&self, other: &Self) -> bool {
        self.generation == other.generation && Arc::ptr_eq(&self.spec, &other.spec)
    }
}

/// Replacements under way.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Rollout {
    /// Whoever waits for the verdict.
    pub(super) tickets: Vec<TicketId>,
    pub(super) by: Arc<str>,
    pub(super) policy: UpdatePolicy,
    pub(super) aim: Aim,
    pub(super) stage: RolloutStage,
    /// Slots whose turn has not come.
    pub(super) pending: BTreeSet<SlotIndex>,
    pub(super) incoming: BTreeMap<SlotIndex, Incoming>,
    /// Slots that were replaced.
    pub(super) replaced: BTreeSet<SlotIndex>,
    /// Slots that made room in vain, or whose new worker ended: they get one of the old generation again.
    pub(super) returning: BTreeSet<SlotIndex>,
    /// Those that drain since they were replaced.
    pub(super) leaving: BTreeSet<WorkerId>,
    /// This many are replaced, then it holds.
    pub(super) canary: Option<u32>,
    /// The worker that has served enough, if that is why.
    pub(super) recycles: Option<WorkerId>,
}

/// What slots are filled from.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) enum Aim {
    /// Another generation.
    Reload(Release),
    /// Each from its own.
    Renewal,
}

/// Where a rollout stands.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) enum RolloutStage {
    Forward,
    /// It waits for somebody to promote or abort it. With the failure that paused it; without one, canaries stand.
    Held(Option<ReloadFailure>),
    /// Whoever asked for that waits too.
    Back {
        failure: ReloadFailure,
        aborted_by: Vec<TicketId>,
    },
}

/// One that is to take its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Incoming {
    pub(super) at: ReplacementStep,
    /// Whether the slot's worker goes first.
    pub(super) stops_first: bool,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum ReplacementStep {
    /// The slot's worker leaves to make room.
    Emptying,
    /// It waits for its turn to start.
    Queued,
    /// It is not ready yet.
    Starting(WorkerId),
    /// It is ready, and has to live on for a while.
    Soaking(WorkerId),
}

impl ReplacementStep {
    pub(super) const fn worker(self) -> Option<WorkerId> {
        match self {
            Self::Starting(id) | Self::Soaking(id) => Some(id),
            Self::Emptying | Self::Queued => None,
        }
    }
}

/// Somebody waits for old workers to be gone: after the commit, when all else is done.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Drain {
    pub(super) tickets: Vec<TicketId>,
    pub(super) leaving: BTreeSet<WorkerId>,
}

/// Why replacements did not take over.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum ReloadFailure {
    /// One of them ended before it had proved itself, or before all had.
    Worker(StartFailure),
    /// They were not done in time.
    Deadline,
    /// A process that had to make room, or a replacement, outlived SIGKILL.
    Unkillable {
        /// Which one.
        pid: u32,
    },
    /// Somebody called it off.
    Aborted {
        /// Who.
        by: Arc<str>,
    },
}

impl ReloadFailure {
    /// The last lines that the failing worker wrote to stderr.
    pub fn last_words(&self) -> &[String] {
        match self {
            Self::Worker(failure) => &failure.exit.stderr_tail,
            Self::Deadline | Self::Unkillable { .. } | Self::Aborted { .. } => &[],
        }
    }
}

impl fmt::Display for ReloadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker(failure) => write!(f, "new {failure}"),
            Self::Deadline => f.write_str("it was not done in time (update.timeout)"),
            Self::Unkillable { pid } => write!(f, "process {pid} does not end, even by SIGKILL"),
            Self::Aborted { by } => write!(f, "aborted, asked by {by}"),
        }
    }
}

impl Rollout {
    /// Whether it changes something on its own; not while it is held.
    pub(super) const fn is_active(&self) -> bool {
        matches!(self.stage, RolloutStage::Forward | RolloutStage::Back { .. })
    }

    pub(super) const fn name(&self) -> &'static str {
        match (&self.stage, &self.aim) {
            (RolloutStage::Forward, Aim::Reload(_)) => "reload",
            (RolloutStage::Forward, Aim::Renewal) if self.recycles.is_some() => "recycle",
            (RolloutStage::Forward, Aim::Renewal) => "restart",
            (RolloutStage::Held(None), _) => "canary",
            (RolloutStage::Held(Some(_)), _) => "paused reload",
            (RolloutStage::Back { .. }, _) => "rollback",
        }
    }
}
