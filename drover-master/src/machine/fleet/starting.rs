//! How slots are filled: the first start, and every later try.

use std::time::Instant;

use super::{EventKind, Fleet, FleetAction, Outcome, Place, Rollout, SlotState, Timer, Verdict};
use crate::config::AppSpec;
use crate::config::Protocol;
use crate::ids::{SlotIndex, TicketId, WorkerId};
use crate::machine::gate::{self, Admission, Doing};
use crate::machine::worker::{Identity, Worker};

/// How many processes of an app may be in creation at once. The spawner works them off one by one, so more would only
/// wait there; fewer would let it idle between the driver's turns.
const CREATING: usize = 64;

impl Fleet {
    pub(super) fn start_requested(&mut self, ticket: TicketId) {
        match gate::admit(self.doing, gate::Request::Start) {
            Admission::Accept => {
                self.doing = Doing::Starting;
                self.outcome = None;
                self.counts = super::Counts::default();
                self.start_tickets.push(ticket);
                for slot in self.slots() {
                    self.slots[slot.0 as usize].reset(self.current.clone());
                    if !self.is_cron() {
                        self.enqueue(slot);
                    }
                }
                self.publish_app(EventKind::AppStarting);
                if self.is_cron() {
                    self.slots().into_iter().for_each(|slot| self.schedule(slot));
                    self.check_started();
                }
            }
            Admission::Join => self.start_tickets.push(ticket),
            Admission::Ignore => self.start_missing(ticket),
            Admission::Deny(reason) => self.answer(ticket, Verdict::Denied(reason)),
        }
    }

    pub(super) fn enqueue(&mut self, slot: SlotIndex) {
        self.slot_mut(slot).state = SlotState::Queued;
        self.queue.push_back(Place::Occupant(slot));
    }

    pub(super) fn retry_due(&mut self, slot: SlotIndex) {
        if matches!(self.slots[slot.0 as usize].state, SlotState::BackingOff { .. }) {
            self.enqueue(slot);
        }
    }

    /// Starts queued slots, as many as may be starting at once.
    pub(super) fn fill(&mut self, now: Instant) {
        while let Some(place) = self.queue.front().copied() {
            let (slot, release) = match place {
                Place::Occupant(slot) => (slot, self.slots[slot.0 as usize].release.clone()),
                Place::Incoming(slot) => (slot, self.release_for_incoming(slot)),
            };
            if !self.may_create(&release.spec) {
                break;
            }
            self.queue.pop_front();
            self.last_worker += 1;
            let id = WorkerId(self.last_worker);
            let identity = Identity { slot, generation: release.generation, id };
            let worker = Worker::new(identity, release.spec, now, self.rng.fork());
            self.timers.set(Timer::Worker(id), worker.deadline());
            self.counts.timed += usize::from(worker.is_timed());
            self.workers.insert(id, worker);
            *self.living.entry(identity.generation).or_default() += 1;
            self.counts.creating += 1;
            match place {
                Place::Occupant(slot) => self.occupied(slot, id),
                Place::Incoming(slot) => self.incoming_created(slot, id),
            }
            self.actions.push_back(FleetAction::Spawn(identity));
            if self.is_cron() {
                self.run_began(now, id);
            }
        }
    }

    fn occupied(&mut self, slot: SlotIndex, id: WorkerId) {
        let is_cron = self.is_cron();
        let place = self.slot_mut(slot);
        // A run after another is not a restart.
        if place.was_filled && !is_cron {
            place.restarts += 1;
        }
        place.was_filled = true;
        place.state = SlotState::Occupied(id);
    }

    /// A worker that says when it is ready is at work until then, so their number is bounded by policy. One without the protocol merely
    /// has to stay alive, so only its creation counts.
    fn may_create(&self, spec: &AppSpec) -> bool {
        let bound = match spec.protocol {
            Protocol::Drover | Protocol::Notify => {
                let parallel = spec.start.parallel.get() as usize;
                self.counts.creating + self.counts.starting < parallel
            }
            Protocol::None => true,
        };
        bound && self.counts.creating < CREATING
    }

    /// The start is done once every slot is settled; unless all that came of it is that slots were given up.
    pub(super) fn check_started(&mut self) {
        // One that is unready now was ready: the start does not wait for it, which might be for ever.
        let settled = self.ready()
            + self.unready()
            + self.counts.suspended
            + self.counts.completed
            + self.counts.given_up
            + self.counts.held
            + self.counts.scheduled;
        let in_vain = self.ready() + self.unready() + self.counts.suspended == 0 && self.counts.given_up > 0;
        if self.doing == Doing::Starting && settled >= self.members && !in_vain {
            self.doing = Doing::Started;
            self.publish_app(EventKind::AppStarted);
            for ticket in std::mem::take(&mut self.start_tickets) {
                self.answer(ticket, Verdict::Done);
            }
        }
        self.check_over();
    }

    /// The app is over once no slot will have a worker again on its own; unless that is because somebody stopped them all,
    /// who may start them again.
    fn check_over(&mut self) {
        let ended = self.counts.completed + self.counts.given_up;
        // Those that an app which has become smaller does not count any more may still drain.
        let replacing = self.rollout.as_ref().is_some_and(Rollout::is_active);
        let over =
            !replacing && ended > 0 && ended + self.counts.held == self.members && self.workers.is_empty();
        if over && matches!(self.doing, Doing::Starting | Doing::Started) {
            self.finish(if self.counts.given_up == 0 {
                Outcome::Completed
            } else {
                Outcome::Failed { reason: self.gave_up_for, stop_all: false }
            });
        }
    }

    pub(super) fn wait_for_retry(&mut self, slot: SlotIndex, until: Instant) {
        self.slot_mut(slot).state = SlotState::BackingOff { until };
        self.timers.set(Timer::Slot(slot), Some(until));
    }

    pub(super) fn answer(&mut self, ticket: TicketId, verdict: Verdict) {
        self.actions.push_back(FleetAction::Answer { ticket, verdict });
    }
}
