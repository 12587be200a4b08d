//! Whatever happens, in whatever order: the witness finds nothing, and in the end everybody is answered.

use super::super::*;
use super::histories::*;
use super::stage::{Manner, Stage, spec};
use crate::config::{Kind, OnUpdateFailure, Protocol, UpdateOrder};
use crate::machine::gate::Request;
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

impl Stage {
    pub(super) fn play(&mut self, op: Op) {
        let chosen = |count: usize, which: usize| which.checked_rem(count);
        match op {
            Op::Start => drop(self.start()),
            Op::End(how) => drop(self.end(how)),
            Op::Operate(request, whom) => {
                let target = self.target(whom);
                self.operate(request, target);
            }
            Op::Scale(count) => drop(self.scale(count)),
            Op::Reload(policy, canary, is_new) => {
                let spec = AppSpec::clone(&self.fleet.current.spec);
                self.reload_to(spec, policy, canary, is_new);
            }
            Op::Renew(whom) => {
                let target = self.target(whom);
                self.renew(target);
            }
            Op::Promote => {
                self.promote();
            }
            Op::Abort => {
                self.abort();
            }
            Op::Adjust => {
                self.adjust();
            }
            Op::Signal(whom, signal) => {
                let target = self.target(whom);
                self.send_signal(target, signal);
            }
            Op::Tell(which) => drop(self.tell_one(which)),
            Op::Settle => self.settle(),
            Op::Exit(which, status) => self.end_one(which, status),
            Op::Noise(which, input) => {
                if let Some(at) = chosen(self.spawned.len(), which) {
                    self.feed(FleetInput::Worker { id: self.spawned[at].id, input });
                }
            }
            Op::Ail(slot, Some(question)) => drop(self.ailing.insert(SlotIndex(slot), question)),
            Op::Ail(slot, None) => drop(self.ailing.remove(&SlotIndex(slot))),
            Op::Measure(which, rss) => {
                if let Some(at) = chosen(self.spawned.len(), which) {
                    self.feed(FleetInput::Measured { worker: self.spawned[at].id, rss });
                }
            }
            Op::Echo(which, input) => {
                let gone: Vec<WorkerId> = self.spawned.iter().map(|worker| worker.id).collect();
                let gone: Vec<WorkerId> =
                    gone.into_iter().filter(|id| !self.witness.is_living(*id)).collect();
                if let Some(at) = chosen(gone.len(), which) {
                    self.feed(FleetInput::Worker { id: gone[at], input });
                }
            }
            Op::Decide(which, decision) => {
                if let Some(at) = chosen(self.asked.len(), which) {
                    let (worker, _) = self.asked[at];
                    self.feed(FleetInput::ExitDecided { worker, decision });
                }
            }
            Op::Deadline(beyond) => {
                let to_it = self.fleet.next_deadline().map_or(Duration::ZERO, |at| at - self.now);
                // A pause for ever is not waited for.
                if to_it < Duration::from_secs(100_000) {
                    self.clock(to_it + Duration::from_millis(beyond));
                }
            }
            Op::Clock(second) => self.show(second),
            Op::Wait(ms) => self.clock(Duration::from_millis(ms)),
            Op::Away(ms) => self.away(Duration::from_millis(ms)),
        }
    }

    fn target(&self, whom: Whom) -> Target {
        match whom {
            Whom::All => Target::All,
            Whom::Slot(slot) => Target::Slot(SlotIndex(slot)),
            Whom::Worker(which) => {
                let known = which.checked_rem(self.spawned.len()).map(|at| self.spawned[at].id);
                Target::Worker(known.unwrap_or(WorkerId(1)))
            }
        }
    }

    /// Asks for the end and plays everything until it is there.
    fn drain(&mut self, how: Request) {
        self.release();
        self.settle();
        self.end(how);
        for _ in 0..1000 {
            self.settle();
            if self.fleet.doing() == Doing::Idle {
                return;
            }
            self.tick();
        }
        panic!("it never ends: {:?}", self.fleet);
    }
}

proptest! {
    #[test]
    fn whatever_happens_every_worker_and_every_ticket_meets_exactly_one_end(
        spec in any_spec(), count in 1..6u32, has_hook: bool, can_resume: bool,
        scripts in vec(vec(manner(), 0..6), 5), ops in vec(op(), 1..120), how in how(),
    ) {
        let count = if spec.kind == Kind::Cron { 1 } else { count };
        let mut stage = Stage::new(spec, count, has_hook);
        stage.show(0);
        stage.can_resume = can_resume;
        if has_hook {
            stage.witness.longest_pause = Duration::MAX;
        }
        for (slot, script) in scripts.into_iter().enumerate() {
            stage = stage.script(slot as u32, script);
        }
        for op in ops {
            stage.play(op);
        }
        stage.drain(how);
        prop_assert_eq!(stage.fleet.next_deadline(), None);
    }
}

/// Plays until the app has nothing more to do, and looks after every step.
fn play_out(stage: &mut Stage, order: &[usize], look: &mut impl FnMut(&Stage)) {
    let mut order = order.iter().copied().cycle();
    for _ in 0..1_000 {
        look(stage);
        if !stage.tell_one(order.next().unwrap_or(0)) {
            let Some(at) = stage.fleet.next_deadline() else { return };
            stage.clock(at - stage.now);
        }
    }
    panic!("it never comes to rest: {:?}", stage.fleet);
}

proptest! {
    #[test]
    fn a_reload_of_workers_that_serve_keeps_to_its_bounds_and_ends_whole(
        count in 1..8u32, policy in update(), bad in proptest::option::of((0..8u32, manner())),
        order in vec(any::<usize>(), 1..20), protocol in prop_oneof![Just(Protocol::Drover), Just(Protocol::None)],
    ) {
        let mut stage = Stage::new(spec(protocol), count, false).begun();
        if let Some((slot, manner)) = bad.filter(|(_, manner)| *manner != Manner::Stuck) {
            stage = stage.script(slot % count, [manner]);
        }
        let unavailable = match policy.order {
            UpdateOrder::StopFirst => policy.max_unavailable.down(count).max(1),
            UpdateOrder::StartFirst => policy.max_unavailable.down(count),
        };
        let surge = match (policy.order, policy.max_surge.up(count)) {
            (UpdateOrder::StopFirst, _) => 0,
            (UpdateOrder::StartFirst, 0) => u32::from(unavailable == 0),
            (UpdateOrder::StartFirst, surge) => surge,
        };
        let is_paused = policy.on_failure == OnUpdateFailure::Pause;
        let reload = stage.reload(policy, None);
        let mut look = |stage: &Stage| {
            let serving = stage.fleet.workers().filter(|worker| worker.phase() == Phase::Started).count() as u32;
            assert!(serving + unavailable >= count, "{serving} of {count} serve, {unavailable} may be missing");
            let staying = stage.fleet.workers().filter(|worker| !worker.is_ending() && !worker.is_dead()).count() as u32;
            assert!(staying <= count + surge, "{staying} workers for {count}, {surge} may be beside");
        };
        play_out(&mut stage, &order, &mut look);
        let verdict = stage.verdict(reload);
        prop_assert!(verdict.is_some());
        let generations = stage.generations();
        if !is_paused || verdict == Some(Verdict::Done) {
            let current = stage.fleet.status().generation.0;
            prop_assert!(generations.iter().all(|generation| *generation == current), "{generations:?}, {verdict:?}");
            prop_assert_eq!(current, if verdict == Some(Verdict::Done) { 2 } else { 1 });
        }
        prop_assert_eq!(stage.fleet.status().ready, count);
        prop_assert_eq!(stage.fleet.workers().count() as u32, count);
    }
}
