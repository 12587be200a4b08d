//! What a master does.

use std::collections::BTreeSet;

use super::keeping::waits;
use super::world::{
    Client, Code, Doing, EndStep, Entry, Holder, Id, Life, Link, MasterAt, MasterPhase, Parent, Pid, Process,
    SpawnStep, ToKeeper, ToMaster, World,
};
use super::{Drover, Flaw};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Takes the keeper's next message.
    Read,
    /// The new one has read what there is, and could begin.
    Check,
    /// The next step of what it does.
    Go,
    /// A child of its own has ended.
    SeeEnd(Pid),
    /// Takes the connection of a worker.
    Accept(Pid),
    /// Takes the client's connection, and answers.
    AcceptClient,
    Answer,
    /// Does not wait for the keeper's word: a flaw.
    Thaw,
}

impl Drover {
    pub(super) fn master_steps(&self, world: &World, at: MasterAt) -> Vec<Step> {
        let master = &world.masters[at];
        let mut steps = Vec::new();
        let reads = match (master.phase, master.inbox.first()) {
            (MasterPhase::Gone, _) | (_, None) => false,
            (MasterPhase::Running, Some(_)) => master.doing == Doing::Nothing,
            (MasterPhase::Frozen, Some(message)) => matches!(message, ToMaster::Thaw | ToMaster::Leave),
            (MasterPhase::Loading { .. }, Some(message)) => matches!(message, ToMaster::Begin(_)),
        };
        if reads {
            steps.push(Step::Read);
        }
        match master.phase {
            MasterPhase::Loading { ready: false } if master.inbox.is_empty() => steps.push(Step::Check),
            MasterPhase::Frozen if self.has(Flaw::ThawsByItself) => steps.push(Step::Thaw),
            MasterPhase::Running if master.doing != Doing::Nothing => steps.push(Step::Go),
            MasterPhase::Running => {
                let is_own = |process: &Process| process.parent == Parent::Master(at);
                for (pid, process) in world.unreaped() {
                    match process.life {
                        Life::Zombie(_) if is_own(process) => steps.push(Step::SeeEnd(pid)),
                        Life::Running if process.link == Link::Queued => steps.push(Step::Accept(pid)),
                        _ => {}
                    }
                }
                match waits(&world.client) {
                    Some(Link::Queued) => steps.push(Step::AcceptClient),
                    Some(Link::Held(holders)) if holders.contains(&Holder::Master(at)) => {
                        steps.push(Step::Answer)
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        steps
    }

    pub(super) fn master(&self, world: &mut World, at: MasterAt, step: Step) {
        let only = || Link::Held(BTreeSet::from([Holder::Master(at)]));
        match step {
            Step::Read => self.read(world, at),
            Step::Check => {
                world.masters[at].phase = MasterPhase::Loading { ready: true };
                world.masters[at].outbox.push(ToKeeper::Ready);
            }
            Step::Go => self.go(world, at),
            Step::SeeEnd(pid) => {
                let next = if self.has(Flaw::ReapsBeforeItRecords) { EndStep::Reap } else { EndStep::Record };
                world.masters[at].doing = Doing::Ending { id: world.processes[pid].id, pid, next };
            }
            Step::Accept(pid) => world.processes[pid].link = only(),
            Step::AcceptClient => world.client = Client::Waiting(only()),
            Step::Answer => world.client = Client::Answered(1),
            Step::Thaw => world.masters[at].phase = MasterPhase::Running,
        }
    }

    fn read(&self, world: &mut World, at: MasterAt) {
        match world.masters[at].inbox.remove(0) {
            ToMaster::Begin(children) => self.adopt(world, at, &children),
            ToMaster::Freeze(to) => {
                world.masters[at].phase = MasterPhase::Frozen;
                world.masters[at].outbox.push(ToKeeper::Frozen(to));
                if !self.has(Flaw::KeepsItsConnections) {
                    let own = Holder::Master(at);
                    for holders in world.links().filter(|holders| holders.contains(&own)) {
                        holders.insert(Holder::Passed(to));
                    }
                }
            }
            ToMaster::Thaw => world.masters[at].phase = MasterPhase::Running,
            ToMaster::Leave => world.dies(at),
            ToMaster::Ended(pid, code) => {
                if let Some(id) = owner(world, at, pid) {
                    self.record(world, id, code);
                    world.masters[at].pipes.remove(&id);
                    world.masters[at].outbox.push(ToKeeper::Drop(id));
                }
                world.masters[at].table.retain(|(_, own)| *own != pid);
                world.masters[at].outbox.push(ToKeeper::Reap(pid));
            }
        }
    }

    /// Finds each child of the keeper in the records.
    fn adopt(&self, world: &mut World, at: MasterAt, children: &[(Pid, Option<Code>)]) {
        world.masters[at].phase = MasterPhase::Running;
        for &(pid, code) in children {
            let recorded = world.records.iter().position(|entry| entry.is_intended && entry.pid == Some(pid));
            // Its environment tells who it is, until it has ended.
            let told = (world.processes[pid].life == Life::Running).then_some(world.processes[pid].id);
            let id = recorded.or_else(|| told.filter(|id| world.records[*id].is_intended));
            match (id, code) {
                (Some(id), None) => {
                    world.records[id].pid = Some(pid);
                    world.masters[at].table.insert((id, pid));
                }
                (Some(id), Some(code)) => {
                    if world.records[id].ended.is_none() || self.has(Flaw::TellsWhatWasTold) {
                        self.record(world, id, code);
                    }
                    world.masters[at].outbox.push(ToKeeper::Drop(id));
                    world.masters[at].outbox.push(ToKeeper::Reap(pid));
                }
                // One of ours that no record knows is ended; the keeper tells when it has.
                (None, None) => world.processes[pid].life = Life::Zombie(137),
                (None, Some(_)) => world.masters[at].outbox.push(ToKeeper::Reap(pid)),
            }
        }
        let table = world.masters[at].table.clone();
        for (id, entry) in world.records.iter_mut().enumerate() {
            let is_there = table.iter().any(|(own, _)| *own == id);
            if entry.is_intended && entry.ended.is_none() && !is_there {
                entry.is_void = true;
            }
        }
    }

    fn go(&self, world: &mut World, at: MasterAt) {
        let doing = world.masters[at].doing;
        world.masters[at].doing = match doing {
            Doing::Nothing => Doing::Nothing,
            Doing::Spawning { id, next } => {
                let next = self.spawn(world, at, id, next);
                next.map_or(Doing::Nothing, |next| Doing::Spawning { id, next })
            }
            Doing::Ending { id, pid, next: EndStep::Record } => {
                self.record(world, id, world.processes[pid].life.code().expect("it has ended"));
                let done = self.has(Flaw::ReapsBeforeItRecords);
                if done { Doing::Nothing } else { Doing::Ending { id, pid, next: EndStep::Reap } }
            }
            Doing::Ending { id, pid, next: EndStep::Reap } => {
                let code = world.processes[pid].life.code().expect("it has ended");
                world.processes[pid].life = Life::Reaped(code);
                let master = &mut world.masters[at];
                master.table.remove(&(id, pid));
                master.pipes.remove(&id);
                master.outbox.push(ToKeeper::Drop(id));
                let more = self.has(Flaw::ReapsBeforeItRecords);
                if more { Doing::Ending { id, pid, next: EndStep::Record } } else { Doing::Nothing }
            }
        };
    }

    /// A step of a spawn, and what comes next.
    fn spawn(&self, world: &mut World, at: MasterAt, id: Id, step: SpawnStep) -> Option<SpawnStep> {
        let order = self.spawn_order();
        let place = order.iter().position(|of| std::mem::discriminant(of) == std::mem::discriminant(&step));
        match step {
            SpawnStep::Intend => world.records[id].is_intended = true,
            SpawnStep::Hold => {
                world.masters[at].pipes.insert(id);
                world.masters[at].outbox.push(ToKeeper::Hold(id));
            }
            SpawnStep::Clone => {
                let pid = world.processes.len();
                let link = Link::Held(BTreeSet::from([Holder::Master(at)]));
                world.processes.push(Process { id, life: Life::Running, parent: Parent::Master(at), link });
                world.masters[at].table.insert((id, pid));
                if self.has(Flaw::WritesThePidItself) {
                    return Some(SpawnStep::WritePid(pid));
                }
                // CLONE_PARENT_SETTID, into memory that is shared: in the same system call.
                world.records[id].pid = Some(pid);
            }
            SpawnStep::WritePid(pid) => world.records[id].pid = Some(pid),
        }
        place.and_then(|place| order.get(place + 1)).copied()
    }

    /// In which order a worker is spawned.
    pub(super) fn spawn_order(&self) -> [SpawnStep; 3] {
        match self.flaw {
            Some(Flaw::ClonesBeforeItIntends) => [SpawnStep::Hold, SpawnStep::Clone, SpawnStep::Intend],
            Some(Flaw::HoldsAfterTheClone) => [SpawnStep::Intend, SpawnStep::Clone, SpawnStep::Hold],
            _ => [SpawnStep::Intend, SpawnStep::Hold, SpawnStep::Clone],
        }
    }

    /// Writes down how a worker has ended, and tells it.
    fn record(&self, world: &mut World, id: Id, code: Code) {
        let entry: &mut Entry = &mut world.records[id];
        entry.ended = Some(code);
        entry.told += 1;
    }
}

/// Which worker this process is to this master, unless its end is known.
fn owner(world: &World, at: MasterAt, pid: Pid) -> Option<Id> {
    let (id, _) = *world.masters[at].table.iter().find(|(_, own)| *own == pid)?;
    world.records[id].ended.is_none().then_some(id)
}
