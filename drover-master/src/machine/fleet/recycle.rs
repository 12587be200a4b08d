//! Workers that have served enough are replaced, one at a time, while nothing else changes the app; those with a socket that
//! was replaced, too.
//!
//! ```text
//!                   over a limit                its turn              the new one has its place
//!  serves by a draw ─────────────► waits (due) ─────────► is replaced ──────────────────────────► drains, then the next
//!                                    ▲  ▲                     │   │
//!                                    │  └── called off by ────┘   │ the new one failed: a pause, growing
//!                                    │      somebody's request    │
//!                                    └────────────────────────────┘
//! ```
//!
//! The replacement is a [rollout](super::rollout) of one slot to its own generation. A request about single workers, or for
//! other policies, calls it off; a reload and a change of scale wait for its end as for that of every rollout. Its
//! deadlines are kept apart from the others: nobody waits for them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::recycle_reason::RecycleReason;
use super::rollout::Aim;
use super::{EventKind, Fleet, ReloadFailure, Rollout, SlotState};
use crate::config::{Kind, RecyclePolicy};
use crate::ids::WorkerId;
use crate::machine::backoff;
use crate::machine::deadlines::{Deadlines, after};
use crate::machine::gate::Doing;
use crate::machine::phase::Phase;
use crate::machine::worker::Worker;
use crate::written::Plain;

/// Whoever asks a worker to leave that has served enough, or its replacement that was called off.
const BY: &str = "recycling";

/// The least pause after a replacement that failed, whatever the restart policy says: nothing is broken that would have to be
/// mended at once.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// A worker that comes to its limit of memory sooner than this does not leak: it needs that much. A leak that is faster would have
/// to be replaced as often as a restart policy restarts what crashes.
const TOO_SOON: Duration = Duration::from_secs(60);

/// The longest pause between two replacements that are in vain.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Which worker to replace, and when to look again.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Recycling {
    /// What chance gave each worker that was ready, -1 to 1: where in the jitter its limits lie.
    #[serde(with = "crate::written")]
    draws: BTreeMap<WorkerId, f64>,
    /// Those over a limit, each once, the longest waiting first. They stay until they are gone.
    due: VecDeque<(WorkerId, RecycleReason)>,
    /// The same, to be found at once: a busy worker tells four times a second that it is over.
    known: BTreeSet<WorkerId>,
    #[serde(with = "crate::written")]
    clocks: Deadlines<Clock>,
    /// Replacements that failed in a row.
    failures: u32,
    is_paused: bool,
    /// Workers in a row that came to their limit of memory too soon.
    in_vain: u32,
    /// None is replaced for its memory.
    is_memory_paused: bool,
}

/// What a deadline belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
enum Clock {
    Age(WorkerId),
    /// The pause after a failure.
    Pause,
    /// The pause after one that came to its limit of memory too soon.
    MemoryPause,
}

impl Plain for Clock {}

impl Recycling {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.clocks.next()
    }

    /// A worker is gone.
    pub(super) fn forget(&mut self, id: WorkerId) {
        self.draws.remove(&id);
        if self.known.remove(&id) {
            self.due.retain(|(due, _)| *due != id);
        }
        self.clocks.set(Clock::Age(id), None);
    }

    pub(super) fn add(&mut self, id: WorkerId, reason: RecycleReason) {
        if self.known.insert(id) {
            self.due.push_back((id, reason));
        }
    }
}

impl Fleet {
    /// A worker is ready: from now on it is watched, by limits of its own.
    pub(super) fn watch(&mut self, now: Instant, id: WorkerId) {
        if !matches!(self.doing, Doing::Starting | Doing::Started) {
            return;
        }
        let Some((policy, draw)) = self.limits_of(id) else { return };
        let since = self.workers.get(&id).and_then(Worker::started_at).unwrap_or(now);
        let due = policy.age.map(|age| after(since, drawn_age(age, &policy, draw)));
        self.recycling.clocks.set(Clock::Age(id), due);
        self.check_requests(id);
    }

    /// The policy that a worker that was ready lives by, and its draw.
    fn limits_of(&mut self, id: WorkerId) -> Option<(RecyclePolicy, f64)> {
        let worker = self.workers.get(&id)?;
        let spec = worker.spec();
        if !spec.recycle.is_set() || spec.kind != Kind::Service || worker.started_at().is_none() {
            return None;
        }
        let policy = spec.recycle.clone();
        let rng = &mut self.rng;
        let draw = *self.recycling.draws.entry(id).or_insert_with(|| 2.0 * rng.f64() - 1.0);
        Some((policy, draw))
    }

    /// A worker has told how it is.
    pub(super) fn check_requests(&mut self, id: WorkerId) {
        let Some((policy, draw)) = self.limits_of(id) else { return };
        let count = self.workers.get(&id).map_or(0, Worker::said_requests);
        if let Some(limit) = policy.requests.map(|limit| drawn(limit, &policy, draw))
            && count >= limit
        {
            self.recycling.add(id, RecycleReason::Requests { count, limit });
        }
    }

    /// Somebody has looked how much memory a worker holds.
    pub(super) fn measured(&mut self, now: Instant, id: WorkerId, rss: u64) {
        let Some((policy, draw)) = self.limits_of(id) else { return };
        if let Some(limit) = policy.rss.map(|limit| drawn(limit, &policy, draw))
            && rss > limit
            && !self.recycling.known.contains(&id)
        {
            let why = RecycleReason::Memory { rss, limit };
            self.recycling.add(id, why);
            self.pause_if_in_vain(now, id, why);
        }
    }

    /// To replace it would not help for long, so that is done less and less often, and said once.
    fn pause_if_in_vain(&mut self, now: Instant, id: WorkerId, why: RecycleReason) {
        let served = self.served(now, id);
        if self.recycling.is_memory_paused {
            return;
        }
        if served >= TOO_SOON {
            self.recycling.in_vain = 0;
            return;
        }
        let pause = TOO_SOON.saturating_mul(1 << self.recycling.in_vain.min(10)).min(LONGEST_PAUSE);
        if self.recycling.in_vain == 0 {
            self.publish_worker(id, Phase::Started, EventKind::RecyclingInVain { why, served, pause });
        }
        self.recycling.in_vain = self.recycling.in_vain.saturating_add(1);
        self.recycling.is_memory_paused = true;
        self.recycling.clocks.set(Clock::MemoryPause, Some(after(now, pause)));
    }

    pub(super) fn recycling_time_passed(&mut self, now: Instant) {
        while let Some(clock) = self.recycling.clocks.pop_due(now) {
            match clock {
                Clock::Pause => self.recycling.is_paused = false,
                Clock::MemoryPause => self.recycling.is_memory_paused = false,
                Clock::Age(id) => {
                    let Some((policy, draw)) = self.limits_of(id) else { continue };
                    if let Some(limit) = policy.age.map(|age| drawn_age(age, &policy, draw)) {
                        self.recycling.add(id, RecycleReason::Age { age: self.served(now, id), limit });
                    }
                }
            }
        }
    }

    fn served(&self, now: Instant, id: WorkerId) -> Duration {
        let since = self.workers.get(&id).and_then(Worker::started_at);
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Begins to replace the first that waits, if nothing else is under way. Tells whether it has.
    pub(super) fn recycle(&mut self, now: Instant) -> bool {
        let is_quiet = self.doing == Doing::Started
            && !self.is_busy()
            && self.rollout.is_none()
            && self.waiting.is_empty()
            && !self.recycling.is_paused;
        if self.recycling.due.is_empty() || !is_quiet || self.is_draining() {
            return false;
        }
        let may_be = |reason: &RecycleReason| {
            !self.recycling.is_memory_paused || !matches!(reason, RecycleReason::Memory { .. })
        };
        let mut due = self.recycling.due.iter();
        let found = due.find(|(id, reason)| may_be(reason) && self.may_be_recycled(*id)).copied();
        let Some((id, reason)) = found else { return false };
        let Some(worker) = self.workers.get(&id) else { return false };
        let (slot, policy) = (worker.identity().slot, worker.spec().update.clone());
        let why = match reason {
            // It waited for its turn.
            RecycleReason::Age { limit, .. } => RecycleReason::Age { age: self.served(now, id), limit },
            RecycleReason::Memory { .. } | RecycleReason::Requests { .. } | RecycleReason::Socket => reason,
        };
        self.publish_worker(id, Phase::Started, EventKind::Recycling { why });
        let by: Arc<str> = BY.into();
        self.begin_rollout(now, Vec::new(), Aim::Renewal, policy, None, [slot].into(), &by);
        if let Some(rollout) = &mut self.rollout {
            rollout.recycles = Some(id);
        }
        true
    }

    /// What is suspended, stopped or leaves already is left alone.
    fn may_be_recycled(&self, id: WorkerId) -> bool {
        let Some(worker) = self.workers.get(&id) else { return false };
        let slot = worker.identity().slot;
        worker.phase() == Phase::Started
            && !worker.is_ending()
            && !worker.is_dead()
            && !self.is_suspended(slot)
            && self.may_be_replaced(slot)
            && self.slots[slot.0 as usize].state == SlotState::Occupied(id)
    }

    /// Whether workers of rollouts that are through still leave. Nobody waits for what outlived SIGKILL.
    fn is_draining(&self) -> bool {
        let mut leaving = self.drains.iter().flat_map(|drain| &drain.leaving);
        leaving.any(|id| self.workers.get(id).is_some_and(|worker| !worker.is_unkillable()))
    }

    /// What is under way to replace a worker that has served enough gives way to what somebody asks for.
    pub(super) fn call_off_recycling(&mut self, now: Instant, by: &Arc<str>) {
        if self.rollout.as_ref().is_some_and(Rollout::is_recycling) {
            self.give_up_renewal(now, ReloadFailure::Aborted { by: Arc::clone(by) });
        }
    }

    /// The new one has its place.
    pub(super) fn recycled(&mut self) {
        self.recycling.failures = 0;
    }

    /// The worker stays. Others that wait come first when it is tried again.
    pub(super) fn recycling_failed(&mut self, now: Instant, id: WorkerId, failure: ReloadFailure) {
        if matches!(failure, ReloadFailure::Aborted { .. }) {
            return;
        }
        if let Some(at) = self.recycling.due.iter().position(|(due, _)| *due == id)
            && let Some(entry) = self.recycling.due.remove(at)
        {
            self.recycling.due.push_back(entry);
        }
        let policy = self.current.spec.restart.backoff.clone();
        let pause = backoff::delay(&policy, self.recycling.failures, &mut self.rng).max(LEAST_PAUSE);
        self.recycling.failures = self.recycling.failures.saturating_add(1);
        self.recycling.is_paused = true;
        self.recycling.clocks.set(Clock::Pause, Some(after(now, pause)));
        self.publish_app(EventKind::RecyclingFailed { failure: Box::new(failure), pause });
    }

    /// Other limits hold: everything is looked at again. Each worker keeps its draw.
    pub(super) fn watch_all(&mut self, now: Instant) {
        let Recycling { draws, due, .. } = std::mem::take(&mut self.recycling);
        self.recycling = Recycling { draws, ..Recycling::default() };
        // Whatever the limits are.
        for (id, reason) in due.into_iter().filter(|(_, reason)| *reason == RecycleReason::Socket) {
            self.recycling.add(id, reason);
        }
        let mut ready: Vec<WorkerId> = self.workers.keys().copied().collect();
        ready.sort_unstable();
        for id in ready {
            self.watch(now, id);
        }
    }

    /// The app ends.
    pub(super) fn recycle_no_more(&mut self) {
        self.recycling = Recycling::default();
    }
}

impl Rollout {
    /// Whether it replaces a worker that has served enough.
    pub(super) const fn is_recycling(&self) -> bool {
        self.recycles.is_some()
    }
}

/// Where a limit lies for whoever drew this; at least 1.
fn drawn(limit: u64, policy: &RecyclePolicy, draw: f64) -> u64 {
    // What no f64 holds exactly is off by less than any jitter.
    ((limit as f64 * policy.jitter.mul_add(draw, 1.0)) as u64).max(1)
}

fn drawn_age(age: Duration, policy: &RecyclePolicy, draw: f64) -> Duration {
    let seconds = age.as_secs_f64() * policy.jitter.mul_add(draw, 1.0);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_lies_within_its_jitter_and_is_never_nothing() {
        let jitter = |jitter| RecyclePolicy { jitter, ..RecyclePolicy::default() };
        assert_eq!(drawn(1000, &jitter(0.0), -1.0), 1000);
        assert_eq!([-1.0, 0.0, 1.0].map(|draw| drawn(1000, &jitter(0.1), draw)), [900, 1000, 1100]);
        assert_eq!((drawn(1, &jitter(1.0), -1.0), drawn(u64::MAX, &jitter(1.0), 1.0)), (1, u64::MAX));
        assert_eq!(drawn_age(Duration::MAX, &jitter(1.0), 1.0), Duration::MAX);
        assert_eq!(drawn_age(Duration::from_secs(10), &jitter(0.5), -1.0), Duration::from_secs(5));
        assert!(!drawn_age(Duration::from_secs(1), &jitter(1.0), -1.0).is_zero());
    }
}
