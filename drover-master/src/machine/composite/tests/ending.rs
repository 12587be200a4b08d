//! How the whole ends.

use super::*;

fn three() -> Vec<AppSpec> {
    vec![app("web", &["api"]), app("api", &["db"]), app("db", &[]), app("log", &[])]
}

#[test]
fn an_end_goes_in_reverse_and_those_without_relation_end_at_once() {
    let mut stage = Stage::started(three(), rules());
    stage.end(Request::Shutdown);
    assert_eq!(stage.done(), "-log -web");
    stage.left("web");
    assert_eq!(stage.done(), "-api");
    stage.left("log");
    assert_eq!(stage.done(), "");
    stage.left("api");
    assert_eq!(stage.done(), "-db");
    assert_eq!(stage.finish, None);
    stage.left("db");
    assert_eq!(stage.finish, Some(End::ShutDown));
}

#[test]
fn a_dependency_waits_for_those_that_need_it_through_others_too() {
    // The one between has completed; what is behind it may still use what it prepared.
    let specs = vec![app("web", &["migrate!"]), app("migrate", &["db"]), app("db", &[])];
    let mut stage = Stage::new(specs, rules());
    stage.feed(CompositeInput::StartRequested);
    stage.started_now("db");
    stage.ended("migrate", Outcome::Completed);
    stage.started_now("web");
    stage.end(Request::Shutdown);
    assert_eq!(stage.done(), "+db +migrate +web -web");
    stage.left("web");
    assert_eq!(stage.done(), "-db");
}

#[test]
fn hurry_and_kill_reach_every_app_at_once() {
    for how in [Request::Hurry, Request::Kill] {
        let mut stage = Stage::started(three(), rules());
        stage.end(Request::Shutdown);
        stage.log.clear();
        stage.end(how);
        assert_eq!(stage.done(), "!log !web !api !db");
    }
}

#[test]
fn what_still_waits_at_the_end_is_never_started() {
    let mut stage = Stage::new(three(), rules());
    stage.feed(CompositeInput::StartRequested);
    stage.end(Request::Shutdown);
    stage.left("db");
    stage.left("log");
    assert_eq!(stage.finish, Some(End::ShutDown));
    assert_eq!(stage.done(), "+db +log -log -db");
}

#[test]
fn force_shows_in_the_end() {
    for (hows, expected) in [
        (vec![Request::Shutdown, Request::Hurry], End::Hurried),
        (vec![Request::Shutdown, Request::Hurry, Request::Shutdown], End::Hurried),
        (vec![Request::Shutdown, Request::Hurry, Request::Kill], End::Killed),
        (vec![Request::Kill, Request::Hurry], End::Killed),
        (vec![Request::Kill], End::Killed),
    ] {
        let mut stage = Stage::started(vec![app("web", &[])], rules());
        for how in hows {
            stage.end(how);
        }
        stage.left("web");
        assert_eq!(stage.finish, Some(expected));
    }
}

#[test]
fn apps_that_end_by_themselves_end_the_whole() {
    for (last, expected) in [
        (Outcome::Completed, End::Completed),
        (failed(), End::Failed),
        (Outcome::ShutDown { by: "its own signal".into() }, End::ShutDown),
    ] {
        let mut stage = Stage::started(vec![app("a", &[]), app("b", &[])], rules());
        stage.ended("a", Outcome::Completed);
        assert_eq!(stage.finish, None);
        stage.ended("b", last);
        assert_eq!(stage.finish, Some(expected));
        assert_eq!(stage.composite.why(), None);
    }
}

#[test]
fn a_policy_that_stops_all_stops_all() {
    for strategy in [Strategy::None, Strategy::OneForOne(Intensity::default())] {
        let rules = CompositeRules { strategy, ..rules() };
        let mut stage = Stage::started(vec![app("a", &[]), app("b", &[])], rules);
        stage.ended("a", Outcome::Failed { reason: LeaveReason::Limit, stop_all: true });
        assert_eq!(stage.done(), "-b");
        stage.left("b");
        assert_eq!(stage.finish, Some(End::Failed));
        assert_eq!(stage.why(), "app a failed, and its policy ends everything");
    }
}

#[test]
fn the_end_of_an_essential_app_ends_everything() {
    for (outcome, expected, why) in [
        (Outcome::Completed, End::Completed, "app job, which is essential, completed"),
        (failed(), End::Failed, "app job, which is essential, failed for good"),
    ] {
        let mut stage = Stage::started(vec![app("db", &[]), essential(app("job", &["db"]))], rules());
        stage.ended("job", outcome);
        assert_eq!(stage.done(), "-db");
        stage.left("db");
        assert_eq!(stage.finish, Some(expected));
        assert_eq!(stage.why(), why);
    }
}

#[test]
fn an_essential_app_that_does_not_start_ends_everything_even_with_keep_going() {
    for specs in [
        vec![essential(app("web", &[])), app("log", &[])],
        vec![essential(app("web", &["db"])), app("log", &[]), app("db", &[])],
    ] {
        let mut stage = Stage::new(specs, keep_going());
        stage.feed(CompositeInput::StartRequested);
        stage.started_now("log");
        let first = stage.first(Doing::Starting).unwrap();
        stage.end_done(first, start_failed());
        stage.left("log");
        assert_eq!(stage.finish, Some(End::StartFailed));
    }
}

#[test]
fn an_essential_app_may_be_stopped() {
    let mut stage = Stage::started(vec![essential(app("web", &[])), app("log", &[])], rules());
    stage.hold("web");
    assert_eq!(stage.doing("log"), Doing::Started);
    assert_eq!(stage.finish, None);
}

#[test]
fn what_is_left_after_the_shutdown_timeout_is_killed_and_the_end_is_a_failure() {
    let mut stage = Stage::started(three(), rules());
    assert_eq!(stage.composite.next_deadline(), None);
    stage.end(Request::Shutdown);
    assert_eq!(stage.composite.next_deadline(), Some(stage.now + TIMEOUT));
    stage.now += TIMEOUT - Duration::from_millis(1);
    stage.feed(CompositeInput::TimePassed);
    assert_eq!(stage.done(), "-log -web");
    stage.now += Duration::from_millis(1);
    stage.feed(CompositeInput::TimePassed);
    assert_eq!(stage.done(), "!log !web !api !db");
    assert_eq!(stage.composite.next_deadline(), None);
    for name in ["db", "api", "web", "log"] {
        stage.left(name);
    }
    assert_eq!(stage.finish, Some(End::TimedOut));
    assert_eq!(stage.why(), "asked by a test");
}

#[test]
fn the_time_that_the_master_was_away_does_not_count_as_shutdown_timeout() {
    let mut stage = Stage::started(three(), rules());
    stage.end(Request::Shutdown);
    stage.done();
    stage.now += TIMEOUT * 2;
    stage.feed(CompositeInput::WasAway { by: TIMEOUT * 2 });
    assert_eq!((stage.composite.next_deadline(), stage.done()), (Some(stage.now + TIMEOUT), String::new()));
}

#[test]
fn a_timeout_does_not_hide_what_went_wrong_first() {
    let mut stage = Stage::started(vec![essential(app("job", &[])), app("log", &[])], rules());
    stage.ended("job", failed());
    stage.now += TIMEOUT;
    stage.feed(CompositeInput::TimePassed);
    stage.left("log");
    assert_eq!(stage.finish, Some(End::Failed));
}

#[test]
fn a_kill_needs_no_deadline_any_more() {
    let mut stage = Stage::started(three(), rules());
    stage.end(Request::Shutdown);
    stage.end(Request::Kill);
    assert_eq!(stage.composite.next_deadline(), None);
}
