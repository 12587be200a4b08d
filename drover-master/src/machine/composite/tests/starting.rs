//! Each app starts once what it depends on is there.

use super::*;

#[test]
fn apps_without_dependencies_start_at_once_and_the_others_when_theirs_are_ready() {
    let mut stage =
        Stage::new(vec![app("web", &["db", "cache"]), app("db", &[]), app("cache", &[])], rules());
    stage.feed(CompositeInput::StartRequested);
    assert_eq!(stage.done(), "+db +cache");
    assert_eq!(stage.composite.standing(0), Some(Standing::Waiting { on: vec![1, 2] }));
    stage.started_now("db");
    assert_eq!(stage.done(), "");
    assert_eq!(stage.composite.standing(0), Some(Standing::Waiting { on: vec![2] }));
    stage.started_now("cache");
    assert_eq!(stage.composite.standing(0), Some(Standing::Starting));
    assert_eq!(stage.done(), "+web");
    assert!(!stage.log.contains(&CompositeAction::ReportStarted));
    stage.started_now("web");
    assert_eq!(stage.log, [CompositeAction::ReportStarted]);
}

#[test]
fn a_dependency_to_be_completed_is_waited_for_till_its_end() {
    let mut stage = Stage::new(vec![app("web", &["migrate!"]), app("migrate", &[])], rules());
    stage.feed(CompositeInput::StartRequested);
    stage.started_now("migrate");
    assert_eq!(stage.done(), "+migrate");
    stage.ended("migrate", Outcome::Completed);
    assert_eq!(stage.done(), "+web");
}

#[test]
fn one_that_has_completed_is_as_good_as_ready() {
    let mut stage = Stage::new(vec![app("web", &["seed"]), app("seed", &[])], rules());
    stage.feed(CompositeInput::StartRequested);
    stage.ended("seed", Outcome::Completed);
    assert_eq!(stage.done(), "+seed +web");
    stage.started_now("web");
    stage.end(Request::Shutdown);
    stage.left("web");
    assert_eq!(stage.finish, Some(End::ShutDown));
}

#[test]
fn a_failed_start_of_one_ends_the_others_and_is_the_reason_whatever_follows() {
    let mut stage = Stage::new(vec![app("a", &[]), app("b", &[]), app("c", &["b"])], rules());
    stage.feed(CompositeInput::StartRequested);
    stage.started_now("a");
    stage.masters[1] = Doing::Idle;
    stage.feed(CompositeInput::AppNotStarted(1));
    assert_eq!(stage.done(), "+a +b -a");
    stage.end(Request::Kill);
    stage.left("a");
    assert_eq!(stage.finish, Some(End::StartFailed));
    assert_eq!(stage.why(), "app b failed to start");
}

#[test]
fn with_keep_going_only_those_that_depend_on_a_failed_start_stay_down() {
    let specs = vec![app("top", &["web"]), app("web", &["db"]), app("db", &[]), app("log", &[])];
    let mut stage = Stage::new(specs, keep_going());
    stage.feed(CompositeInput::StartRequested);
    stage.ended("db", start_failed());
    stage.started_now("log");
    assert!(stage.log.contains(&CompositeAction::ReportStarted));
    assert_eq!(stage.done(), "+db +log");
    let not_started: Vec<_> = stage.composite.not_started().collect();
    let missing = |dependency, fate| Missing { dependency, fate };
    assert_eq!(not_started, [(0, missing(1, Fate::NotStarted)), (1, missing(2, Fate::Failed))]);
    stage.ended("log", Outcome::Completed);
    assert_eq!(stage.finish, Some(End::Failed));
}

#[test]
fn one_that_ends_otherwise_than_completed_is_a_loss_for_who_waits_for_its_completion() {
    let by = || "somebody".into();
    for outcome in [failed(), start_failed(), Outcome::ShutDown { by: by() }, Outcome::Killed { by: by() }] {
        let mut stage = Stage::new(vec![app("web", &["job!"]), app("job", &[]), app("log", &[])], rules());
        stage.feed(CompositeInput::StartRequested);
        stage.ended("job", outcome);
        assert_eq!(stage.done(), "+job +log -log");
        stage.left("log");
        assert_eq!(stage.finish, Some(End::StartFailed));
    }
}

#[test]
fn a_loss_without_keep_going_names_who_was_waited_for() {
    let mut stage = Stage::new(vec![app("web", &["job!"]), app("job", &[])], rules());
    stage.feed(CompositeInput::StartRequested);
    stage.started_now("job");
    stage.ended("job", failed());
    assert_eq!(stage.finish, Some(End::StartFailed));
    assert_eq!(stage.why(), "app web was not started: job, which it depends on, failed");
}
