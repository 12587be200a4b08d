//! What can be seen of an app: plain values, made from the machine's state.

use std::sync::Arc;
use std::time::Instant;

use super::rollout::ReplacementStep;
use super::slot::History;
use super::{CronStatus, Fleet, Outcome, SlotState, Tenure};
use crate::ids::{Generation, SlotIndex, WorkerId};
use crate::machine::exit::Exit;
use crate::machine::gate::Doing;
use crate::machine::phase::Phase;
use crate::machine::worker::{Worker, WorkerGauges};

/// An app as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppStatus {
    /// Where it stands.
    pub phase: Phase,
    /// How many workers it should have: its slots, but for those that were stopped by request.
    pub desired: u32,
    /// How many are ready.
    pub ready: u32,
    /// Counts its reloads, from 1.
    pub generation: Generation,
    /// What is under way, such as `start`.
    pub operation: Option<&'static str>,
    /// What was let in and has to wait, and for what; for people.
    pub queued: Option<String>,
    /// How it ended, if it has.
    pub outcome: Option<String>,
    /// Its runs, if it runs by a schedule. Then `ready` is as `desired` while its schedule is on.
    pub cron: Option<CronStatus>,
}

/// What a worker is to its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Role {
    /// The slot is its own; or it is the slot itself, and nobody is in it.
    Occupant,
    /// It is to take its place, and has to prove itself first.
    Incoming,
    /// Another has its place; it drains.
    Leaving,
}

impl Role {
    /// The word in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Occupant => "occupant",
            Self::Incoming => "incoming",
            Self::Leaving => "leaving",
        }
    }
}

/// A slot and the worker in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// What the worker is to the slot.
    pub role: Role,
    /// The worker; none if the slot is empty.
    pub id: Option<WorkerId>,
    /// The slot.
    pub slot: SlotIndex,
    /// The reload it belongs to.
    pub generation: Generation,
    /// Its process.
    pub pid: Option<u32>,
    /// Where it stands; of an empty slot, how that stands.
    pub phase: Phase,
    /// Since when the process exists.
    pub since: Option<Instant>,
    /// How often a worker was started in this slot after the first.
    pub restarts: u64,
    /// The next try, while backing off.
    pub next_try: Option<Instant>,
    /// How the slot's last worker ended.
    pub last_exit: Option<Arc<Exit>>,
    /// What the worker last said of itself.
    pub status_text: String,
    /// Why the worker is not ready though it is started, as it failed its readiness when it was asked last.
    pub unready: Option<Arc<str>>,
    /// Requests under way, if the worker says.
    pub in_flight: Option<u64>,
    /// What the worker measures of itself.
    pub gauges: WorkerGauges,
    /// Until when the master waits for what the worker is to do next, if it waits.
    pub waited_for_until: Option<Instant>,
}

impl Fleet {
    /// The app as a whole.
    pub fn status(&self) -> AppStatus {
        AppStatus {
            phase: self.phase(),
            desired: (self.members - self.counts.held) as u32,
            ready: if self.is_cron() { self.is_on_schedule().into() } else { self.ready() as u32 },
            generation: self.current.generation,
            operation: match self.doing {
                Doing::Idle | Doing::Started => self.operation_name(),
                Doing::Starting => Some("start"),
                Doing::Stopping => Some("shutdown"),
                Doing::Killing => Some("kill"),
            },
            queued: self.queued(),
            outcome: self.outcome.as_ref().filter(|_| self.doing == Doing::Idle).map(Outcome::to_string),
            cron: self.cron_status(),
        }
    }

    /// The generation that the app is of: the newest that was committed.
    pub const fn generation(&self) -> Generation {
        self.current.generation
    }

    /// Where the app stands.
    pub fn phase(&self) -> Phase {
        match self.doing {
            Doing::Idle => match &self.outcome {
                None => Phase::Initialized,
                Some(outcome) if outcome.is_success() => Phase::ShutDown,
                Some(_) => Phase::Failed,
            },
            Doing::Starting => Phase::Starting,
            Doing::Started => Phase::Started,
            Doing::Stopping | Doing::Killing => Phase::ShuttingDown,
        }
    }

    /// What the app is doing.
    pub const fn doing(&self) -> Doing {
        self.doing
    }

    /// A slot and the worker in it.
    pub fn worker_status(&self, index: SlotIndex) -> Option<WorkerStatus> {
        let slot = self.slots.get(index.0 as usize).filter(|slot| slot.state != SlotState::Retired)?;
        let worker = match slot.state {
            SlotState::Occupied(id) => self.workers.get(&id),
            _ => None,
        };
        let generation = worker.map_or(slot.release.generation, |worker| worker.identity().generation);
        Some(WorkerStatus {
            role: Role::Occupant,
            id: worker.map(|worker| worker.identity().id),
            slot: index,
            generation,
            pid: worker.and_then(Worker::pid),
            phase: worker.map_or_else(|| slot.phase(), Worker::phase),
            since: worker.and_then(Worker::spawned_at),
            restarts: slot.restarts,
            next_try: match slot.state {
                SlotState::BackingOff { until } => Some(until),
                _ => None,
            },
            last_exit: slot.last_exit().cloned(),
            status_text: worker.map_or_else(String::new, |worker| worker.said_status().0.to_owned()),
            unready: worker.and_then(Worker::unready).cloned(),
            in_flight: worker.and_then(|worker| worker.said_status().1),
            gauges: worker.map(|worker| worker.said_gauges().clone()).unwrap_or_default(),
            waited_for_until: worker.and_then(Worker::waited_for_until),
        })
    }

    /// Everybody who has to do with a slot: first what it holds, then who is to take its place, then who drains.
    pub fn rows(&self, slot: SlotIndex) -> Vec<WorkerStatus> {
        let mut rows: Vec<WorkerStatus> = self.worker_status(slot).into_iter().collect();
        let others = self.others.get(&slot).into_iter().flatten();
        rows.extend(others.filter_map(|id| self.row_of(slot, *id)));
        rows.sort_by_key(|row| row.role);
        rows
    }

    fn row_of(&self, slot: SlotIndex, id: WorkerId) -> Option<WorkerStatus> {
        let worker = self.workers.get(&id)?;
        let role = match self.tenure(id, slot) {
            Tenure::Occupant => return None,
            Tenure::Incoming => Role::Incoming,
            Tenure::Leaving => Role::Leaving,
        };
        let (text, in_flight) = worker.said_status();
        Some(WorkerStatus {
            role,
            id: Some(id),
            slot,
            generation: worker.identity().generation,
            pid: worker.pid(),
            phase: worker.phase(),
            since: worker.spawned_at(),
            restarts: 0,
            next_try: None,
            last_exit: None,
            status_text: text.to_owned(),
            unready: worker.unready().cloned(),
            in_flight,
            gauges: worker.said_gauges().clone(),
            waited_for_until: worker.waited_for_until(),
        })
    }

    /// How many workers serve in a place of their own. One that is to prove itself does not count yet.
    pub(super) fn ready(&self) -> usize {
        self.counts.ready - self.proving(Worker::is_ready)
    }

    /// How many have a place of their own, and were ready.
    pub(super) fn unready(&self) -> usize {
        self.counts.unready - self.proving(|worker| worker.phase() == Phase::Started && !worker.is_ready())
    }

    /// How many of those that are to prove themselves are so.
    fn proving(&self, is_so: impl Fn(&Worker) -> bool) -> usize {
        let Some(rollout) = &self.rollout else { return 0 };
        if rollout.policy.soak.is_zero() {
            // Then each has its place as soon as it is ready.
            return 0;
        }
        let proves =
            |step| matches!(step, ReplacementStep::Soaking(id) if self.workers.get(&id).is_some_and(&is_so));
        rollout.incoming.values().filter(|incoming| proves(incoming.at)).count()
    }

    /// How the last workers of a slot ended, oldest first; also of a slot that the app has lost by a change of scale.
    pub fn history(&self, slot: SlotIndex) -> Vec<Arc<Exit>> {
        let of_slot = self.slots.get(slot.0 as usize).filter(|slot| slot.state != SlotState::Retired);
        of_slot
            .map(|slot| &slot.history)
            .or_else(|| self.past.get(&slot))
            .map_or_else(Vec::new, History::ends)
    }

    /// Every slot, those included that the app is about to lose.
    pub fn slots(&self) -> Vec<SlotIndex> {
        let there = self.slots.iter().filter(|slot| slot.state != SlotState::Retired);
        there.map(|slot| slot.index).collect()
    }

    /// The slots whose status has changed since this was last asked.
    pub fn take_changed(&mut self) -> Vec<SlotIndex> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        changed
    }

    /// The living worker with this id.
    pub fn worker(&self, id: WorkerId) -> Option<&Worker> {
        self.workers.get(&id)
    }

    /// Every living worker.
    pub fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.workers.values()
    }

    /// News that came for workers that were gone.
    #[cfg(test)]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}
