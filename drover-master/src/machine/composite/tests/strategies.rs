//! What follows when an app fails for good.

use super::*;

fn four() -> Vec<AppSpec> {
    vec![app("db", &[]), app("api", &["db"]), app("web", &["api"]), app("log", &[])]
}

#[test]
fn without_a_strategy_an_app_that_failed_stays_so_and_the_others_go_on() {
    let mut stage = Stage::started(four(), rules());
    stage.ended("db", failed());
    assert_eq!(stage.done(), "");
    assert_eq!(stage.finish, None);
    stage.end(Request::Shutdown);
    stage.settle();
    assert_eq!(stage.finish, Some(End::ShutDown), "its end was wished for");
}

#[test]
fn one_for_one_starts_the_app_again_and_it_is_no_failure_any_more() {
    let mut stage = Stage::started(four(), with(Strategy::OneForOne, 1));
    stage.ended("api", failed());
    assert_eq!(stage.done(), "+api");
    stage.started_now("api");
    for name in ["db", "api", "web", "log"] {
        stage.ended(name, Outcome::Completed);
    }
    assert_eq!(stage.finish, Some(End::Completed));
}

#[test]
fn one_for_all_stops_all_in_reverse_and_starts_all_in_order() {
    let mut stage = Stage::started(four(), with(Strategy::OneForAll, 1));
    stage.ended("api", failed());
    assert_eq!(stage.done(), "-log -web");
    stage.left("web");
    assert_eq!(stage.done(), "-db");
    stage.left("db");
    assert_eq!(stage.done(), "", "the log is not gone yet");
    stage.left("log");
    assert_eq!(stage.done(), "+db +log");
    stage.started_now("db");
    stage.started_now("api");
    assert_eq!(stage.done(), "+api +web");
    stage.started_now("web");
    stage.started_now("log");
    assert!(!stage.log.contains(&CompositeAction::ReportStarted), "it was reported before");
}

#[test]
fn rest_for_one_leaves_those_before_in_the_order_of_start() {
    let mut stage = Stage::started(four(), with(Strategy::RestForOne, 1));
    stage.ended("api", failed());
    assert_eq!(stage.done(), "-log -web");
    stage.left("log");
    stage.left("web");
    assert_eq!(stage.done(), "+api +log");
    assert_eq!(stage.doing("db"), Doing::Started);
}

#[test]
fn one_for_all_starts_again_what_had_completed_but_not_what_is_held() {
    let specs = vec![app("migrate", &[]), app("web", &["migrate!"]), app("log", &[])];
    let mut stage = Stage::new(specs, with(Strategy::OneForAll, 1));
    stage.feed(CompositeInput::StartRequested);
    stage.ended("migrate", Outcome::Completed);
    stage.settle();
    stage.hold("log");
    stage.done();
    stage.ended("web", failed());
    assert_eq!(stage.done(), "+migrate");
    stage.ended("migrate", Outcome::Completed);
    assert_eq!(stage.done(), "+web");
    assert_eq!(stage.doing("log"), Doing::Idle);
}

#[test]
fn one_failure_more_than_the_intensity_within_the_period_ends_everything() {
    let mut stage = Stage::started(four(), with(Strategy::OneForOne, 2));
    for name in ["web", "log"] {
        stage.ended(name, failed());
        stage.started_now(name);
    }
    stage.log.clear();
    stage.ended("web", failed());
    assert_eq!(stage.done(), "-log -api");
    stage.settle();
    assert_eq!(stage.finish, Some(End::Failed));
    assert_eq!(stage.why(), "app web failed for good, 3 such failures within 5s; the strategy bears 2");
}

#[test]
fn failures_farther_apart_than_the_period_do_not_add_up() {
    let mut stage = Stage::started(four(), with(Strategy::OneForOne, 1));
    for _ in 0..10 {
        stage.ended("web", failed());
        stage.started_now("web");
        stage.now += Duration::from_secs(5) + Duration::from_nanos(1);
    }
    assert_eq!(stage.finish, None);
}

#[test]
fn an_app_that_does_not_come_back_counts_again() {
    let mut stage = Stage::started(vec![app("web", &[]), app("log", &[])], with(Strategy::OneForOne, 1));
    stage.ended("web", failed());
    assert_eq!(stage.done(), "+web");
    stage.ended("web", start_failed());
    assert_eq!(stage.done(), "-log");
    stage.left("log");
    assert_eq!(stage.finish, Some(End::Failed));
}

#[test]
fn the_first_start_is_not_the_strategys_business() {
    let mut stage = Stage::new(vec![app("web", &[]), app("log", &[])], with(Strategy::OneForOne, 9));
    stage.feed(CompositeInput::StartRequested);
    stage.ended("web", start_failed());
    assert_eq!(stage.done(), "+web +log -log");
}

#[test]
fn a_failure_while_the_group_is_stopped_is_just_one_less_to_stop() {
    let mut stage = Stage::started(four(), with(Strategy::OneForAll, 1));
    stage.ended("web", failed());
    assert_eq!(stage.done(), "-log -api");
    stage.ended("db", failed());
    stage.ended("api", failed());
    stage.left("log");
    assert_eq!(stage.done(), "+db +log");
    assert_eq!(stage.finish, None);
}

#[test]
fn a_stop_beats_the_strategy() {
    let mut stage = Stage::started(four(), with(Strategy::OneForAll, 1));
    stage.ended("web", failed());
    let ticket = stage.stop("web");
    assert_eq!(stage.verdicts[&ticket], AppVerdict::Done);
    stage.settle();
    assert_eq!(stage.doing("web"), Doing::Idle);
    assert_eq!(stage.doing("api"), Doing::Started);
}

#[test]
fn a_stop_that_is_under_way_beats_the_strategy_too() {
    let mut stage = Stage::started(four(), with(Strategy::OneForAll, 1));
    stage.stop("web");
    stage.ended("log", failed());
    stage.settle();
    assert_eq!(stage.doing("web"), Doing::Idle);
    assert_eq!(stage.doing("api"), Doing::Started);
}

#[test]
fn a_start_in_the_midst_of_the_strategy_waits_for_it() {
    let mut stage = Stage::started(four(), with(Strategy::RestForOne, 1));
    stage.hold("web");
    stage.ended("api", failed());
    let (held, failed) = (stage.start("web"), stage.start("api"));
    assert_eq!(stage.done(), "-web -log");
    stage.left("log");
    stage.settle();
    for ticket in [held, failed] {
        assert_eq!(stage.verdicts[&ticket], AppVerdict::Done);
    }
}

#[test]
fn an_end_beats_the_strategy() {
    let mut stage = Stage::started(four(), with(Strategy::OneForAll, 1));
    stage.ended("web", failed());
    stage.end(Request::Shutdown);
    stage.log.clear();
    stage.settle();
    assert!(!stage.done().contains('+'));
    assert_eq!(stage.finish, Some(End::ShutDown));
}

#[test]
fn an_essential_app_that_the_strategy_brings_back_ends_nothing() {
    let specs = vec![essential(app("web", &[])), app("log", &[])];
    let mut stage = Stage::started(specs, with(Strategy::OneForOne, 1));
    stage.ended("web", failed());
    assert_eq!(stage.done(), "+web");
}
