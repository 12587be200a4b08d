//! Several apps as one: the order of their starts and ends, and what follows when one fails or completes.

use std::time::Duration;

use drover_e2e::harness::{Captured, Names, signal};
use drover_master::config::{Condition, Intensity, Protocol, Strategy};
use drover_master::supervisor::{End, Supervisor};
use drover_master::{MasterBuilder, StartError};
use nix::sys::signal::Signal;

use crate::policies::{SHORT, never, soon};

/// Without the protocol, ready nearly at once, and not tried again when it fails.
pub(crate) fn plain(app: MasterBuilder) -> MasterBuilder {
    app.protocol(Protocol::None).start_policy(soon()).restart_policy(never())
}

/// A program that ends with a code, at once.
fn job(app: MasterBuilder, code: &str) -> MasterBuilder {
    plain(app).env("E2E_AFTER_MS", "0").env("E2E_CODE", code)
}

fn at(story: &[String], line: &str) -> usize {
    story.iter().position(|told| told == line).unwrap_or_else(|| panic!("no `{line}` in {story:#?}"))
}

#[track_caller]
fn assert_order(story: &[String], lines: &[&str]) {
    for pair in lines.windows(2) {
        assert!(at(story, pair[0]) < at(story, pair[1]), "{pair:?} in {story:#?}");
    }
}

#[tokio::test]
async fn apps_start_once_what_they_depend_on_is_ready_and_end_in_reverse() {
    let names = Names::new();
    let web = names.app("web", program!("worker_good")).depends_on(names.of("api"), Condition::Ready);
    let api = names.app("api", program!("worker_good")).depends_on(names.of("db"), Condition::Ready);
    let db = names.app("db", program!("worker_good"));
    let mut apps = names.run(Supervisor::builder().app(web).app(api).app(db));
    apps.until("web", "app_started").await;
    apps.handle().shutdown().await;
    let (end, story) = apps.end().await;
    assert_eq!((end.end, end.why.as_deref()), (End::ShutDown, Some("asked by shutdown()")));
    let shut_down = |role: &str| format!("{role} ended: shut down, asked by shutdown()");
    let starts = ["db starting", "db started", "api starting", "api started", "web starting", "web started"];
    let ends = [
        "web stopping",
        &shut_down("web"),
        "api stopping",
        &shut_down("api"),
        "db stopping",
        &shut_down("db"),
    ];
    assert_eq!(story, [starts, ends].concat());
}

#[tokio::test]
async fn an_app_waits_for_a_program_that_has_to_be_done() {
    let names = Names::new();
    let web =
        plain(names.app("web", program!("worker_plain"))).depends_on(names.of("seed"), Condition::Completed);
    let seed = job(names.app("seed", program!("worker_plain")), "0");
    let mut apps = names.run(Supervisor::builder().app(web).app(seed));
    apps.until("web", "app_started").await;
    apps.handle().shutdown().await;
    let (end, story) = apps.end().await;
    assert_eq!(end.end, End::ShutDown);
    assert_order(&story, &["seed starting", "seed ended: completed", "web starting", "web started"]);
}

#[tokio::test]
async fn a_failed_start_ends_everything_and_what_waits_for_it_is_never_started() {
    let names = Names::new();
    let web =
        plain(names.app("web", program!("worker_plain"))).depends_on(names.of("seed"), Condition::Completed);
    let seed = job(names.app("seed", program!("worker_plain")), "3");
    let log = plain(names.app("log", program!("worker_plain")));
    let apps = names.run(Supervisor::builder().app(web).app(seed).app(log));
    let seed = apps.name("seed");
    let (end, story) = apps.end().await;
    assert_eq!(end.end, End::StartFailed);
    assert_eq!(end.why.as_deref(), Some(format!("app {seed} failed to start").as_str()));
    assert!(matches!(&end.failures[..], [StartError::Worker { app, .. }] if **app == *seed), "{end:?}");
    assert!(!story.iter().any(|line| line.starts_with("web")), "{story:#?}");
}

#[tokio::test]
async fn with_keep_going_those_that_wait_for_a_failed_start_are_told_of_it() {
    let names = Names::new();
    let top = names.app("top", program!("worker_good")).depends_on(names.of("web"), Condition::Ready);
    let web =
        plain(names.app("web", program!("worker_plain"))).depends_on(names.of("seed"), Condition::Completed);
    let seed = job(names.app("seed", program!("worker_plain")), "3");
    let log = plain(names.app("log", program!("worker_plain")));
    let builder = Supervisor::builder().app(top).app(web).app(seed).app(log).keep_going(true);
    let mut apps = names.run(builder);
    apps.until("log", "app_started").await;
    apps.handle().shutdown().await;
    let (top, web, seed) = (apps.name("top"), apps.name("web"), apps.name("seed"));
    let (end, story) = apps.end().await;
    let told: Vec<String> = end.not_started.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            format!("app `{top}` was not started: `{web}`, which it depends on, was not started"),
            format!("app `{web}` was not started: `{seed}`, which it depends on, failed"),
        ]
    );
    assert!(!story.iter().any(|line| line.starts_with("web") || line.starts_with("top")), "{story:#?}");
}

#[tokio::test]
async fn one_for_one_brings_back_what_failed_for_good_and_the_end_knows_of_no_failure() {
    let names = Names::new();
    let web = plain(names.app("web", program!("worker_plain")));
    let log = plain(names.app("log", program!("worker_plain")));
    let strategy = Strategy::OneForOne(Intensity::default());
    let mut apps = names.run(Supervisor::builder().app(log).app(web).strategy(strategy));
    apps.until("web", "app_started").await;
    let (log, web) = (apps.pid("log"), apps.pid("web"));
    signal(web, Signal::SIGKILL);
    apps.until("web", "app_ended").await;
    apps.until("web", "app_started").await;
    assert_ne!(apps.pid("web"), web);
    assert_eq!(apps.pid("log"), log);
    apps.handle().shutdown().await;
    let (end, _) = apps.end().await;
    assert_eq!(end.end, End::ShutDown);
    assert!(end.failures.is_empty() && end.not_started.is_empty(), "{end:?}");
}

#[tokio::test]
async fn rest_for_one_stops_and_starts_those_after_the_one_that_failed() {
    let names = Names::new();
    let db = plain(names.app("db", program!("worker_plain")));
    let api = plain(names.app("api", program!("worker_plain"))).depends_on(names.of("db"), Condition::Ready);
    let web = names.app("web", program!("worker_good")).depends_on(names.of("api"), Condition::Ready);
    let strategy = Strategy::RestForOne(Intensity::default());
    let mut apps = names.run(Supervisor::builder().app(db).app(api).app(web).strategy(strategy));
    apps.until("web", "app_started").await;
    let before = [apps.pid("db"), apps.pid("api"), apps.pid("web")];
    signal(before[1], Signal::SIGKILL);
    apps.until("web", "app_started").await;
    assert_eq!(apps.pid("db"), before[0]);
    assert_ne!(apps.pid("api"), before[1]);
    assert_ne!(apps.pid("web"), before[2]);
    let api = apps.name("api");
    apps.handle().shutdown().await;
    let (end, story) = apps.end().await;
    assert_eq!(end.end, End::ShutDown);
    let ended = format!("web ended: shut down, asked by the failure of {api}");
    assert_eq!(
        story[6..12],
        [
            "api ended: failed: the restart policy says never",
            "web stopping",
            &ended,
            "api starting",
            "api started",
            "web starting"
        ]
    );
}

#[tokio::test]
async fn one_for_all_stops_everything_in_reverse_and_starts_it_in_order() {
    let names = Names::new();
    let db = plain(names.app("db", program!("worker_plain")));
    let web = plain(names.app("web", program!("worker_plain"))).depends_on(names.of("db"), Condition::Ready);
    let strategy = Strategy::OneForAll(Intensity::default());
    let mut apps = names.run(Supervisor::builder().app(db).app(web).strategy(strategy));
    apps.until("web", "app_started").await;
    let db = apps.pid("db");
    signal(apps.pid("web"), Signal::SIGKILL);
    apps.until("web", "app_started").await;
    assert_ne!(apps.pid("db"), db);
    apps.handle().shutdown().await;
    assert_eq!(apps.end().await.0.end, End::ShutDown);
}

#[tokio::test]
async fn more_failures_than_the_strategy_bears_end_everything_and_the_end_says_why() {
    let names = Names::new();
    let web = plain(names.app("web", program!("worker_plain")));
    let log = plain(names.app("log", program!("worker_plain")));
    let period = Duration::from_secs(3600);
    let strategy = Strategy::OneForOne(Intensity { count: 1, period });
    let mut apps = names.run(Supervisor::builder().app(log).app(web).strategy(strategy));
    let web = apps.name("web");
    for _ in 0..2 {
        apps.until("web", "app_started").await;
        signal(apps.pid("web"), Signal::SIGKILL);
    }
    let (end, story) = apps.end().await;
    assert_eq!(end.end, End::Failed);
    let why = format!("app {web} failed for good, 2 such failures within 3600s; the strategy bears 1");
    assert_eq!(end.why.as_deref(), Some(why.as_str()));
    at(&story, "log ended: shut down, asked by the limit of the strategy");
}

#[tokio::test]
async fn the_end_of_an_essential_app_ends_the_others() {
    for (code, expected) in [("0", End::Completed), ("3", End::Failed)] {
        let names = Names::new();
        let db = plain(names.app("db", program!("worker_plain")));
        let test = plain(names.app("test", program!("worker_plain")))
            .depends_on(names.of("db"), Condition::Ready)
            .essential(true)
            .env("E2E_AFTER_MS", "100")
            .env("E2E_CODE", code);
        let apps = names.run(Supervisor::builder().app(db).app(test));
        let test = apps.name("test");
        let (end, story) = apps.end().await;
        assert_eq!(end.end, expected);
        at(&story, &format!("db ended: shut down, asked by the end of {test}, which is essential"));
    }
}

#[tokio::test]
async fn what_does_not_end_within_the_shutdown_timeout_is_killed_and_that_is_a_failure() {
    let names = Names::new();
    let sink = Captured::default();
    let web = plain(names.app("web", program!("worker_ignores_sigterm"))).output_sink(sink.clone());
    let db = plain(names.app("db", program!("worker_plain")));
    let web = web.depends_on(names.of("db"), Condition::Ready);
    let mut apps = names.run(Supervisor::builder().app(db).app(web).shutdown_timeout(SHORT));
    apps.until("web", "app_started").await;
    assert_eq!(sink.line(0).await, "deaf");
    apps.handle().shutdown().await;
    let (end, story) = apps.end().await;
    assert_eq!(end.end, End::TimedOut);
    assert_order(&story, &["web stopping", "db stopping"]);
    at(&story, "db ended: killed, asked by the shutdown timeout");
    at(&story, "web ended: killed, asked by the shutdown timeout");
}

#[tokio::test]
async fn apps_that_wait_for_each_other_are_refused_before_anything_runs() {
    let names = Names::new();
    let (a, b) = (names.of("a"), names.of("b"));
    let app = |role: &str, other: &str| {
        names.app(role, program!("worker_good")).depends_on(names.of(other), Condition::Ready)
    };
    for (builder, sentence) in [
        (
            Supervisor::builder().app(app("a", "b")).app(app("b", "a")),
            format!("apps wait for each other: {a} → {b} → {a}"),
        ),
        (
            Supervisor::builder().app(app("a", "b")),
            format!("app `{a}` depends on `{b}`, which is not one of the apps: {a}"),
        ),
        (Supervisor::builder().app(app("a", "a")), format!("app `{a}` depends on itself")),
        (
            Supervisor::builder().app(app("a", "b").depends_on(b.clone(), Condition::Completed)),
            format!("app `{a}` depends on `{b}` twice; give one condition"),
        ),
    ] {
        assert_eq!(builder.build().unwrap_err().to_string(), sentence);
    }
}
