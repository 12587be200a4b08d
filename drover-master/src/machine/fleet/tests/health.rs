//! Workers that fail what they are asked from outside.

use std::num::NonZeroU32;
use std::time::Duration;

use super::super::*;
use super::stage::{Stage, secs, spec};
use crate::config::{HealthCheck, HealthPolicy, ProbeKind, Protocol, Share, UpdateOrder, UpdatePolicy};
use crate::machine::exit::{ExitReason, KillCause};
use crate::machine::worker::Question;

/// A description by which workers are asked every second, and one answer decides.
fn asked(liveness: bool, readiness: bool) -> AppSpec {
    let mut check = HealthCheck::new(ProbeKind::Tcp { addr: "a:1".into() });
    check.probe.interval = secs(1);
    check.failures = NonZeroU32::MIN;
    let mut spec = spec(Protocol::Drover);
    spec.health.liveness = liveness.then(|| check.clone());
    spec.health.readiness = readiness.then_some(check);
    spec
}

fn started(count: u32) -> Stage {
    Stage::new(asked(false, true), count, false).begun()
}

impl Stage {
    fn ails(&mut self, slot: u32, question: Question) {
        self.ailing.insert(SlotIndex(slot), question);
        self.pass(secs(3));
    }

    fn recovers(&mut self, slot: u32) {
        self.ailing.remove(&SlotIndex(slot));
        self.pass(secs(3));
    }

    fn reload_asked(&mut self, policy: UpdatePolicy) -> TicketId {
        self.reload_to(asked(false, true), policy, None, false)
    }

    fn names_of(&self, name: &str) -> usize {
        self.events.iter().filter(|event| event.kind.name(event.phase) == name).count()
    }
}

fn policy(order: UpdateOrder, soak: Duration) -> UpdatePolicy {
    UpdatePolicy { order, soak, max_unavailable: Share::Count(1), ..UpdatePolicy::default() }
}

#[test]
fn an_unready_worker_does_not_count_until_it_passes_again_and_is_left_alive() {
    let mut stage = started(3);
    let id = stage.id_in(1);
    stage.ails(1, Question::Readiness);
    assert_eq!((stage.fleet.status().ready, stage.id_in(1)), (2, id));
    assert_eq!((stage.slot(1).phase, stage.slot(1).unready.is_some()), (Phase::Started, true));
    assert_eq!(stage.names_of("unready"), 1);
    stage.recovers(1);
    assert_eq!((stage.fleet.status().ready, stage.id_in(1)), (3, id));
    assert_eq!((stage.names_of("ready_again"), stage.slot(1).unready), (1, None));
}

#[test]
fn a_worker_that_fails_its_liveness_is_replaced_by_the_restart_policy() {
    let mut stage = Stage::new(asked(true, false), 2, false).begun();
    let id = stage.id_in(0);
    stage.ails(0, Question::Liveness);
    stage.recovers(0);
    assert_ne!(stage.id_in(0), id);
    let exit = stage.last_exit(0);
    assert!(matches!(exit.reason, ExitReason::KilledByMaster { cause: KillCause::Unhealthy, .. }), "{exit}");
    assert!(exit.to_string().contains("GET / answered 500"), "{exit}");
}

#[test]
fn a_start_waits_for_the_readiness_of_all_but_not_for_one_that_had_it() {
    let mut spec = asked(false, true);
    spec.start.parallel = NonZeroU32::new(3).unwrap();
    let mut stage = Stage::new(spec, 3, false);
    stage.ailing.insert(SlotIndex(2), Question::Readiness);
    let start = stage.start();
    stage.settle();
    stage.pass(secs(2));
    assert_eq!((stage.fleet.status().ready, stage.verdict(start)), (2, None));
    stage.ails(0, Question::Readiness);
    stage.recovers(2);
    assert_eq!((stage.fleet.status().ready, stage.verdict(start)), (2, Some(Verdict::Done)));
}

#[test]
fn an_unready_worker_is_replaced_first_and_counts_as_missing() {
    let mut stage = started(3);
    let old: Vec<_> = (0..3).map(|slot| stage.id_in(slot)).collect();
    stage.ails(2, Question::Readiness);
    let reload = stage.reload_asked(policy(UpdateOrder::StopFirst, Duration::ZERO));
    stage.settle();
    assert_eq!((stage.slot(0).id, stage.slot(1).id), (Some(old[0]), Some(old[1])), "those that serve stay");
    // Its successor is not ready either, so one is missing already.
    stage.pass(secs(5));
    assert_eq!((stage.id_in(0), stage.id_in(1), stage.fleet.status().ready), (old[0], old[1], 2));
    stage.recovers(2);
    stage.pass(secs(10));
    assert_eq!((stage.verdict(reload), stage.fleet.status().ready), (Some(Verdict::Done), 3));
}

#[test]
fn a_replacement_takes_over_only_when_its_readiness_passes() {
    let mut stage = started(1);
    let old = stage.id_in(0);
    stage.ailing.insert(SlotIndex(0), Question::Readiness);
    let reload = stage.reload_asked(policy(UpdateOrder::StartFirst, Duration::ZERO));
    stage.settle();
    stage.pass(secs(2));
    assert_eq!((stage.id_in(0), stage.verdict(reload)), (old, None));
    stage.recovers(0);
    assert_eq!((stage.verdict(reload), stage.generations()), (Some(Verdict::Done), vec![2]));
}

#[test]
fn a_replacement_that_turns_unready_proves_itself_anew_once_it_is_ready_again() {
    let mut stage = started(1);
    let old = stage.id_in(0);
    let reload = stage.reload_asked(policy(UpdateOrder::StartFirst, secs(10)));
    stage.settle();
    stage.pass(secs(8));
    stage.ails(0, Question::Readiness);
    stage.pass(secs(20));
    assert_eq!((stage.id_in(0), stage.verdict(reload)), (old, None), "its proof stands still");
    stage.recovers(0);
    stage.pass(secs(5));
    assert_eq!(stage.verdict(reload), None, "ten seconds at a stretch");
    stage.pass(secs(6));
    assert_eq!((stage.verdict(reload), stage.generations()), (Some(Verdict::Done), vec![2]));
}

#[test]
fn a_replacement_that_stays_unready_fails_the_reload_at_its_time() {
    let mut stage = started(2);
    let policy = UpdatePolicy { timeout: secs(60), ..policy(UpdateOrder::StartFirst, secs(10)) };
    let reload = stage.reload_asked(policy);
    stage.settle();
    stage.pass(secs(2));
    stage.ails(0, Question::Readiness);
    stage.pass(secs(60));
    assert_eq!(stage.verdict(reload), Some(Verdict::RolledBack(ReloadFailure::Deadline)));
    assert_eq!(stage.generations(), [1, 1]);
}

#[test]
fn an_unready_worker_is_the_first_to_go_when_the_app_shrinks() {
    let mut stage = started(3);
    stage.ails(0, Question::Readiness);
    stage.scale(Count::To(2));
    stage.settle();
    stage.pass(secs(1));
    assert_eq!(stage.fleet.status().ready, 2);
}

#[test]
fn rules_without_health_ask_nothing() {
    assert_eq!(spec(Protocol::Drover).health, HealthPolicy::default());
    assert!(Stage::started(2).fleet.workers().all(|worker| worker.next_try().is_none()));
}
