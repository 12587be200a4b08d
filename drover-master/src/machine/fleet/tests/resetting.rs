//! What failed before is forgotten by request.

use std::num::NonZeroU32;

use super::super::*;
use super::stage::{Stage, secs, spec};
use crate::config::Protocol;
use crate::machine::exit::ExitStatus;
use crate::machine::gate::DenyReason;

const CRASH: ExitStatus = ExitStatus::Code(1);

/// A started app of two whose slots may fail once.
fn limited() -> Stage {
    let mut spec = spec(Protocol::Drover);
    spec.restart.limit.count = NonZeroU32::MIN;
    Stage::new(spec, 2, false).begun()
}

#[test]
fn a_slot_that_was_given_up_is_tried_again_and_may_fail_as_often_as_before() {
    let mut stage = limited();
    for _ in 0..2 {
        // Twice the same: the second time proves that the first reset has forgotten its failures.
        stage.end_process(0, CRASH);
        stage.pass(secs(5));
        assert_eq!((stage.slot(0).phase, stage.slot(0).restarts), (Phase::Started, 1));
        stage.end_process(0, CRASH);
        stage.settle();
        assert_eq!(stage.fleet.slots[0].state, SlotState::GivenUp);
        let reset = stage.reset(Target::Slot(SlotIndex(0)));
        assert_eq!(stage.verdict(reset), Some(Verdict::Done));
        stage.settle();
        assert_eq!(stage.slot(0).phase, Phase::Started);
        let (id, other) = (stage.id_in(0), stage.id_in(1));
        let again = stage.reset(Target::All);
        stage.settle();
        assert_eq!(stage.verdict(again), Some(Verdict::Done));
        assert_eq!((stage.id_in(0), stage.id_in(1)), (id, other), "who lives is left alone");
        assert_eq!(stage.slot(0).restarts, 0);
    }
    let told = |event: &&FleetEvent| matches!(event.kind, EventKind::Reset { .. });
    assert_eq!(stage.events.iter().filter(told).count(), 4);
}

#[test]
fn a_pause_before_the_next_try_is_cut_short() {
    let mut stage = limited();
    stage.end_process(1, CRASH);
    assert_eq!(stage.slot(1).phase, Phase::BackingOff);
    stage.reset(Target::All);
    stage.settle();
    assert_eq!(stage.slot(1).phase, Phase::Started);
}

#[test]
fn an_app_that_does_not_run_is_not_reset() {
    let mut stage = Stage::protocol(1);
    let reset = stage.reset(Target::All);
    assert_eq!(stage.verdict(reset), Some(Verdict::Denied(DenyReason::NotRunning)));
}
