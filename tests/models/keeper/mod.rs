//! The keeper, its masters, their workers and a client: what docs/design/keeper.md says of a crash and of an upgrade.
//!
//! A step is what no other process can see the half of: a system call, or a message taken from a queue. A master may die between any
//! two of them. The rules are the order of the steps; each flaw breaks one of them, and the checker has to find that out.

mod keeping;
mod mastering;
mod outside;
mod rules;
mod world;

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model, Property};

use self::outside::Event;
use self::world::{Bounds, MasterAt, World};

/// What is done in another order than the page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// The process is born before the records say that it is to be.
    ClonesBeforeItIntends,
    /// The master writes the pid of a new process itself, once it knows it, instead of letting the kernel do it.
    WritesThePidItself,
    /// The keeper gets a pipe when the worker has it already.
    HoldsAfterTheClone,
    /// The process is reaped before the records say how it ended.
    ReapsBeforeItRecords,
    /// A successor does not look whether an end is in the records already.
    TellsWhatWasTold,
    /// The keeper takes a master for gone before it has read what that had sent.
    ForgetsWhatADeadMasterSent,
    /// A frozen master goes on by itself when it has waited long enough.
    ThawsByItself,
    /// The keeper takes what a master says of an earlier try for an answer to this one.
    TakesALateFrozen,
    /// The new master begins while the old one is still there.
    CommitsBeforeTheOldOneIsGone,
    /// What a frozen master passed on is lost with the new master that was to have it.
    LosesWhatWasPassedOn,
    /// The old master does not pass its connections.
    KeepsItsConnections,
}

/// A step of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Outside(Event),
    Keeper(keeping::Step),
    Master(MasterAt, mastering::Step),
    /// A worker or the client notices that its connection has broken.
    NoticeBroken(outside::Peer),
}

#[derive(Debug, Clone, Copy)]
struct Drover {
    bounds: Bounds,
    flaw: Option<Flaw>,
}

impl Drover {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// What keeper, masters, workers and client do of themselves.
    fn own_steps(&self, world: &World, steps: &mut Vec<Step>) {
        steps.extend(self.keeper_steps(world).into_iter().map(Step::Keeper));
        for at in 0..world.masters.len() {
            steps.extend(self.master_steps(world, at).into_iter().map(|step| Step::Master(at, step)));
        }
        steps.extend(outside::broken(world).into_iter().map(Step::NoticeBroken));
    }

    /// Whether nothing goes on unless something happens.
    fn is_quiet(&self, world: &World) -> bool {
        let mut steps = Vec::new();
        self.own_steps(world, &mut steps);
        steps.is_empty()
    }
}

impl Model for Drover {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.bounds)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        self.own_steps(world, steps);
        steps.extend(self.events(world).into_iter().map(Step::Outside));
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = last.clone();
        match step {
            Step::Outside(event) => outside::happen(self, &mut world, event),
            Step::Keeper(step) => self.keep(&mut world, step),
            Step::Master(at, step) => self.master(&mut world, at, step),
            Step::NoticeBroken(peer) => outside::notice(&mut world, peer),
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        rules::all()
    }
}

/// Two crashes, with workers that come and go.
const CRASHES: Bounds = Bounds { crashes: 2, exits: 2, spawns: 3, upgrades: 0, requests: 0 };

/// An upgrade, with a crash at any moment of it, a worker that may end, and a client.
const UPGRADE: Bounds = Bounds { crashes: 1, exits: 1, spawns: 1, upgrades: 1, requests: 1 };

/// One upgrade after another.
const UPGRADES: Bounds = Bounds { crashes: 1, upgrades: 2, ..UPGRADE };

/// All that can happen, until the rule is broken or there is nothing more.
fn checked(bounds: Bounds, flaw: Option<Flaw>, until: HasDiscoveries) -> impl Checker<Drover> {
    Drover { bounds, flaw }.checker().finish_when(until).spawn_bfs().join()
}

#[test]
fn crashes_of_masters_break_no_rule() {
    let checker = checked(CRASHES, None, HasDiscoveries::AnyFailures);
    checker.assert_no_discovery(rules::COMMITTED);
    for rule in rules::KEPT {
        checker.assert_no_discovery(rule);
    }
    checker.assert_any_discovery(rules::ADOPTED);
}

#[test]
fn an_upgrade_breaks_no_rule_whoever_dies_in_it() {
    let checker = checked(UPGRADES, None, HasDiscoveries::AnyFailures);
    for rule in rules::KEPT {
        checker.assert_no_discovery(rule);
    }
    for reached in [rules::COMMITTED, rules::THAWED, rules::ADOPTED, rules::ANSWERED] {
        checker.assert_any_discovery(reached);
    }
}

#[test]
fn each_flaw_breaks_a_rule() {
    use Flaw::*;
    for (bounds, flaw, rule) in [
        (CRASHES, ClonesBeforeItIntends, rules::NO_EXIT_LOST),
        (CRASHES, WritesThePidItself, rules::NO_EXIT_LOST),
        (CRASHES, HoldsAfterTheClone, rules::NO_OUTPUT_LOST),
        (CRASHES, ReapsBeforeItRecords, rules::NO_EXIT_LOST),
        (CRASHES, TellsWhatWasTold, rules::NO_EXIT_TOLD_TWICE),
        (CRASHES, ForgetsWhatADeadMasterSent, rules::NO_OUTPUT_LOST),
        (UPGRADE, ThawsByItself, rules::ONE_ANSWER),
        (UPGRADES, TakesALateFrozen, rules::ONE_ANSWER),
        (UPGRADE, CommitsBeforeTheOldOneIsGone, rules::NOBODY_WITHOUT_AN_OWNER),
        (UPGRADE, LosesWhatWasPassedOn, rules::ONE_ANSWER),
        (UPGRADE, KeepsItsConnections, rules::ONE_ANSWER),
    ] {
        let until = HasDiscoveries::AnyOf(BTreeSet::from([rule]));
        let broken = checked(bounds, Some(flaw), until).discoveries();
        let found: Vec<_> = broken.keys().collect();
        assert!(broken.contains_key(rule), "{flaw:?} does not break `{rule}`, but {found:?}");
    }
}
