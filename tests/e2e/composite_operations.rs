//! Starting, stopping and restarting one app while the others go on.

use std::error::Error as _;

use drover_e2e::harness::{Names, Several, of_app, patiently};
use drover_master::config::Condition;
use drover_master::supervisor::{AppError, End, Standing, Supervisor};
use drover_master::{DenyReason, Request, Ticket};

use crate::composite::plain;

/// `db`, and `web` that depends on it; both started.
async fn pair() -> Several {
    let names = Names::new();
    let db = plain(names.app("db", program!("worker_plain")));
    let web = names.app("web", program!("worker_good")).depends_on(names.of("db"), Condition::Ready);
    let mut apps = names.run(Supervisor::builder().app(db).app(web));
    apps.until("web", "app_started").await;
    apps
}

async fn done(operation: Ticket<AppError>) {
    patiently("the operation", operation).await.unwrap();
}

async fn error(operation: Ticket<AppError>) -> String {
    patiently("the operation", operation).await.unwrap_err().to_string()
}

#[tokio::test]
async fn stopped_apps_are_held_and_the_supervisor_lives_until_it_is_ended() {
    let mut apps = pair().await;
    let (db, web) = (apps.name("db"), apps.name("web"));
    done(apps.handle().stop_app(&db, Request::Shutdown, "a test")).await;
    assert_eq!(of_app(&db), [0; 0]);
    assert_eq!(of_app(&web).len(), 1, "who depends on it is left alone");
    done(apps.handle().stop_app(&web, Request::Kill, "a test")).await;
    assert_eq!(of_app(&web), [0; 0]);
    done(apps.handle().stop_app(&web, Request::Shutdown, "a test")).await;
    assert!(apps.is_running());
    assert_eq!(apps.handle().standings(), [Standing::Held, Standing::Held]);

    done(apps.handle().start_app(&web, "a test")).await;
    apps.until("db", "app_ended").await;
    apps.until("db", "app_started").await;
    apps.until("web", "app_starting").await;
    done(apps.handle().stop_app(0, Request::Hurry, "a test")).await;
    apps.handle().shutdown().await;
    assert_eq!(apps.end().await.0.end, End::ShutDown);
}

#[tokio::test]
async fn a_restart_replaces_the_workers_of_one_app() {
    let apps = pair().await;
    let (db, web) = (apps.pid("db"), apps.pid("web"));
    let web_name = apps.name("web");
    let (first, second) =
        (apps.handle().restart_app(&web_name, "a test"), apps.handle().restart_app(1, "a test"));
    done(first).await;
    done(second).await;
    assert_ne!(apps.pid("web"), web);
    assert_eq!(apps.pid("db"), db);
    apps.handle().shutdown().await;
    let (end, story) = apps.end().await;
    assert_eq!(end.end, End::ShutDown);
    let starts = story.iter().filter(|line| *line == "web started").count();
    assert_eq!(starts, 1, "it ran all the time: {story:#?}");
}

#[tokio::test]
async fn an_operation_that_nobody_waits_for_goes_on() {
    let mut apps = pair().await;
    let mut stop = apps.handle().stop_app("nobody", Request::Shutdown, "a test");
    assert!(patiently("the refusal", stop.admitted()).await.is_err());
    stop = apps.handle().stop_app(1, Request::Shutdown, "a test");
    patiently("the admission", stop.admitted()).await.unwrap();
    patiently("the admission again", stop.admitted()).await.unwrap();
    drop(stop);
    apps.until("web", "app_ended").await;
    drop(apps.handle().start_app(1, "a test"));
    apps.until("web", "app_started").await;
    apps.handle().kill().await;
    assert_eq!(apps.end().await.0.end, End::Killed);
}

#[tokio::test]
async fn a_start_of_an_app_that_is_ending_by_itself_is_refused_also_to_who_does_not_wait() {
    let names = Names::new();
    let app = names.app("web", program!("worker_ignores_stop"));
    let mut apps = names.run(Supervisor::builder().app(app));
    let web = apps.name("web");
    apps.until("web", "app_started").await;
    let master = apps.handle().master(&web).unwrap();
    let mut stop = master.shutdown();
    patiently("the admission", stop.admitted()).await.unwrap();
    for mut begin in [apps.handle().start_app(&web, "a test"), apps.handle().restart_app(&web, "a test")] {
        let refusal = patiently("the refusal", begin.admitted()).await.unwrap_err();
        assert!(matches!(refusal, AppError::Denied { reason: DenyReason::ShuttingDown, .. }), "{refusal}");
        assert_eq!(error(begin).await, refusal.to_string());
    }
    patiently("the end", master.kill()).await.unwrap();
    assert_eq!(apps.end().await.0.end, End::ShutDown);
}

#[tokio::test]
async fn a_start_is_accepted_long_before_it_is_done_and_a_stop_pre_empts_it() {
    let names = Names::new();
    let web = names.app("web", program!("worker_never_ready"));
    let db = plain(names.app("db", program!("worker_plain")));
    let mut apps = names.run(Supervisor::builder().app(db).app(web));
    let web = apps.name("web");
    apps.until("web", "handshaken").await;
    let mut start = apps.handle().start_app(&web, "a test");
    patiently("the admission", start.admitted()).await.unwrap();
    let stop = apps.handle().stop_app(&web, Request::Kill, "somebody else");
    assert_eq!(error(start).await, format!("the start of app `{web}` was interrupted: somebody else"));
    done(stop).await;
    assert!(apps.is_running());
    apps.handle().shutdown().await;
    assert_eq!(apps.end().await.0.end, End::ShutDown);
}

#[tokio::test]
async fn a_start_that_fails_tells_why_and_ends_nothing() {
    let names = Names::new();
    let directory = tempfile::tempdir().unwrap();
    let cure = directory.path().join("cure");
    std::fs::write(&cure, "").unwrap();
    let web = names.app("web", program!("worker_exits_at_start")).env("E2E_CURE", &cure).env("E2E_CODE", "3");
    let top = names.app("top", program!("worker_good")).depends_on(names.of("web"), Condition::Ready);
    let mut apps = names.run(Supervisor::builder().app(web).app(top));
    apps.until("top", "app_started").await;
    let (web, top) = (apps.name("web"), apps.name("top"));
    done(apps.handle().stop_app(&top, Request::Shutdown, "a test")).await;
    std::fs::remove_file(&cure).unwrap();
    let told = patiently("the restart", apps.handle().restart_app(&web, "a test")).await.unwrap_err();
    assert!(matches!(&told, AppError::Start(failure) if failure.last_words() == ["no config", "giving up"]));
    done(apps.handle().stop_app(&web, Request::Shutdown, "a test")).await;
    let told = patiently("the start", apps.handle().start_app(&web, "a test")).await.unwrap_err();
    let AppError::Start(failure) = &told else { panic!("{told:?}") };
    assert_eq!(failure.last_words(), ["no config", "giving up"]);
    assert_eq!(
        error(apps.handle().start_app(&top, "a test")).await,
        format!("app `{top}` was not started: `{web}`, which it depends on, failed")
    );
    assert!(apps.is_running());
    std::fs::write(&cure, "").unwrap();
    done(apps.handle().start_app(&top, "a test")).await;
    apps.handle().shutdown().await;
    let (end, _) = apps.end().await;
    assert_eq!(end.end, End::ShutDown);
    assert!(end.failures.is_empty() && end.not_started.is_empty(), "{end:?}");
}

#[tokio::test]
async fn what_can_not_be_done_is_refused_with_the_reason() {
    let mut apps = pair().await;
    let (db, web) = (apps.name("db"), apps.name("web"));
    let known = format!("{db}, {web}");
    for (operation, name) in [
        (apps.handle().start_app("wbe", "a test"), "wbe"),
        (apps.handle().restart_app(2, "a test"), "number 2"),
    ] {
        assert_eq!(error(operation).await, format!("there is no app `{name}`; there is {known}"));
    }
    let stop = apps.handle().stop_app(&db, Request::Shutdown, "a test");
    let denied = patiently("the denial", apps.handle().start_app(&db, "a test")).await.unwrap_err();
    assert_eq!(denied.to_string(), format!("app `{db}` can't be started now"));
    let reason = denied.source().unwrap().to_string();
    assert_eq!(reason, "the app is shutting down; wait for its end, then start it");
    done(stop).await;

    let handle = apps.handle().clone();
    let end = handle.shutdown();
    let start = async {
        end.await;
        error(handle.start_app(&db, "a test")).await
    };
    assert_eq!(start.await, "everything is shutting down");
    apps.until("web", "app_ended").await;
    apps.end().await;
    assert_eq!(error(handle.start_app(&db, "a test")).await, "the supervisor has ended");
}

#[tokio::test]
async fn a_program_that_asks_and_never_looks_comes_to_a_bound() {
    let names = Names::new();
    let web = names.app("web", program!("worker_never_ready"));
    let mut apps = names.run(Supervisor::builder().app(web));
    apps.until("web", "handshaken").await;
    let mut waiting = Vec::new();
    let refusal = loop {
        let mut start = apps.handle().start_app(0, "a test");
        match patiently("the admission", start.admitted()).await {
            Ok(()) => waiting.push(start),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(waiting.len(), 1024);
    assert_eq!(refusal.to_string(), "1024 operations wait for their verdict already; try again");
    apps.handle().kill().await;
    let name = apps.name("web");
    for start in waiting {
        assert_eq!(error(start).await, format!("the start of app `{name}` was interrupted: kill()"));
    }
    assert_eq!(apps.end().await.0.end, End::Killed);
}
