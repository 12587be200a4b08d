//! What the keeper does. It has one thread, so each of its decisions is one step, and nobody else takes them.

use super::world::{
    Client, Holder, Life, Link, Master, MasterAt, MasterPhase, Parent, Phase, Pid, ToKeeper, ToMaster, World,
};
use super::{Drover, Flaw};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Takes the next message of this master.
    Read(MasterAt),
    /// Notices that this master is gone.
    Miss(MasterAt),
    /// Tells its master how a child of the keeper has ended.
    Tell(Pid),
    /// Lets the new one begin while the old one is there: a flaw.
    Hasten,
}

impl Drover {
    pub(super) fn keeper_steps(&self, world: &World) -> Vec<Step> {
        let mut steps = Vec::new();
        for (at, master) in world.masters.iter().enumerate() {
            if !master.outbox.is_empty() {
                steps.push(Step::Read(at));
            }
            let is_read = master.outbox.is_empty() || self.has(Flaw::ForgetsWhatADeadMasterSent);
            if master.phase == MasterPhase::Gone && !master.is_missed && is_read {
                steps.push(Step::Miss(at));
            }
        }
        if let Phase::Watching { .. } = world.keeper.phase {
            let told = &world.keeper.told;
            let ended = world.unreaped().filter(|(pid, process)| {
                process.parent == Parent::Keeper && process.life.code().is_some() && !told.contains(pid)
            });
            steps.extend(ended.map(|(pid, _)| Step::Tell(pid)));
        }
        if self.has(Flaw::CommitsBeforeTheOldOneIsGone) && matches!(world.keeper.phase, Phase::Leaving { .. })
        {
            steps.push(Step::Hasten);
        }
        steps
    }

    pub(super) fn keep(&self, world: &mut World, step: Step) {
        match step {
            Step::Read(at) => self.take(world, at),
            Step::Miss(at) => self.miss(world, at),
            Step::Tell(pid) => {
                let Phase::Watching { master } = world.keeper.phase else { return };
                let code = world.processes[pid].life.code().expect("it has ended");
                world.keeper.told.insert(pid);
                send(world, master, ToMaster::Ended(pid, code));
            }
            Step::Hasten => {
                let Phase::Leaving { new, .. } = world.keeper.phase else { return };
                self.begin(world, new);
                world.committed = true;
            }
        }
    }

    fn take(&self, world: &mut World, at: MasterAt) {
        match world.masters[at].outbox.remove(0) {
            ToKeeper::Hold(id) => {
                world.keeper.held.insert(id);
            }
            ToKeeper::Drop(id) => {
                world.keeper.held.remove(&id);
            }
            ToKeeper::Reap(pid) => {
                let process = &mut world.processes[pid];
                if let Life::Zombie(code) = process.life {
                    process.life = Life::Reaped(code);
                }
            }
            ToKeeper::Ready => {
                if let Phase::Checking { old, new } = world.keeper.phase
                    && new == at
                {
                    world.keeper.phase = Phase::Freezing { old, new };
                    send(world, old, ToMaster::Freeze(new));
                }
            }
            ToKeeper::Frozen(to) => match world.keeper.phase {
                Phase::Freezing { old, new }
                    if old == at && (new == to || self.has(Flaw::TakesALateFrozen)) =>
                {
                    world.keeper.phase = Phase::Leaving { old, new };
                    send(world, old, ToMaster::Leave);
                }
                // It gave up meanwhile, and the old one will read that. What it passed it has itself.
                _ => close(world, to),
            },
        }
    }

    fn miss(&self, world: &mut World, at: MasterAt) {
        world.masters[at].is_missed = true;
        world.masters[at].outbox.clear();
        match world.keeper.phase {
            Phase::Watching { master } if master == at => self.succeed(world),
            Phase::Checking { old, new } | Phase::Freezing { old, new } if old == at => {
                end(world, new);
                self.succeed(world);
            }
            Phase::Checking { old, new } | Phase::Freezing { old, new } if new == at => {
                give_up(world, old, new)
            }
            // Only when the old one is gone are all of its children the keeper's.
            Phase::Leaving { old, new } if old == at => {
                if world.masters[new].phase == MasterPhase::Gone {
                    self.succeed(world);
                } else {
                    self.begin(world, new);
                    world.committed = true;
                }
            }
            _ => {}
        }
    }

    /// Forks a master in place of one that is gone.
    fn succeed(&self, world: &mut World) {
        world.masters.push(Master::loading());
        self.begin(world, world.masters.len() - 1);
    }

    /// Passes everything.
    fn begin(&self, world: &mut World, to: MasterAt) {
        let children: Vec<_> = world
            .unreaped()
            .filter(|(_, process)| process.parent == Parent::Keeper)
            .map(|(pid, process)| (pid, process.life.code()))
            .collect();
        world.keeper.told = children.iter().filter(|(_, code)| code.is_some()).map(|(pid, _)| *pid).collect();
        world.keeper.phase = Phase::Watching { master: to };
        world.masters[to].pipes = world.keeper.held.clone();
        for holders in world.links() {
            // Whatever became of the one that they were passed on to.
            let passed = holders.len();
            holders.retain(|holder| match holder {
                Holder::Passed(to_whom) => self.has(Flaw::LosesWhatWasPassedOn) && *to_whom != to,
                Holder::Master(_) => true,
            });
            if holders.len() < passed {
                holders.insert(Holder::Master(to));
            }
        }
        send(world, to, ToMaster::Begin(children));
    }
}

/// Ends the try: the old master goes on. It is the keeper alone that decides it, and never after it has let the old one leave.
pub(super) fn give_up(world: &mut World, old: MasterAt, new: MasterAt) {
    if let Phase::Freezing { .. } = world.keeper.phase {
        send(world, old, ToMaster::Thaw);
        world.thawed = true;
        close(world, new);
    }
    end(world, new);
    world.keeper.phase = Phase::Watching { master: old };
}

/// Ends a master that has begun nothing.
fn end(world: &mut World, at: MasterAt) {
    if world.masters[at].phase != MasterPhase::Gone {
        world.dies(at);
    }
    world.masters[at].outbox.clear();
    world.masters[at].is_missed = true;
}

/// What was passed on to a master that does not begin.
fn close(world: &mut World, to: MasterAt) {
    for holders in world.links() {
        holders.remove(&Holder::Passed(to));
    }
}

/// To a master that is gone it is lost.
fn send(world: &mut World, to: MasterAt, message: ToMaster) {
    let master = &mut world.masters[to];
    if master.phase != MasterPhase::Gone {
        master.inbox.push(message);
    }
}

/// Whether a request still waits somewhere.
pub(super) fn waits(client: &Client) -> Option<&Link> {
    match client {
        Client::Waiting(link) => Some(link),
        _ => None,
    }
}
