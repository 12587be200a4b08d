//! What happens to them.

use std::collections::BTreeSet;

use super::Drover;
use super::keeping::{give_up, waits};
use super::world::{Client, Doing, Entry, Life, Link, Master, MasterAt, MasterPhase, Phase, Pid, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A master dies at once, of whatever.
    Crash(MasterAt),
    /// A worker exits.
    Exit(Pid),
    /// An app wants a worker.
    Spawn(MasterAt),
    /// Somebody runs `drover upgrade`.
    Upgrade,
    /// The keeper has waited long enough for the new master or the old one.
    GiveUp,
    /// A client connects and asks.
    Ask,
}

/// Who made a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    Worker(Pid),
    Client,
}

impl Drover {
    pub(super) fn events(&self, world: &World) -> Vec<Event> {
        let mut events = Vec::new();
        let left = world.left;
        for (at, master) in world.masters.iter().enumerate() {
            if left.crashes > 0 && master.phase != MasterPhase::Gone {
                events.push(Event::Crash(at));
            }
            if left.spawns > 0 && master.phase == MasterPhase::Running && master.doing == Doing::Nothing {
                events.push(Event::Spawn(at));
            }
        }
        if left.exits > 0 {
            let running = world.unreaped().filter(|(_, process)| process.life == Life::Running);
            events.extend(running.map(|(pid, _)| Event::Exit(pid)));
        }
        match world.keeper.phase {
            Phase::Watching { master } => {
                if left.upgrades > 0 && world.masters[master].phase == MasterPhase::Running {
                    events.push(Event::Upgrade);
                }
            }
            Phase::Checking { .. } | Phase::Freezing { .. } => events.push(Event::GiveUp),
            Phase::Leaving { .. } => {}
        }
        if left.requests > 0 && world.client == Client::Idle {
            events.push(Event::Ask);
        }
        events
    }
}

pub(super) fn happen(drover: &Drover, world: &mut World, event: Event) {
    match event {
        Event::Crash(at) => {
            world.left.crashes -= 1;
            world.dies(at);
        }
        Event::Exit(pid) => {
            world.left.exits -= 1;
            world.processes[pid].life = Life::Zombie(42);
        }
        Event::Spawn(at) => {
            world.left.spawns -= 1;
            let id = world.records.len();
            world.records.push(Entry::default());
            world.masters[at].doing = Doing::Spawning { id, next: drover.spawn_order()[0] };
        }
        Event::Upgrade => {
            let Phase::Watching { master } = world.keeper.phase else { return };
            world.left.upgrades -= 1;
            world.masters.push(Master::loading());
            (world.thawed, world.committed) = (false, false);
            world.keeper.phase = Phase::Checking { old: master, new: world.masters.len() - 1 };
        }
        Event::GiveUp => {
            if let Phase::Checking { old, new } | Phase::Freezing { old, new } = world.keeper.phase {
                give_up(world, old, new);
            }
        }
        Event::Ask => {
            world.left.requests -= 1;
            world.client = Client::Waiting(Link::Queued);
        }
    }
}

/// Whose connection has broken.
pub(super) fn broken(world: &World) -> Vec<Peer> {
    let nobodys = Link::Held(BTreeSet::new());
    let workers =
        world.unreaped().filter(|(_, process)| process.life == Life::Running && process.link == nobodys);
    let mut peers: Vec<_> = workers.map(|(pid, _)| Peer::Worker(pid)).collect();
    if waits(&world.client) == Some(&nobodys) {
        peers.push(Peer::Client);
    }
    peers
}

/// A worker connects again, to a socket that the keeper has kept open; a client does not know what became of its request.
pub(super) fn notice(world: &mut World, peer: Peer) {
    match peer {
        Peer::Worker(pid) => world.processes[pid].link = Link::Queued,
        Peer::Client => world.client = Client::Broken,
    }
}
