//! The worker's transitions, state by state and input by input.

use std::fmt::Write as _;

use super::super::*;
use super::life::*;
use crate::machine::exit::{ExitStatus, SpawnStep};

/// As the newest try is asked in each of the lives above.
fn answered(question: Question, fault: Option<&str>) -> WorkerInput {
    WorkerInput::Answered { question, number: 0, fault: fault.map(Into::into) }
}

fn inputs() -> Vec<(&'static str, WorkerInput)> {
    vec![
        ("Spawned", spawned()),
        ("SpawnFailed", WorkerInput::SpawnFailed { step: SpawnStep::Exec, errno: 2, detail: None }),
        ("Connected", WorkerInput::Connected),
        ("Disconnected", WorkerInput::Disconnected),
        ("ProbePassed", WorkerInput::ProbePassed),
        ("FoundStopped", WorkerInput::Looked { stopped_by: Signal::new(libc::SIGTTIN) }),
        ("ProbeFailed", WorkerInput::ProbeFailed { reason: "GET / answered 500".into() }),
        ("TryDue", WorkerInput::TryDue),
        ("LivenessFailed", answered(Question::Liveness, Some("GET / answered 500"))),
        ("ReadinessPassed", answered(Question::Readiness, None)),
        ("ReadinessFailed", answered(Question::Readiness, Some("GET / answered 500"))),
        ("QueueEmptied", WorkerInput::QueueEmptied),
        ("Died", WorkerInput::Died { status: ExitStatus::Code(1) }),
        ("SaidStarted", said(WorkerReport::Started)),
        ("SaidStopped", said(WorkerReport::Stopped)),
        ("SaidShutDown", said(WorkerReport::ShutDown)),
        ("SaidPong", said(WorkerReport::Pong)),
        ("SaidStray", said(WorkerReport::Stray)),
        ("SaidFailed", said(WorkerReport::Failed { asked: 1, why: "why".into() })),
        ("SaidProgress", said(WorkerReport::Progress)),
        ("SaidExtend", said(WorkerReport::Extend { by: Duration::from_secs(1) })),
        (
            "SaidStatus",
            said(WorkerReport::Status {
                text: "busy".into(),
                in_flight: 3,
                requests: 0,
                gauges: Default::default(),
            }),
        ),
        ("NoticedReady", WorkerInput::Notified(Notice::Ready)),
        ("NoticedReloading", WorkerInput::Notified(Notice::Reloading { since: None })),
        ("NoticedStopping", WorkerInput::Notified(Notice::Stopping)),
        ("NoticedExtend", WorkerInput::Notified(Notice::Extend { by: Duration::from_secs(60) })),
        ("NoticedTrigger", WorkerInput::Notified(Notice::Trigger)),
        ("ReloadAsked", WorkerInput::ReloadAsked),
        ("ProtocolBroken", WorkerInput::ProtocolBroken { trouble: "text".into() }),
        ("HandshakeRefused", WorkerInput::HandshakeRefused { trouble: "version".into() }),
        ("SaidCapable", WorkerInput::SaidCapable { resume: true }),
        ("SuspendAsked", WorkerInput::SuspendAsked),
        ("ResumeAsked", WorkerInput::ResumeAsked),
        ("ShutdownAsked", shutdown()),
        ("Hurried", hurry()),
        ("KillAsked", kill()),
        ("DeadlinePassed", WorkerInput::DeadlinePassed),
        ("MasterWasAway", away()),
        ("MasterReplaced", replaced()),
        ("Exited", exited()),
    ]
}

/// Every state meets every input. The expected table is kept beside the code, so that a change of any cell is seen in
/// review. To write it anew: `DROVER_BLESS=1 cargo test -p drover-master every_state_meets_every_input`.
#[test]
fn every_state_meets_every_input() {
    let mut table = String::new();
    for (at, (name, _)) in lives().into_iter().enumerate() {
        for (input_name, input) in inputs() {
            let (_, mut life) = lives().swap_remove(at);
            let input = match input {
                WorkerInput::Answered { question, number: 0, fault } => {
                    WorkerInput::Answered { question, number: life.number_of(question), fault }
                }
                input => input,
            };
            if input == WorkerInput::TryDue {
                life.now = life.worker.next_try().unwrap_or(life.now);
            }
            if input == WorkerInput::DeadlinePassed {
                life.now = life.worker.deadline().unwrap_or(life.now);
            }
            let life = life.feed([input]);
            let link = match life.worker.link {
                LinkState::Up => "",
                LinkState::Never => ", no link",
                LinkState::Lost => ", link lost",
            };
            let rung = match life.worker.state() {
                WorkerState::ShuttingDown { rung } => format!("({rung:?})"),
                WorkerState::Initialized { doomed: Some(rung) } => format!("(doomed {rung:?})"),
                _ => String::new(),
            };
            let deadline =
                life.worker.deadline.map_or_else(String::new, |(kind, _)| format!(" until {kind:?}"));
            let phase = life.worker.phase().name();
            let checking = if *life.worker.state() == WorkerState::Checking { "(Checking)" } else { "" };
            let unready = if life.worker.unready().is_some() { ", unready" } else { "" };
            write!(table, "{name} + {input_name}: {phase}{checking}{rung}{link}{unready}{deadline}").unwrap();
            writeln!(table, "{}", life.done.iter().map(|a| format!(" → {a:?}")).collect::<String>()).unwrap();
        }
    }
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/src/machine/worker/transitions.txt");
    if std::env::var_os("DROVER_BLESS").is_some() {
        std::fs::write(kept, &table).unwrap();
    }
    let expected = std::fs::read_to_string(kept).unwrap();
    for (got, expected) in table.lines().zip(expected.lines()) {
        assert_eq!(got, expected);
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}

#[test]
fn every_state_takes_an_exit_and_ends() {
    for (name, life) in lives() {
        let life = life.feed([exited()]);
        assert!(life.worker.phase().is_final(), "{name}");
        assert_eq!(life.worker.deadline(), None, "{name}");
    }
}

#[test]
fn every_deadline_is_moved_by_the_time_that_the_master_was_away() {
    let minute = Duration::from_secs(60);
    let mut kinds = Vec::new();
    for (name, life) in lives() {
        let before = (life.worker.deadline, life.worker.watchdog.due(), life.worker.next_try());
        let life = life.feed([away()]);
        let moved = |at: Option<Instant>| at.map(|at| at + minute);
        let expected = (before.0.map(|(kind, at)| (kind, at + minute)), moved(before.1), moved(before.2));
        assert_eq!(
            (life.worker.deadline, life.worker.watchdog.due(), life.worker.next_try()),
            expected,
            "{name}"
        );
        kinds.extend(before.0.map(|(kind, _)| kind));
    }
    for kind in [
        DeadlineKind::Create,
        DeadlineKind::Start,
        DeadlineKind::PreStop,
        DeadlineKind::Queue,
        DeadlineKind::Drain,
        DeadlineKind::Quit,
        DeadlineKind::Term,
        DeadlineKind::Kill,
        DeadlineKind::Heartbeat,
        DeadlineKind::Reload,
        DeadlineKind::Reconnect,
    ] {
        assert!(kinds.contains(&kind), "no state of the table has {kind:?}");
    }
}
