//! Operations on one app while the others go on.

use super::*;

fn pair() -> Vec<AppSpec> {
    vec![app("db", &[]), app("web", &["db"])]
}

fn interrupted() -> AppVerdict {
    AppVerdict::Interrupted { by: "a test".into() }
}

#[test]
fn a_stopped_app_is_held_and_keeps_the_whole_alive_until_it_is_started() {
    let mut stage = Stage::started(pair(), rules());
    stage.hold("web");
    stage.hold("db");
    assert_eq!(stage.finish, None);
    let ticket = stage.start("web");
    stage.done();
    assert_eq!(stage.unanswered(), [ticket]);
    stage.started_now("db");
    assert_eq!(stage.done(), "+web");
    stage.started_now("web");
    assert_eq!(stage.verdicts[&ticket], AppVerdict::Done);
}

#[test]
fn a_held_app_does_not_keep_the_end_waiting() {
    let mut stage = Stage::started(pair(), rules());
    stage.hold("db");
    stage.end(Request::Shutdown);
    stage.left("web");
    assert_eq!(stage.finish, Some(End::ShutDown));
}

#[test]
fn a_stop_leaves_those_that_depend_on_the_app_alone() {
    let mut stage = Stage::started(pair(), rules());
    stage.hold("db");
    assert_eq!(stage.done(), "-db");
    assert_eq!(stage.doing("web"), Doing::Started);
}

#[test]
fn a_start_does_not_start_again_what_has_completed() {
    let mut stage = Stage::new(vec![app("seed", &[]), app("web", &["seed"])], rules());
    stage.feed(CompositeInput::StartRequested);
    stage.ended("seed", Outcome::Completed);
    stage.started_now("web");
    stage.hold("web");
    stage.done();
    stage.start("web");
    assert_eq!(stage.done(), "+web");
}

#[test]
fn a_stop_pre_empts_a_start_and_a_restart() {
    for begin in [Stage::start, Stage::restart] {
        let mut stage = Stage::started(pair(), rules());
        stage.hold("web");
        let first = begin(&mut stage, "web");
        let stop = stage.stop("web");
        assert_eq!(stage.verdicts[&first], interrupted());
        stage.left("web");
        assert_eq!(stage.verdicts[&stop], AppVerdict::Done);
        assert_eq!(stage.doing("web"), Doing::Idle);
    }
    let mut stage = Stage::started(pair(), rules());
    let restart = stage.restart("web");
    let stop = stage.stop("web");
    assert_eq!(stage.verdicts[&restart], interrupted());
    stage.left("web");
    assert_eq!(stage.verdicts[&stop], AppVerdict::Done);
    assert_eq!(stage.doing("web"), Doing::Idle);
}

#[test]
fn a_stop_of_a_dependency_pre_empts_the_starts_that_need_it() {
    for begin in [Stage::start, Stage::restart] {
        let mut stage = Stage::started(pair(), rules());
        stage.hold("web");
        stage.hold("db");
        let ticket = begin(&mut stage, "web");
        stage.stop("db");
        assert_eq!(stage.verdicts[&ticket], interrupted());
        stage.settle();
        assert_eq!(stage.masters, [Doing::Idle; 2]);
    }
}

#[test]
fn what_waits_since_the_first_start_comes_once_its_dependency_is_started_again() {
    let mut stage = Stage::new(pair(), rules());
    stage.feed(CompositeInput::StartRequested);
    let ticket = stage.start("web");
    stage.stop("db");
    stage.left("db");
    assert_eq!(stage.verdicts[&ticket], interrupted());
    stage.done();
    stage.start("db");
    stage.started_now("db");
    assert_eq!(stage.done(), "+db +web");
}

#[test]
fn what_is_asked_of_an_app_that_runs_is_its_masters_business() {
    let mut stage = Stage::started(pair(), rules());
    let (start, restart) = (stage.start("db"), stage.restart("db"));
    assert_eq!(stage.passed, [(start, 0), (restart, 0)]);
    assert_eq!(stage.done(), "");
    stage.operated(restart, 0, false);
    stage.operated(start, 0, true);
    assert_eq!(stage.verdicts[&restart], AppVerdict::NotDone);
    assert_eq!(stage.verdicts[&start], AppVerdict::Done);
}

#[test]
fn the_end_of_an_app_interrupts_what_was_passed_on_and_later_news_of_it_is_dropped() {
    let mut stage = Stage::started(pair(), rules());
    let (web, db) = (stage.restart("web"), stage.restart("db"));
    stage.ended("web", failed());
    assert_eq!(stage.verdicts[&web], AppVerdict::Interrupted { by: "web failed".into() });
    stage.end(Request::Shutdown);
    assert_eq!(stage.verdicts[&db], interrupted());
    stage.operated(web, 1, false);
    stage.operated(db, 0, true);
    stage.left("db");
    assert_eq!(stage.finish, Some(End::ShutDown));
}

#[test]
fn a_restart_of_what_does_not_run_is_a_start() {
    let mut stage = Stage::started(pair(), rules());
    stage.ended("web", failed());
    stage.hold("db");
    stage.done();
    let ticket = stage.restart("web");
    stage.settle();
    assert_eq!(stage.done(), "+db +web");
    assert_eq!(stage.verdicts[&ticket], AppVerdict::Done);
    stage.end(Request::Shutdown);
    stage.settle();
    assert_eq!(stage.finish, Some(End::ShutDown));
}

#[test]
fn a_start_that_fails_is_told_and_ends_nothing() {
    let specs = vec![essential(app("db", &[])), app("web", &["db"]), app("log", &[])];
    let mut stage = Stage::started(specs, rules());
    stage.hold("web");
    stage.hold("db");
    let (db, web) = (stage.start("db"), stage.start("web"));
    stage.ended("db", start_failed());
    assert_eq!(stage.verdicts[&db], AppVerdict::StartFailed);
    let missing = Missing { dependency: 0, fate: Fate::Failed };
    assert_eq!(stage.verdicts[&web], AppVerdict::NotStarted(missing));
    assert_eq!(stage.doing("log"), Doing::Started);
    stage.start("web");
    stage.settle();
    assert_eq!(stage.doing("web"), Doing::Started, "it can be started again");
    assert_eq!(stage.composite.not_started().count(), 0);
}

#[test]
fn a_start_of_the_only_app_may_fail_and_be_asked_for_again() {
    let mut stage = Stage::started(vec![app("web", &[])], rules());
    stage.hold("web");
    stage.start("web");
    stage.ended("web", start_failed());
    assert_eq!(stage.finish, None);
    stage.end(Request::Shutdown);
    assert_eq!(stage.finish, Some(End::ShutDown));
}

#[test]
fn when_nothing_runs_a_start_that_fails_leaves_it_to_be_asked_for_again() {
    let mut stage = Stage::started(pair(), rules());
    stage.hold("web");
    stage.hold("db");
    let restart = stage.restart("db");
    stage.ended("db", start_failed());
    assert_eq!(stage.verdicts[&restart], AppVerdict::StartFailed);
    let start = stage.start("web");
    stage.ended("db", start_failed());
    let missing = Missing { dependency: 0, fate: Fate::Failed };
    assert_eq!(stage.verdicts[&start], AppVerdict::NotStarted(missing));
    assert_eq!(stage.finish, None);
    stage.start("web");
    stage.settle();
    assert_eq!(stage.masters, [Doing::Started; 2]);
    stage.ended("web", failed());
    stage.ended("db", failed());
    assert_eq!(stage.finish, Some(End::Failed), "what fails later, ends");
}

#[test]
fn a_start_that_completes_at_once_is_done() {
    let mut stage = Stage::started(vec![app("job", &[]), app("log", &[])], rules());
    stage.hold("job");
    let ticket = stage.start("job");
    stage.ended("job", Outcome::Completed);
    assert_eq!(stage.verdicts[&ticket], AppVerdict::Done);
}

#[test]
fn the_end_of_everything_interrupts_starts_and_refuses_new_ones_but_stops_go_on() {
    let mut stage = Stage::started(pair(), rules());
    let stop = stage.stop("web");
    let start = stage.restart("db");
    stage.end(Request::Shutdown);
    assert_eq!(stage.verdicts[&start], interrupted());
    for ticket in [stage.start("db"), stage.restart("db")] {
        assert_eq!(stage.verdicts[&ticket], AppVerdict::Ending);
    }
    let kill = stage.operate(0, AppOperation::Stop(Request::Kill));
    assert_eq!(stage.unanswered(), [stop, kill]);
    stage.settle();
    assert_eq!(stage.verdicts[&kill], AppVerdict::Done);
    assert_eq!(stage.finish, Some(End::ShutDown));
}

#[test]
fn nobody_waits_for_a_process_that_does_not_end() {
    let mut stage = Stage::started(pair(), rules());
    let tickets = [stage.stop("web"), stage.stop("db")];
    for app in [1, 0] {
        stage.feed(CompositeInput::AppUnkillable { app, pid: 7 });
    }
    for ticket in tickets {
        assert_eq!(stage.verdicts[&ticket], AppVerdict::Unkillable { pid: 7 });
    }
    assert_eq!(stage.finish, None);
    for ticket in [stage.stop("web"), stage.stop("db")] {
        assert_eq!(stage.verdicts[&ticket], AppVerdict::Unkillable { pid: 7 }, "nor later");
    }
    stage.left("db");
    let ticket = stage.start("db");
    stage.settle();
    assert_eq!(stage.verdicts[&ticket], AppVerdict::Done);
}

#[test]
fn a_harder_stop_is_passed_on_and_an_equal_one_is_not() {
    let mut stage = Stage::started(pair(), rules());
    stage.stop("web");
    stage.stop("web");
    assert_eq!(stage.done(), "-web");
    stage.operate(1, AppOperation::Stop(Request::Kill));
    assert_eq!(stage.done(), "!web");
}

/// An app `web` in the state that a row of the table tells.
fn row(name: &str) -> Stage {
    match name {
        "waiting" | "starting" => {
            let mut stage = Stage::new(pair(), rules());
            stage.feed(CompositeInput::StartRequested);
            if name == "starting" {
                stage.started_now("db");
            }
            stage
        }
        _ => {
            let mut stage = Stage::started(pair(), rules());
            match name {
                "gone" => stage.ended("web", failed()),
                "held" => stage.hold("web"),
                "started" => {}
                "stopping" => drop(stage.stop("web")),
                "at the end" => stage.end(Request::Shutdown),
                other => panic!("{other}"),
            }
            stage
        }
    }
}

#[test]
fn the_table_in_the_module_text_is_the_table_of_the_code() {
    let text = include_str!("../operation.rs");
    for name in ["gone", "held", "waiting", "starting", "started", "stopping", "at the end"] {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("//! {name}  "))).expect(name);
        let cells: Vec<&str> = line.split_whitespace().take(3).collect();
        for (cell, operation) in cells.iter().zip(["start", "stop", "restart"]) {
            let mut stage = row(name);
            stage.done();
            let ticket = match operation {
                "start" => stage.start("web"),
                "stop" => stage.stop("web"),
                _ => stage.restart("web"),
            };
            let (done, verdict) = (stage.done(), stage.verdicts.get(&ticket));
            let is_so = match *cell {
                "accept" => verdict.is_none() && !done.is_empty(),
                "held" => verdict == Some(&AppVerdict::Done) && done.is_empty(),
                "pass" => verdict.is_none() && stage.passed == [(ticket, 1)],
                "join" => verdict.is_none() && done.is_empty(),
                "ignore" => verdict == Some(&AppVerdict::Done) && done.is_empty(),
                "deny" => matches!(verdict, Some(AppVerdict::Denied { app: 1, .. })),
                "refuse" => verdict == Some(&AppVerdict::Ending),
                other => panic!("{other}"),
            };
            assert!(is_so, "{name}, {operation}: {cell}, but {verdict:?} and `{done}`");
        }
    }
}
