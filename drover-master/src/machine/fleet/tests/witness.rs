//! What must hold after every step of every test.

use crate::signal::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::super::*;
use crate::config::Protocol;
use crate::machine::gate::{Request, SlotRequest};
use crate::machine::worker::WorkerAction;
use crate::machine::worker::{Identity, WorkerState};

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A change of the app.
    App(Request),
    /// A change of some slots, or none: a signal.
    Workers(Option<SlotRequest>),
    /// More or fewer of them.
    Count,
    /// Others in their place.
    Replacement,
    /// Other policies, or the end of a reload that is held.
    Word,
}

/// Looks at every action and at the fleet after every step; panics at the first thing that must not be.
#[derive(Debug, Default)]
pub(super) struct Witness {
    /// Workers between their Spawn and their Forget.
    living: BTreeMap<WorkerId, SlotIndex>,
    gone: BTreeSet<WorkerId>,
    /// The signals each worker was sent.
    sent: BTreeMap<WorkerId, Vec<Signal>>,
    /// Who waits, and for what.
    open: BTreeMap<TicketId, Wanted>,
    pub(super) verdicts: BTreeMap<TicketId, Verdict>,
    /// Whether the app runs, as far as was told.
    runs: bool,
    pub(super) unkillable: BTreeSet<WorkerId>,
    /// No pause may be longer.
    pub(super) longest_pause: Duration,
}

impl Witness {
    pub(super) fn new(longest_pause: Duration) -> Self {
        Self { longest_pause, ..Self::default() }
    }

    pub(super) fn will_wait(&mut self, ticket: TicketId, wanted: Wanted) {
        self.open.insert(ticket, wanted);
    }

    pub(super) fn is_living(&self, id: WorkerId) -> bool {
        self.living.contains_key(&id)
    }

    pub(super) fn see(&mut self, action: &FleetAction) {
        match action {
            FleetAction::Spawn(Identity { slot, id, .. }) => {
                assert!(self.runs, "{id} is spawned though the app does not run");
                assert!(!self.gone.contains(id), "{id} is spawned a second time");
                assert_eq!(self.living.insert(*id, *slot), None, "{id} is spawned twice");
            }
            FleetAction::Worker { id, action } => {
                assert!(self.is_living(*id), "{action:?} for {id}, which is gone");
                if let WorkerAction::Signal { signal } = action {
                    let sent = self.sent.entry(*id).or_default();
                    assert!(!sent.contains(signal), "{id} is sent signal {signal} twice");
                    assert!(!sent.contains(&Signal::KILL), "{id} is sent signal {signal} after SIGKILL");
                    sent.push(*signal);
                }
            }
            FleetAction::Forget { id } => {
                assert!(self.living.remove(id).is_some(), "{id} is forgotten twice, or was never spawned");
                self.gone.insert(*id);
            }
            FleetAction::AskPolicy { worker, .. } => assert!(self.gone.contains(&worker.id)),
            FleetAction::Publish(event) => self.see_event(event),
            FleetAction::Answer { ticket, verdict } => self.see_answer(*ticket, verdict),
            FleetAction::End(_) => {
                assert!(self.living.is_empty(), "an end with {:?} still there", self.living);
                assert!(self.open.is_empty(), "an end that leaves {:?} waiting", self.open);
            }
        }
    }

    fn see_event(&mut self, event: &FleetEvent) {
        if let Some((identity, _)) = event.worker {
            // A slot without a worker is reported with the id 0.
            assert!(
                identity.id == WorkerId(0) || self.is_living(identity.id),
                "{event:?} of one that is gone"
            );
        }
        match &event.kind {
            EventKind::AppStarting => self.runs = true,
            EventKind::AppStopping { .. } | EventKind::AppEnded { .. } => self.runs = false,
            EventKind::RestartScheduled { after, attempt } => {
                assert!(*after <= self.longest_pause, "a pause of {after:?}");
                assert!(*attempt >= 1, "tries count from 1");
            }
            EventKind::Unkillable => {
                self.unkillable.extend(event.worker.map(|(identity, _)| identity.id));
            }
            _ => {}
        }
    }

    fn see_answer(&mut self, ticket: TicketId, verdict: &Verdict) {
        let Some(wanted) = self.open.remove(&ticket) else {
            panic!("{verdict:?} for {ticket:?}, which was answered before or never asked");
        };
        match verdict {
            Verdict::StartFailed(_) => assert!(matches!(
                wanted,
                Wanted::App(Request::Start)
                    | Wanted::Workers(Some(SlotRequest::Start | SlotRequest::Restart | SlotRequest::Resume))
                    | Wanted::Count
                    | Wanted::Replacement
            )),
            Verdict::RolledBack(_) | Verdict::Paused(_) | Verdict::NotReloaded(_) => {
                assert_eq!(wanted, Wanted::Replacement);
            }
            Verdict::Unkillable { .. } => assert!(self.living.keys().any(|id| self.unkillable.contains(id))),
            Verdict::Done | Verdict::Denied(_) | Verdict::Interrupted { .. } => {}
        }
        let Wanted::App(request) = wanted else {
            self.verdicts.insert(ticket, verdict.clone());
            return;
        };
        let over = request != Request::Start && *verdict == Verdict::Done;
        let failed = matches!(verdict, Verdict::StartFailed(_)) && !self.runs;
        if over || failed {
            assert!(self.living.is_empty(), "{verdict:?} is said with {:?} still there", self.living);
        }
        self.verdicts.insert(ticket, verdict.clone());
    }

    pub(super) fn check(&self, fleet: &Fleet) {
        let held: BTreeMap<_, _> = fleet.workers().map(|w| (w.identity().id, w.identity().slot)).collect();
        assert_eq!(held, self.living, "the fleet's workers are those between Spawn and Forget");
        let slots: BTreeSet<SlotIndex> = fleet.slots().into_iter().chain(held.values().copied()).collect();
        let rows: Vec<WorkerStatus> = slots.into_iter().flat_map(|slot| fleet.rows(slot)).collect();
        let shown: Vec<_> = rows.iter().filter_map(|row| Some((row.id?, row.slot))).collect();
        let once: BTreeMap<_, _> = shown.iter().copied().collect();
        assert_eq!((shown.len(), &once), (once.len(), &self.living), "every worker is in its slot, once");
        self.check_company(fleet);

        let ready = fleet.workers().filter(|worker| worker.is_ready()).count();
        let in_phase = |phase| fleet.workers().filter(|worker| worker.phase() == phase).count();
        let proving = rows
            .iter()
            .filter(|row| row.role == Role::Incoming && row.phase == Phase::Started && row.unready.is_none())
            .count();
        // One that runs by a schedule is in order while that is on.
        let ready = if fleet.is_cron() { fleet.is_on_schedule().into() } else { ready };
        assert_eq!(fleet.status().ready as usize + proving, ready);
        let timed = fleet.workers().filter(|worker| worker.is_timed()).count();
        assert_eq!(fleet.counts.timed, timed, "how many have to do something in time");
        let starting = in_phase(Phase::Initialized) + in_phase(Phase::Starting);
        if fleet.current.spec.protocol == Protocol::Drover {
            assert!(starting <= fleet.current.spec.start.parallel.get() as usize, "{starting} start at once");
        }
        for worker in fleet.workers() {
            let stays = matches!(worker.state(), WorkerState::Initialized { .. } | WorkerState::Started);
            let must_move = !stays && !worker.is_suspended();
            let stuck = self.unkillable.contains(&worker.identity().id);
            // The dead wait for nothing but their exit, which always comes.
            let stuck = stuck || worker.is_dead();
            assert!(!must_move || stuck || worker.deadline().is_some(), "{worker:?} may stay so for ever");
        }

        if fleet.doing() == Doing::Idle {
            assert!(self.living.is_empty() && self.open.is_empty(), "{self:?}");
            assert_eq!(fleet.next_deadline(), None, "an app that does nothing has no deadline");
        }
        let undecided = fleet.slots.iter().any(|slot| matches!(slot.state, SlotState::Undecided { .. }));
        let exiting = fleet.workers().any(Worker::is_dead);
        let under_way =
            in_phase(Phase::Initialized) > 0 || undecided || exiting || fleet.timers.next().is_some();
        assert!(
            self.open.is_empty() || under_way,
            "{:?} wait, and nothing is under way: {fleet:?}",
            self.open
        );
    }

    /// One that is not being ended for each slot and generation, and one more while it is replaced by its like.
    fn check_company(&self, fleet: &Fleet) {
        let renews =
            fleet.rollout.as_ref().is_some_and(|rollout| matches!(rollout.name(), "restart" | "recycle"));
        let mut company: BTreeMap<_, usize> = BTreeMap::new();
        for worker in fleet.workers().filter(|worker| !worker.is_ending() && !worker.is_dead()) {
            let Identity { slot, generation, .. } = worker.identity();
            *company.entry((slot, generation)).or_default() += 1;
        }
        for (place, workers) in company {
            assert!(workers <= 1 + usize::from(renews), "{workers} workers in {place:?}");
        }
    }

    /// After the clock was read nothing is overdue: else the driver would spin.
    pub(super) fn check_nothing_is_due(fleet: &Fleet, now: Instant) {
        assert!(fleet.next_deadline().is_none_or(|at| at > now), "a deadline that passed is still there");
    }
}
