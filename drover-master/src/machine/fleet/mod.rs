//! The slots of one app: filled, healed and emptied.
//!
//! ```text
//!              StartRequested                     every slot ready, completed or given up
//!        Idle ─────────────────────► Starting ──────────────────────────────────────► Started
//!          ▲                            │ a worker failed before it was ready,           │
//!          │                            │ or as from Started                             │
//!          │    every worker gone       ▼          Shutdown, Hurry; the policy stops it    │
//!          ├─────────────────────── Stopping ◄───────────────────────────────────────────┤
//!          │                            │ Kill                                           │
//!          │    every worker gone       ▼          Kill (from Starting too)              │
//!          ├─────────────────────── Killing ◄────────────────────────────────────────────┤
//!          └─────────────────────────────────────────────────────────────────────────────┘
//!                    every slot completed or given up (from Starting too)
//! ```
//!
//! Shutdown, Hurry and Kill are what [`EndRequested`](FleetInput::EndRequested) asks for; [`gate`](super::gate) is the
//! table of what is accepted when.
//!
//! A slot, while the app runs:
//!
//! ```text
//!  Empty ──start──► Queued ──► Occupied ──exit──► Undecided ──► BackingOff ──due──► Queued
//!                     ▲                               ├───────► Completed │ GivenUp
//!                     └──────────without a pause──────┘
//!
//!  a stop of the slot:   Held, at once or with the exit of its worker; a start of the slot: Queued, from wherever it is
//!  a restart of it:      Queued, with the exit of its worker
//!  an app that shrinks:  Retired, as with a stop, and then gone
//!  from every state, once the app is being ended:  Empty at once (but what was given up), or from Occupied with the exit
//! ```
//!
//! Every worker is in exactly one table from the moment its process is asked for until it is reaped: this one.

mod action;
mod counts;
mod cron;
mod ending;
mod event;
mod event_detail;
mod input;
mod news;
mod operation;
mod recycle;
mod recycle_reason;
mod renewal;
mod repeats;
mod reset;
mod rollout;
mod run;
mod scale;
mod self_reload;
mod slot;
mod starting;
mod status;
mod suspend;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use action::{FAILED_START, FleetAction, Outcome, StartFailure, Verdict};
use counts::Counts;
use cron::Agenda;
pub use event::{EventKind, FleetEvent};
pub use input::{ExitDecision, FleetInput};
use operation::Operation;
pub use operation::Target;
use recycle::Recycling;
pub use recycle_reason::RecycleReason;
pub use renewal::{SocketLoss, SocketRenewal};
use repeats::Repeats;
use rollout::{Drain, Rollout};
pub use rollout::{Release, ReloadFailure, ReloadPlan};
pub use run::{CronStatus, Run, RunFate, SkipReason};
pub use scale::Count;
pub use self_reload::NotReloaded;
use self_reload::SelfReload;
use slot::History;
pub use slot::{Slot, SlotState};
pub use status::{AppStatus, Role, WorkerStatus};
use waiting::WaitingRequest;

use super::deadlines::Deadlines;
use super::gate::Doing;
use super::phase::Phase;
use super::restart::LeaveReason;
use super::worker::{Worker, WorkerInput};
use crate::config::AppSpec;
use crate::ids::{Generation, SlotIndex, TicketId, WorkerId};
use crate::written::Plain;

/// What a deadline belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
enum Timer {
    Worker(WorkerId),
    /// The next question about a worker's health.
    Health(WorkerId),
    /// The next try of an empty slot.
    Slot(SlotIndex),
    /// The proof of the one that is to take this slot.
    Soak(SlotIndex),
    /// All replacements together.
    Rollout,
}

impl Plain for Timer {}

/// What waits for its turn to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Place {
    /// A worker of the slot's own.
    Occupant(SlotIndex),
    /// One that is to take its place.
    Incoming(SlotIndex),
}

/// What a living worker is to its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tenure {
    Occupant,
    Incoming,
    Leaving,
}

/// One app's slots and workers.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Fleet {
    /// What slots are filled from, but in the course of a rollout.
    current: Release,
    /// The newest generation that was ever given out.
    newest: Generation,
    /// Whether the embedding program decides what follows an exit.
    has_hook: bool,
    #[serde(with = "crate::written")]
    rng: fastrand::Rng,

    doing: Doing,
    /// How the app will have ended: decided when its end begins, told when the last worker is gone.
    outcome: Option<Outcome>,
    slots: Vec<Slot>,
    /// How workers ended in slots that the app has lost.
    past: BTreeMap<SlotIndex, History>,
    /// How many of them the app should have.
    members: usize,
    workers: BTreeMap<WorkerId, Worker>,
    /// How many of them are of which generation.
    living: BTreeMap<Generation, usize>,
    /// Workers that are no occupant of their slot: to come, or leaving.
    others: BTreeMap<SlotIndex, BTreeSet<WorkerId>>,
    last_worker: u64,
    /// Slots that wait for their turn to start.
    queue: VecDeque<Place>,
    counts: Counts,
    /// Why the last slot was given up.
    gave_up_for: LeaveReason,
    #[serde(with = "crate::written")]
    timers: Deadlines<Timer>,
    start_tickets: Vec<TicketId>,
    stop_tickets: Vec<TicketId>,
    /// Operations on some slots that are not answered yet; one for each request, whose number the driver bounds.
    operations: Vec<Operation>,
    rollout: Option<Rollout>,
    self_reload: Option<SelfReload>,
    /// Old workers of rollouts that are through; one entry for each, and each ends with its workers.
    drains: Vec<Drain>,
    /// One of each kind at the most.
    waiting: VecDeque<WaitingRequest>,
    /// The slots in whose own queues connections waited when a change of scale was last asked for.
    queued: BTreeSet<SlotIndex>,
    recycling: Recycling,
    agenda: Agenda,

    actions: VecDeque<FleetAction>,
    /// Slots whose status has changed since it was last asked for.
    changed: Vec<SlotIndex>,
    /// News for workers that are gone.
    dropped: u64,
    /// What each living worker has said out of order, and was published: six kinds at the most.
    #[serde(with = "crate::written")]
    out_of_order: BTreeMap<WorkerId, Vec<&'static str>>,
    /// What each living worker has made happen again and again.
    repeats: BTreeMap<WorkerId, Repeats>,
    /// What was said out of order again, and was not published.
    repeated: u64,
}

impl Fleet {
    /// An app of `count` slots that does nothing yet. `rng` draws the jitter of its backoff and of the
    /// questions about its workers' health.
    pub fn new(spec: Arc<AppSpec>, count: u32, has_hook: bool, rng: fastrand::Rng) -> Self {
        let current = Release { generation: Generation(1), spec };
        Self {
            slots: (0..count).map(|index| Slot::new(SlotIndex(index), current.clone())).collect(),
            newest: current.generation,
            current,
            past: BTreeMap::new(),
            has_hook,
            rng,
            doing: Doing::Idle,
            outcome: None,
            members: count as usize,
            workers: BTreeMap::new(),
            living: BTreeMap::new(),
            others: BTreeMap::new(),
            last_worker: 0,
            queue: VecDeque::new(),
            counts: Counts::default(),
            gave_up_for: LeaveReason::Policy,
            timers: Deadlines::new(),
            start_tickets: Vec::new(),
            stop_tickets: Vec::new(),
            operations: Vec::new(),
            rollout: None,
            self_reload: None,
            drains: Vec::new(),
            waiting: VecDeque::new(),
            queued: BTreeSet::new(),
            recycling: Recycling::default(),
            agenda: Agenda::default(),
            actions: VecDeque::new(),
            changed: Vec::new(),
            dropped: 0,
            out_of_order: BTreeMap::new(),
            repeats: BTreeMap::new(),
            repeated: 0,
        }
    }

    /// Takes one input. Then take every [`poll_action`](Self::poll_action) and obey
    /// [`next_deadline`](Self::next_deadline).
    pub fn handle(&mut self, now: Instant, input: FleetInput) {
        match input {
            FleetInput::StartRequested { ticket } => self.start_requested(ticket),
            FleetInput::OperationRequested { ticket, request, target, by } => {
                self.operation_requested(now, ticket, request, target, by);
            }
            FleetInput::ScaleRequested { ticket, count, queued, by } => {
                self.queued = queued;
                self.scale_requested(now, ticket, count, &by);
            }
            FleetInput::ReloadRequested { ticket, reload, by } => {
                self.reload_requested(now, ticket, *reload, &by);
            }
            FleetInput::RenewalRequested { ticket, target, by } => {
                self.renewal_requested(now, ticket, target, &by);
            }
            FleetInput::AdjustmentRequested { ticket, release } => {
                self.adjustment_requested(now, ticket, release);
            }
            FleetInput::PromotionRequested { ticket, by } => self.promotion_requested(now, ticket, &by),
            FleetInput::AbortRequested { ticket, by } => self.abort_requested(now, ticket, &by),
            FleetInput::SignalRequested { ticket, target, signal, by } => {
                self.signal_requested(ticket, target, signal, &by);
            }
            FleetInput::ResetRequested { ticket, target, by } => self.reset_requested(ticket, target, &by),
            FleetInput::EndRequested { ticket, how, by } => self.end_requested(now, ticket, how, by),
            FleetInput::Worker { id, input } => self.worker_input(now, id, input),
            FleetInput::Measured { worker, rss } => self.measured(now, worker, rss),
            FleetInput::SocketRenewed { renewal, outdates_workers } => {
                self.socket_renewed(*renewal, outdates_workers);
            }
            FleetInput::ExitDecided { worker, decision } => self.exit_decided(now, worker, decision),
            FleetInput::ClockRead { wall } => self.clock_read(now, wall),
            FleetInput::TimePassed => self.time_passed(now),
            FleetInput::WasAway { by } => self.was_away(now, by, &WorkerInput::MasterWasAway { by }),
            // What each worker makes of it: `worker/replaced.rs`.
            FleetInput::MasterReplaced { by } => {
                self.was_away(now, by, &WorkerInput::MasterReplaced { by });
            }
        }
        self.go_on(now);
        self.keep_schedule(now);
        self.fill(now);
        self.answer_if_stuck();
        self.trim();
    }

    /// The next thing to be done, in order.
    pub fn poll_action(&mut self) -> Option<FleetAction> {
        self.actions.pop_front()
    }

    /// When [`FleetInput::TimePassed`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        [self.timers.next(), self.recycling.next_deadline(), self.agenda.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn time_passed(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Worker(id) => self.worker_input(now, id, WorkerInput::DeadlinePassed),
                Timer::Health(id) => self.worker_input(now, id, WorkerInput::TryDue),
                Timer::Slot(slot) => self.retry_due(slot),
                Timer::Soak(slot) => self.take_over(now, slot),
                Timer::Rollout => self.rollout_overdue(now),
            }
        }
        self.recycling_time_passed(now);
    }

    /// Nobody was heard meanwhile: nobody was late. Pauses go on, they are no one's limit. Every worker is told.
    fn was_away(&mut self, now: Instant, by: Duration, told: &WorkerInput) {
        let ids: Vec<WorkerId> = self.workers.keys().copied().collect();
        for id in ids {
            self.worker_input(now, id, told.clone());
        }
        self.timers.postpone(|timer| matches!(timer, Timer::Soak(_) | Timer::Rollout), by);
    }

    /// How the app has ended, if it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref().filter(|_| self.doing == Doing::Idle)
    }

    /// Whether somebody has to do something in time.
    pub fn is_timed(&self) -> bool {
        self.counts.timed > 0 || self.rollout.as_ref().is_some_and(Rollout::is_active)
    }

    /// Begins what may begin now, until there is nothing more.
    fn go_on(&mut self, now: Instant) {
        loop {
            self.step(now);
            self.step_self_reload(now);
            let waiting = self.waiting.len();
            self.begin_waiting(now);
            if self.waiting.len() == waiting && !self.recycle(now) {
                return;
            }
        }
    }

    fn tenure(&self, id: WorkerId, slot: SlotIndex) -> Tenure {
        let occupant =
            self.slots.get(slot.0 as usize).map(|slot| slot.state) == Some(SlotState::Occupied(id));
        let incoming = || self.rollout.as_ref()?.incoming.get(&slot)?.at.worker();
        match occupant {
            true => Tenure::Occupant,
            false if incoming() == Some(id) => Tenure::Incoming,
            false => Tenure::Leaving,
        }
    }

    /// A number for a generation that is newer than every other.
    pub fn coming_generation(&self) -> Generation {
        Generation(self.newest.0 + 1)
    }

    pub fn next_generation(&mut self) -> Generation {
        self.newest = Generation(self.newest.0 + 1);
        self.newest
    }

    /// A generation of this number was given out before.
    pub fn has_had(&mut self, generation: Generation) {
        self.newest = self.newest.max(generation);
    }

    fn phase_of(&self, id: WorkerId) -> Phase {
        self.workers.get(&id).map_or(Phase::Failed, Worker::phase)
    }

    fn publish_worker(&mut self, id: WorkerId, phase: Phase, kind: EventKind) {
        let Some(worker) = self.workers.get(&id) else { return };
        let event = FleetEvent { worker: Some((worker.identity(), worker.pid())), phase, kind };
        self.actions.push_back(FleetAction::Publish(event));
    }

    /// The first of each kind tells all there is to know. A worker that goes on would push everything else out of the log.
    fn publish_out_of_order(&mut self, id: WorkerId, during: Phase, said: &'static str) {
        let told = self.out_of_order.entry(id).or_default();
        if told.contains(&said) {
            self.repeated += 1;
        } else {
            told.push(said);
            self.publish_worker(id, during, EventKind::OutOfOrder { said });
        }
    }

    fn publish_app(&mut self, kind: EventKind) {
        let phase = self.phase();
        self.actions.push_back(FleetAction::Publish(FleetEvent { worker: None, phase, kind }));
    }

    fn slot_mut(&mut self, index: SlotIndex) -> &mut Slot {
        self.changed.push(index);
        &mut self.slots[index.0 as usize]
    }
}
