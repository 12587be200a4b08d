//! A fleet, its clock, and a kernel that plays the processes.

use crate::signal::Signal;
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::*;
use super::witness::Witness;
use crate::config::{AppSpec, Backoff, Command, Protocol};
use crate::machine::exit::{Exit, ExitStatus, SpawnStep, Usage};
use crate::machine::testing::origin;
use crate::machine::worker::{Identity, Notice, Question, WorkerAction, WorkerReport};

/// How a process behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// It becomes ready and leaves when asked.
    Serves,
    /// It becomes ready and obeys SIGKILL only.
    Deaf,
    /// It becomes ready and never leaves.
    Stuck,
    /// It never says that it is ready; it obeys signals.
    Dawdles,
    /// It ends as soon as it runs.
    Ends(ExitStatus),
    /// It can't be created.
    NoSpawn,
}

/// A process that the kernel was asked for.
#[derive(Debug)]
struct Process {
    manner: Manner,
    /// Whether its end is not yet on its way.
    alive: bool,
    /// Whether SIGKILL waits for it to leave the kernel.
    killed: bool,
}

/// Somebody who sees all that a fleet takes, and all that it wants done.
pub(super) trait Shadow: std::fmt::Debug {
    fn takes(&mut self, now: Instant, input: &FleetInput);
    fn did(&mut self, action: Option<&FleetAction>);
    fn check(&self, fleet: &Fleet);
}

/// A fleet and all that surrounds it.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) fleet: Fleet,
    pub(super) now: Instant,
    /// How the next processes of each slot behave; those after them serve.
    manners: BTreeMap<SlotIndex, VecDeque<Manner>>,
    processes: BTreeMap<WorkerId, Process>,
    /// What has happened and was not told yet.
    news: Vec<(WorkerId, WorkerInput)>,
    pub(super) spawned: Vec<Identity>,
    pub(super) events: Vec<FleetEvent>,
    pub(super) ends: Vec<Outcome>,
    /// What the hook was asked: who ended, and what the policy would do.
    pub(super) asked: Vec<(Identity, ExitDecision)>,
    pub(super) witness: Witness,
    pub(super) tickets: u64,
    /// Whether workers take work again after they have drained.
    pub(super) can_resume: bool,
    /// Slots whose workers fail what they are asked of their health, and which question.
    pub(super) ailing: BTreeMap<SlotIndex, Question>,
    /// News of workers that were gone.
    late: u64,
    /// How often a process was looked at.
    looks: u64,
    pub(super) shadow: Option<Box<dyn Shadow>>,
}

/// A description without chance: pauses of 1, 2, 4 … 30 s, no heartbeat, `parallel` = 2, and everything else at its default.
pub(super) fn spec(protocol: Protocol) -> AppSpec {
    let mut spec = AppSpec::new("app", Command::new("app"));
    spec.heartbeat = None;
    spec.protocol = protocol;
    spec.start.parallel = NonZeroU32::new(2).unwrap();
    spec.restart.backoff = Backoff { initial: Duration::from_secs(1), jitter: 0.0, ..spec.restart.backoff };
    spec
}

impl Stage {
    pub(super) fn new(spec: AppSpec, count: u32, has_hook: bool) -> Self {
        let longest_pause = spec.restart.backoff.max;
        let rng = fastrand::Rng::with_seed(1);
        Self {
            fleet: Fleet::new(Arc::new(spec), count, has_hook, rng),
            now: origin(),
            manners: BTreeMap::new(),
            processes: BTreeMap::new(),
            news: Vec::new(),
            spawned: Vec::new(),
            events: Vec::new(),
            ends: Vec::new(),
            asked: Vec::new(),
            witness: Witness::new(longest_pause),
            tickets: 0,
            can_resume: true,
            ailing: BTreeMap::new(),
            late: 0,
            looks: 0,
            shadow: None,
        }
    }

    pub(super) fn protocol(count: u32) -> Self {
        Self::new(spec(Protocol::Drover), count, false)
    }

    pub(super) fn plain(count: u32) -> Self {
        Self::new(spec(Protocol::None), count, false)
    }

    /// An app of protocol workers that has started.
    pub(super) fn started(count: u32) -> Self {
        Self::protocol(count).begun()
    }

    /// The same stage once the app has started.
    pub(super) fn begun(mut self) -> Self {
        let start = self.start();
        self.settle();
        while self.fleet.doing() == Doing::Starting {
            self.tick();
        }
        assert_eq!(self.verdict(start), Some(Verdict::Done));
        self
    }

    /// Sets how the next processes of a slot behave.
    pub(super) fn script(mut self, slot: u32, manners: impl IntoIterator<Item = Manner>) -> Self {
        self.manners.entry(SlotIndex(slot)).or_default().extend(manners);
        self
    }

    /// Feeds one input and takes every action.
    pub(super) fn feed(&mut self, input: FleetInput) {
        if let FleetInput::Worker { id, .. } = &input {
            self.late += u64::from(!self.witness.is_living(*id));
        }
        self.handle(input);
        while let Some(action) = self.next_action() {
            self.witness.see(&action);
            self.carry_out(action);
        }
        self.witness.check(&self.fleet);
        assert_eq!(self.fleet.dropped(), self.late, "late news are dropped and counted");
    }

    fn handle(&mut self, input: FleetInput) {
        if let Some(shadow) = &mut self.shadow {
            shadow.takes(self.now, &input);
        }
        self.fleet.handle(self.now, input);
    }

    fn next_action(&mut self) -> Option<FleetAction> {
        let action = self.fleet.poll_action();
        if let Some(shadow) = &mut self.shadow {
            shadow.did(action.as_ref());
        }
        action
    }

    fn carry_out(&mut self, action: FleetAction) {
        match action {
            FleetAction::Spawn(identity) => self.spawn(identity),
            // The driver looks at once, at whatever there is.
            FleetAction::Worker { id, action: WorkerAction::LookWhetherStopped } => {
                self.looks += 1;
                let input = WorkerInput::Looked { stopped_by: None };
                self.handle(FleetInput::Worker { id, input });
            }
            FleetAction::Worker { id, action } => self.act(id, &action),
            FleetAction::AskPolicy { worker, proposed, .. } => self.asked.push((worker, proposed)),
            FleetAction::Publish(event) => self.events.push(event),
            FleetAction::End(outcome) => self.ends.push(outcome),
            FleetAction::Forget { .. } | FleetAction::Answer { .. } => {}
        }
    }

    fn spawn(&mut self, identity: Identity) {
        let id = identity.id;
        self.spawned.push(identity);
        let script = self.manners.get_mut(&identity.slot);
        let manner = script.and_then(VecDeque::pop_front).unwrap_or(Manner::Serves);
        let alive = manner != Manner::NoSpawn;
        self.processes.insert(id, Process { manner, alive, killed: false });
        if !alive {
            return self
                .happens(id, WorkerInput::SpawnFailed { step: SpawnStep::Exec, errno: 2, detail: None });
        }
        self.happens(id, WorkerInput::Spawned { pid: 1000 + id.0 as u32 });
        if let Manner::Ends(status) = manner {
            return self.ends_with(id, status);
        }
        let protocol = self.fleet.workers.get(&id).map(|worker| worker.spec().protocol);
        if protocol == Some(Protocol::Notify) && manner != Manner::Dawdles {
            self.happens(id, WorkerInput::Notified(Notice::Ready));
        }
        if protocol == Some(Protocol::Drover) {
            self.happens(id, WorkerInput::SaidCapable { resume: self.can_resume });
            self.happens(id, WorkerInput::Connected);
            if manner != Manner::Dawdles {
                self.happens(id, WorkerInput::from(WorkerReport::Started));
            }
        }
    }

    fn act(&mut self, id: WorkerId, action: &WorkerAction) {
        let Some(process) = self.processes.get_mut(&id).filter(|process| process.alive) else { return };
        match (process.manner, action) {
            (Manner::Stuck, WorkerAction::Signal { signal: Signal::KILL }) => process.killed = true,
            (_, WorkerAction::Signal { signal: Signal::KILL }) => self.ends_with(id, killed(Signal::KILL)),
            (_, WorkerAction::Ask { question, number }) => {
                let ails = self.slot_of(id).and_then(|slot| self.ailing.get(&slot)) == Some(question);
                let fault = ails.then(|| "GET / answered 500".into());
                let (question, number) = (*question, *number);
                self.happens(id, WorkerInput::Answered { question, number, fault });
            }
            (Manner::Deaf | Manner::Stuck, _) => {}
            (_, WorkerAction::Signal { signal } | WorkerAction::SignalMain { signal }) => {
                self.ends_with(id, killed(*signal))
            }
            (_, WorkerAction::SendStop { .. }) => self.happens(id, WorkerInput::from(WorkerReport::Stopped)),
            (_, WorkerAction::SendResume { .. }) => {
                self.happens(id, WorkerInput::from(WorkerReport::Started))
            }
            (_, WorkerAction::SendQuit { .. }) => {
                self.happens(id, WorkerInput::from(WorkerReport::ShutDown));
                self.ends_with(id, ExitStatus::Code(0));
            }
            _ => {}
        }
    }

    fn slot_of(&self, id: WorkerId) -> Option<SlotIndex> {
        self.spawned.iter().find(|identity| identity.id == id).map(|identity| identity.slot)
    }

    fn happens(&mut self, id: WorkerId, input: WorkerInput) {
        self.news.push((id, input));
    }

    fn ends_with(&mut self, id: WorkerId, status: ExitStatus) {
        if let Some(process) = self.processes.get_mut(&id).filter(|process| process.alive) {
            process.alive = false;
            self.happens(id, WorkerInput::Died { status });
            self.happens(id, exited(status));
        }
    }

    /// Tells the oldest news of one of the workers that there is news of.
    pub(super) fn tell_one(&mut self, which: usize) -> bool {
        if self.news.is_empty() {
            return false;
        }
        let whose = self.news[which % self.news.len()].0;
        let first = self.news.iter().position(|(id, _)| *id == whose).unwrap_or(0);
        let (id, input) = self.news.remove(first);
        self.feed(FleetInput::Worker { id, input });
        true
    }

    /// Tells all news until there is none.
    pub(super) fn settle(&mut self) {
        while self.tell_one(0) {}
    }

    /// The process in a slot ends on its own, or by the hand of a stranger.
    pub(super) fn end_process(&mut self, slot: u32, status: ExitStatus) {
        let id = self.id_in(slot);
        self.ends_with(id, status);
        self.settle();
    }

    /// One of the processes that were ever created ends, if it still can.
    pub(super) fn end_one(&mut self, which: usize, status: ExitStatus) {
        if let Some(identity) = self.spawned.get(which % self.spawned.len().max(1)) {
            self.ends_with(identity.id, status);
        }
    }

    /// The kernel lets go of what it held.
    pub(super) fn release(&mut self) {
        for id in self.processes.keys().copied().collect::<Vec<_>>() {
            let process = self.processes.get_mut(&id).unwrap();
            if process.manner == Manner::Stuck {
                process.manner = Manner::Deaf;
            }
            if process.killed {
                self.ends_with(id, killed(Signal::KILL));
            }
        }
        self.manners.clear();
    }

    /// Moves the clock and tells the fleet; tells no news.
    pub(super) fn clock(&mut self, by: Duration) {
        self.now += by;
        let looks = self.looks;
        self.feed(FleetInput::TimePassed);
        if self.looks > looks {
            // What follows from a look may be due at once.
            self.feed(FleetInput::TimePassed);
        }
        Witness::check_nothing_is_due(&self.fleet, self.now);
    }

    /// Time passes while the master is away. What is due then is looked at in its next turn.
    pub(super) fn away(&mut self, by: Duration) {
        self.now += by;
        self.feed(FleetInput::WasAway { by });
        self.clock(Duration::ZERO);
    }

    /// Moves the clock to the next deadline and settles.
    pub(super) fn tick(&mut self) {
        let next = self.fleet.next_deadline().expect("a deadline");
        self.clock(next - self.now);
        self.settle();
    }

    /// Lets time pass, deadline by deadline.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.fleet.next_deadline().is_some_and(|at| at <= until) {
            self.tick();
        }
        self.clock(until - self.now);
    }

    /// The generations of the slots' own workers.
    pub(super) fn generations(&self) -> Vec<u64> {
        self.fleet.slots().into_iter().map(|slot| self.slot(slot.0).generation.0).collect()
    }

    pub(super) fn verdict(&self, ticket: TicketId) -> Option<Verdict> {
        self.witness.verdicts.get(&ticket).cloned()
    }

    pub(super) fn id_in(&self, slot: u32) -> WorkerId {
        self.slot(slot).id.expect("a worker in the slot")
    }

    pub(super) fn slot(&self, slot: u32) -> WorkerStatus {
        self.fleet.worker_status(SlotIndex(slot)).expect("a slot")
    }

    pub(super) fn last_exit(&self, slot: u32) -> Arc<Exit> {
        self.slot(slot).last_exit.expect("an ended worker")
    }

    /// The names of the app's own events.
    pub(super) fn app_events(&self) -> Vec<&'static str> {
        let own = self.events.iter().filter(|event| event.worker.is_none());
        own.map(|event| event.kind.name(event.phase)).collect()
    }

    /// The pauses before each try, with its number.
    pub(super) fn pauses(&self) -> Vec<(Duration, u32)> {
        let scheduled = self.events.iter().filter_map(|event| match event.kind {
            EventKind::RestartScheduled { after, attempt } => Some((after, attempt)),
            _ => None,
        });
        scheduled.collect()
    }
}

pub(super) fn killed(signal: Signal) -> ExitStatus {
    ExitStatus::Signal { signal, core_dumped: false }
}

pub(super) fn exited(status: ExitStatus) -> WorkerInput {
    WorkerInput::Exited { status, usage: Usage::default(), stderr_tail: vec!["last words".to_owned()] }
}

pub(super) fn interrupted(by: &str) -> Option<Verdict> {
    Some(Verdict::Interrupted { by: by.into() })
}

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
