//! What another master does for a worker that it has taken over.

use super::super::*;
use super::life::*;

/// What is begun again, by the name of the life; of all others nothing.
fn begun_again(name: &str) -> Option<fn(&WorkerAction) -> bool> {
    Some(match name {
        "starting, probed" => |action| *action == WorkerAction::StartProbe,
        "lingering, queued" => |action| *action == WorkerAction::EmptyQueue,
        "checking" | "started, asked" => |action| matches!(action, WorkerAction::Ask { .. }),
        _ => return None,
    })
}

#[test]
fn what_the_old_master_had_under_way_is_begun_again_and_nothing_else() {
    for (name, life) in lives() {
        let phase = life.worker.phase();
        let first = life.feed([replaced()]);
        let again = begun_again(name);
        let done: Vec<_> =
            first.done.iter().filter(|action| !again.is_some_and(|again| again(action))).collect();
        assert!(done.is_empty(), "{name}: {done:?}");
        assert_eq!(first.done.len(), again.iter().len(), "{name}: {:?}", first.done);
        assert_eq!(first.worker.phase(), phase, "{name}");
        // If that master dies as well, it is so once more.
        let done = first.done.clone();
        assert_eq!(first.feed([replaced()]).done, done, "{name}");
    }
}

#[test]
fn every_deadline_is_moved_by_the_time_without_a_master() {
    let minute = Duration::from_secs(60);
    for (name, life) in lives() {
        let before = life.worker.deadline;
        let after = life.feed([replaced()]).worker.deadline;
        match (before, after) {
            // The connection is gone, and has its own time to come back.
            (_, Some((DeadlineKind::Reconnect, _))) => {}
            (before, after) => assert_eq!(after, before.map(|(kind, at)| (kind, at + minute)), "{name}"),
        }
    }
}

#[test]
fn an_answer_to_what_is_asked_again_counts() {
    let (_, asked) = lives().into_iter().find(|(name, _)| *name == "started, asked").expect("it is there");
    let life = asked.feed([replaced()]);
    let Some(WorkerAction::Ask { question, number }) = life.done.first().cloned() else {
        panic!("{:?}", life.done)
    };
    let life = life.feed([WorkerInput::Answered { question, number, fault: None }]);
    assert!(!life.worker.health.is_asking());
}
