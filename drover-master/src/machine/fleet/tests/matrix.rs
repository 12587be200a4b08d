//! The matrix that OTP tests its supervisors by: every kind of end, under every restart policy, in every state of the
//! app, alone and while another worker fails too.

use crate::signal::Signal;
use std::num::NonZeroU32;

use super::super::*;
use super::stage::{Manner, Stage, killed, secs, spec};
use crate::config::{OnStartFailure, Protocol, RestartWhen};
use crate::machine::exit::ExitStatus;
use crate::machine::gate::Request;

/// What becomes of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Retried,
    Completed,
    GivenUp,
    /// The app ends or has ended.
    Emptied,
    /// A worker is in it.
    Occupied,
}

use Fate::{Completed, Emptied, GivenUp, Occupied, Retried};

/// How a worker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Itself(ExitStatus),
    /// The master terminates it, for it broke the protocol.
    ByMaster,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AppIs {
    /// Starting, and the first failure is to fail the start.
    Starting,
    /// Starting, whatever fails.
    KeepingGoing,
    Started,
    Stopping,
}

const POLICIES: [RestartWhen; 3] = [RestartWhen::Always, RestartWhen::OnFailure, RestartWhen::Never];

/// Each end with its fate under each policy: of a ready worker, and of one that is not ready yet.
const ENDS: [(End, [Fate; 3], [Fate; 3]); 5] = [
    // A protocol worker that leaves before it was ready never did what it is for, whatever its code.
    (End::Itself(ExitStatus::Code(0)), [Retried, Completed, Completed], [Retried, Retried, GivenUp]),
    (End::Itself(ExitStatus::Code(1)), [Retried, Retried, GivenUp], [Retried, Retried, GivenUp]),
    (End::Itself(ExitStatus::Code(78)), [GivenUp, GivenUp, GivenUp], [GivenUp, GivenUp, GivenUp]),
    (
        End::Itself(ExitStatus::Signal { signal: Signal::KILL, core_dumped: false }),
        [Retried, Retried, GivenUp],
        [Retried, Retried, GivenUp],
    ),
    (End::ByMaster, [Retried, Retried, GivenUp], [Retried, Retried, GivenUp]),
];

/// An app of three; the workers of the slots 0 and 1 may fail, the one of slot 2 does not.
fn stage(when: RestartWhen, app: AppIs) -> Stage {
    let mut spec = spec(Protocol::Drover);
    spec.start.parallel = NonZeroU32::new(3).unwrap();
    spec.restart.when = when;
    spec.restart.fatal_codes = vec![78];
    if app != AppIs::Starting {
        spec.start.on_failure = OnStartFailure::KeepGoing;
    }
    let mut stage = Stage::new(spec, 3, false);
    match app {
        AppIs::Starting | AppIs::KeepingGoing => {
            stage = stage.script(0, [Manner::Dawdles]).script(1, [Manner::Dawdles]);
            stage.start();
            stage.settle();
        }
        AppIs::Started => stage = stage.begun(),
        AppIs::Stopping => {
            let deaf = [Manner::Deaf];
            stage = stage.script(0, deaf).script(1, deaf).script(2, deaf).begun();
            stage.end(Request::Shutdown);
        }
    }
    stage
}

fn end(stage: &mut Stage, slot: u32, end: End) {
    match end {
        End::Itself(status) => stage.end_process(slot, status),
        End::ByMaster => {
            let input = WorkerInput::ProtocolBroken { trouble: "stray text".into() };
            stage.feed(FleetInput::Worker { id: stage.id_in(slot), input });
            // One that is being ended anyway is not asked once more; by now it obeys.
            if stage.slot(slot).id.is_some() {
                stage.end_process(slot, killed(Signal::TERM));
            }
        }
    }
}

fn fate(stage: &Stage, slot: usize) -> Fate {
    match stage.fleet.slots[slot].state {
        SlotState::BackingOff { .. } => Retried,
        SlotState::Completed => Completed,
        SlotState::GivenUp => GivenUp,
        SlotState::Empty => Emptied,
        SlotState::Occupied(_) => Occupied,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_end_meets_every_policy_in_every_state_alone_and_beside_another_failure() {
    for (at, when) in POLICIES.into_iter().enumerate() {
        for app in [AppIs::Starting, AppIs::KeepingGoing, AppIs::Started, AppIs::Stopping] {
            for (how, ready, early) in ENDS {
                for other_fails in [None, Some("before"), Some("after")] {
                    let case =
                        format!("{how:?} under {when:?} while {app:?}, another fails: {other_fails:?}");
                    let mut stage = stage(when, app);
                    let other = End::Itself(ExitStatus::Code(1));
                    if other_fails == Some("before") {
                        end(&mut stage, 1, other);
                    }
                    // A failed start has ended the other one by now.
                    if stage.fleet.doing() != Doing::Idle {
                        end(&mut stage, 0, how);
                    }
                    if other_fails == Some("after") && stage.fleet.doing() != Doing::Idle {
                        end(&mut stage, 1, other);
                    }

                    let beside = |fate| if other_fails.is_some() { fate } else { Occupied };
                    let crash = [Retried, Retried, GivenUp][at];
                    let (own, others) = match app {
                        AppIs::Starting => (Emptied, Emptied),
                        AppIs::KeepingGoing => (early[at], beside(crash)),
                        AppIs::Started => (ready[at], beside(crash)),
                        AppIs::Stopping => (Emptied, beside(Emptied)),
                    };
                    assert_eq!((fate(&stage, 0), fate(&stage, 1)), (own, others), "{case}");

                    let doing = match app {
                        AppIs::Starting => Doing::Idle,
                        AppIs::Stopping => Doing::Stopping,
                        AppIs::Started => Doing::Started,
                        // Given up is settled.
                        AppIs::KeepingGoing if own == GivenUp && others == GivenUp => Doing::Started,
                        AppIs::KeepingGoing => Doing::Starting,
                    };
                    assert_eq!(stage.fleet.doing(), doing, "{case}");
                    stage.pass(secs(120));
                    let end = stage.ends.first();
                    match app {
                        AppIs::Starting => assert!(matches!(end, Some(Outcome::StartFailed(_))), "{case}"),
                        AppIs::Stopping => assert!(matches!(end, Some(Outcome::ShutDown { .. })), "{case}"),
                        AppIs::Started | AppIs::KeepingGoing => assert_eq!(end, None, "{case}"),
                    }
                    if own == Retried {
                        assert_eq!(fate(&stage, 0), Occupied, "{case}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_try_that_can_not_be_created_has_the_fate_of_a_crash() {
    for when in [RestartWhen::Always, RestartWhen::OnFailure] {
        let mut stage = stage(when, AppIs::Started).script(0, [Manner::NoSpawn]);
        end(&mut stage, 0, End::Itself(ExitStatus::Code(1)));
        stage.pass(secs(1));
        assert_eq!((fate(&stage, 0), stage.slot(0).restarts), (Retried, 1));
    }
}
