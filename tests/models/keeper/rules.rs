//! What has to be true, whatever happens; and what has to be reached, so that the rules are about something.

use stateright::Property;

use super::Drover;
use super::world::{Client, Holder, Life, Link, MasterPhase, ToKeeper, World};

pub(super) const ONE_MASTER_ACTS: &str = "at most one master acts";
pub(super) const NOBODY_WITHOUT_AN_OWNER: &str = "every worker belongs to the master that acts";
pub(super) const NO_EXIT_LOST: &str = "every exit is told, with its code";
pub(super) const NO_EXIT_TOLD_TWICE: &str = "no exit is told twice";
pub(super) const NO_OUTPUT_LOST: &str = "the pipe of a worker that runs has a reader";
pub(super) const NO_COMMIT_AFTER_A_THAW: &str = "no commit after a thaw";
pub(super) const ONE_ANSWER: &str = "a client gets an answer, unless a master died of itself";
pub(super) const EVERYBODY_LINKED: &str = "every worker is connected to the master that acts";

/// The rules.
pub(super) const KEPT: [&str; 8] = [
    ONE_MASTER_ACTS,
    NOBODY_WITHOUT_AN_OWNER,
    NO_EXIT_LOST,
    NO_EXIT_TOLD_TWICE,
    NO_OUTPUT_LOST,
    NO_COMMIT_AFTER_A_THAW,
    ONE_ANSWER,
    EVERYBODY_LINKED,
];

pub(super) const COMMITTED: &str = "an upgrade is committed";
pub(super) const THAWED: &str = "an upgrade is given up after the old master froze";
pub(super) const ADOPTED: &str = "a successor takes a worker over";
pub(super) const ANSWERED: &str = "a request that the old master accepted is answered by the new one";

pub(super) fn all() -> Vec<Property<Drover>> {
    vec![
        Property::always(ONE_MASTER_ACTS, |_, world: &World| acting(world).count() <= 1),
        Property::always(NOBODY_WITHOUT_AN_OWNER, |drover: &Drover, world: &World| {
            !drover.is_quiet(world) || everybody_has_an_owner(world)
        }),
        Property::always(NO_EXIT_LOST, |drover: &Drover, world: &World| {
            !drover.is_quiet(world) || every_exit_is_told(world)
        }),
        Property::always(NO_EXIT_TOLD_TWICE, |_, world: &World| {
            world.records.iter().all(|entry| entry.told <= 1)
        }),
        Property::always(NO_OUTPUT_LOST, |_, world: &World| every_pipe_has_a_reader(world)),
        Property::always(NO_COMMIT_AFTER_A_THAW, |_, world: &World| !(world.thawed && world.committed)),
        Property::always(ONE_ANSWER, |drover: &Drover, world: &World| match &world.client {
            Client::Broken => world.left.crashes < drover.bounds.crashes,
            Client::Waiting(_) => !drover.is_quiet(world),
            Client::Answered(times) => *times == 1,
            Client::Idle => true,
        }),
        Property::always(EVERYBODY_LINKED, |drover: &Drover, world: &World| {
            !drover.is_quiet(world) || everybody_is_linked(world)
        }),
        Property::sometimes(COMMITTED, |_, world: &World| world.committed),
        Property::sometimes(THAWED, |_, world: &World| world.thawed),
        Property::sometimes(ADOPTED, |_, world: &World| {
            acting(world).any(|at| at > 0 && !world.masters[at].table.is_empty())
        }),
        Property::sometimes(ANSWERED, |_, world: &World| {
            world.committed && world.client == Client::Answered(1) && world.masters.len() == 2
        }),
    ]
}

/// The masters that may touch a worker.
fn acting(world: &World) -> impl Iterator<Item = usize> {
    let masters = world.masters.iter().enumerate();
    masters.filter(|(_, master)| master.phase == MasterPhase::Running).map(|(at, _)| at)
}

fn everybody_has_an_owner(world: &World) -> bool {
    let Some(at) = acting(world).next() else { return false };
    let there: Vec<_> = world.unreaped().map(|(pid, process)| (process.id, pid)).collect();
    there.iter().copied().eq(world.masters[at].table.iter().copied())
}

fn every_exit_is_told(world: &World) -> bool {
    world.processes.iter().all(|process| match process.life {
        Life::Reaped(code) => {
            world.records[process.id].ended == Some(code) && world.records[process.id].told > 0
        }
        Life::Zombie(_) | Life::Running => true,
    })
}

fn every_pipe_has_a_reader(world: &World) -> bool {
    let is_held = |id| {
        world.keeper.held.contains(&id)
            || world
                .masters
                .iter()
                .any(|master| master.pipes.contains(&id) || master.outbox.contains(&ToKeeper::Hold(id)))
    };
    world.processes.iter().filter(|process| process.life == Life::Running).all(|process| is_held(process.id))
}

fn everybody_is_linked(world: &World) -> bool {
    let Some(at) = acting(world).next() else { return false };
    let running = world.processes.iter().filter(|process| process.life == Life::Running);
    running
        .into_iter()
        .all(|process| matches!(&process.link, Link::Held(holders) if holders.contains(&Holder::Master(at))))
}
