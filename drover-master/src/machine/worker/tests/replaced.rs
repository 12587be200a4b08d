//! What another master does for a worker that it has taken over.

use super::super::*;
use super::life::*;

/// What is begun again, by the name of the life; of all others nothing.
fn begun_again(name: &str) -> Vec<WorkerAction> {
    let ask = |question, number| WorkerAction::Ask { question, number };
    match name {
        "starting, probed" => vec![WorkerAction::StartProbe],
        "lingering, queued" => vec![WorkerAction::EmptyQueue],
        "checking" => vec![ask(Question::Readiness, 1)],
        "started, asked" => vec![ask(Question::Liveness, 2), ask(Question::Readiness, 3)],
        "started, unready" => vec![ask(Question::Liveness, 2)],
        _ => Vec::new(),
    }
}

#[test]
fn what_the_old_master_had_under_way_is_begun_again_and_nothing_else() {
    for (name, life) in lives() {
        let phase = life.worker.phase();
        let first = life.feed([replaced()]);
        assert_eq!(first.done, begun_again(name), "{name}");
        assert_eq!(first.worker.phase(), phase, "{name}");
        // If that master dies as well, it is so once more.
        assert_eq!(first.feed([replaced()]).done, begun_again(name), "{name}");
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
    let answers = life.done.iter().map(|action| match action {
        WorkerAction::Ask { question, number } => {
            WorkerInput::Answered { question: *question, number: *number, fault: None }
        }
        other => panic!("{other:?}"),
    });
    let answers: Vec<_> = answers.collect();
    let life = life.feed(answers);
    assert!(!life.worker.health.is_asking());
}
