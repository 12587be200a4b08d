//! Apps that come and go.

use super::*;

fn removed(stage: &Stage, ticket: u64) -> Option<&AppVerdict> {
    stage.verdicts.get(&ticket)
}

#[test]
fn a_new_app_is_started_after_what_it_depends_on() {
    let mut stage = Stage::started(vec![app("web", &[])], rules());
    stage.add(app("queue", &["web"]));
    stage.add(app("cache", &["queue"]));
    assert_eq!(stage.composite.standing(1), Some(Standing::Idle));
    assert_eq!(stage.done(), "");
    let start = stage.start("cache");
    assert_eq!(stage.done(), "+queue");
    stage.started_now("queue");
    assert_eq!(stage.done(), "+cache");
    stage.started_now("cache");
    assert_eq!(stage.verdicts[&start], AppVerdict::Done);
    stage.end(Request::Shutdown);
    assert_eq!(stage.done(), "-cache");
    stage.left("cache");
    assert_eq!(stage.done(), "-queue");
}

#[test]
fn apps_go_dependents_first_and_are_forgotten() {
    let specs = vec![app("db", &[]), app("web", &["db"]), app("log", &[])];
    let mut stage = Stage::started(specs, rules());
    let (web, db) = (stage.remove("web"), stage.remove("db"));
    assert_eq!(stage.done(), "-web");
    assert_eq!(stage.composite.standing(0), Some(Standing::Started), "it serves until web is gone");
    stage.left("web");
    assert_eq!(removed(&stage, web), Some(&AppVerdict::Done));
    assert_eq!((stage.done(), removed(&stage, db)), ("-db".to_owned(), None));
    stage.left("db");
    assert_eq!(removed(&stage, db), Some(&AppVerdict::Done));
    assert_eq!((stage.composite.standing(0), stage.composite.standing(1)), (None, None));
    let late = stage.operate(0, AppOperation::Start);
    assert_eq!(stage.verdicts[&late], AppVerdict::Unknown);
    stage.feed(CompositeInput::AppEnded(0, failed()));
    assert_eq!((stage.done().as_str(), stage.finish), ("", None));
    stage.remove("log");
    stage.left("log");
    assert_eq!(stage.finish, Some(End::Completed), "nothing is left");
}

#[test]
fn what_is_needed_by_one_that_stays_does_not_go() {
    let specs = vec![app("db", &[]), app("migrate", &["db"]), app("web", &["migrate"])];
    let mut stage = Stage::started(specs, rules());
    let refused = stage.remove("db");
    assert_eq!(removed(&stage, refused), Some(&AppVerdict::Needed { by: 1 }));
    // It depends on nothing any more.
    assert!(stage.reconfigure(vec![app("db", &[]), app("migrate", &["db"]), app("web", &[])]));
    let (migrate, db) = (stage.remove("migrate"), stage.remove("db"));
    assert_eq!(stage.done(), "-migrate");
    stage.settle();
    assert_eq!(
        (removed(&stage, migrate), removed(&stage, db)),
        (Some(&AppVerdict::Done), Some(&AppVerdict::Done))
    );
    assert_eq!(stage.doing("web"), Doing::Started);
}

#[test]
fn what_does_not_run_goes_at_once_and_whoever_starts_it_is_refused() {
    let mut stage = Stage::started(vec![app("db", &[]), app("web", &["db"])], rules());
    stage.hold("db");
    let (web, db) = (stage.remove("web"), stage.remove("db"));
    let start = stage.start("db");
    assert!(matches!(stage.verdicts[&start], AppVerdict::Denied { app: 0, .. }));
    assert_eq!((stage.forgotten.len(), removed(&stage, db)), (0, None), "web still has it as a dependency");
    stage.left("web");
    assert_eq!(
        (removed(&stage, web), removed(&stage, db)),
        (Some(&AppVerdict::Done), Some(&AppVerdict::Done))
    );
    assert_eq!(stage.forgotten.len(), 2);
}

#[test]
fn an_app_that_goes_is_neither_judged_nor_started_again() {
    let specs = vec![essential(app("web", &[])), app("db", &[])];
    let mut stage = Stage::started(specs, with(Strategy::OneForAll, 3));
    let web = stage.remove("web");
    stage.ended("web", failed());
    assert_eq!(removed(&stage, web), Some(&AppVerdict::Done));
    assert_eq!((stage.done().as_str(), stage.finish), ("-web", None));
    assert_eq!(stage.doing("db"), Doing::Started);
}

#[test]
fn the_end_of_all_overtakes_a_removal() {
    let mut stage = Stage::started(vec![app("db", &[]), app("web", &["db"])], rules());
    stage.hold("db");
    let (web, db) = (stage.remove("web"), stage.remove("db"));
    stage.end(Request::Shutdown);
    let late = stage.remove("web");
    assert_eq!(removed(&stage, late), Some(&AppVerdict::Ending));
    assert_eq!(removed(&stage, db), Some(&AppVerdict::Interrupted { by: "a test".into() }));
    stage.left("web");
    assert_eq!(removed(&stage, web), Some(&AppVerdict::Done));
    assert_eq!(stage.finish, Some(End::ShutDown));
}

#[test]
fn a_process_that_does_not_end_is_told_and_its_app_goes_when_it_is_gone() {
    let mut stage = Stage::started(vec![app("db", &[]), app("web", &[])], rules());
    let db = stage.remove("db");
    stage.feed(CompositeInput::AppUnkillable { app: 0, pid: 7 });
    assert_eq!(removed(&stage, db), Some(&AppVerdict::Unkillable { pid: 7 }));
    stage.left("db");
    assert_eq!(stage.composite.standing(0), None);
}
