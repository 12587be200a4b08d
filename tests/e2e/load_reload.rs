//! No request is lost by a reload under load, whether it comes to anything or not.

use std::time::{Duration, Instant};

use drover_e2e::harness::{App, patiently};
use drover_e2e::load::generator::{Clients, Load, Service};
use drover_e2e::load::notes::{Life, Notes, VARIABLE, Version};
use drover_e2e::load::trial::Report;
use drover_master::config::StartPolicy;
use drover_master::{OperateError, Reload, Share, UpdatePolicy};

const WORKERS: u32 = 4;
const REQUESTS: u64 = 10_000;

/// Nothing that is awaited takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every kind of client.
const ALL: Clients = Clients { once: 6, kept: 6, slow: 12 };

/// Reloads to these versions by a policy, spread over so many requests; all of the workers have to serve all the while.
async fn reloads(policy: UpdatePolicy, versions: &[Version]) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let notes = Notes::new(dir.path().to_owned());
    let builder = App::builder(program!("worker_http")).workers(WORKERS).listen("http", "127.0.0.1:0");
    let start = StartPolicy { timeout: Duration::from_secs(3), ..StartPolicy::default() };
    let app = App::started(builder.env(VARIABLE, dir.path()).start_policy(start)).await;
    notes.life(Life::Floor(WORKERS)).unwrap();
    let load = Load::greedy(Service::at(app.master().listener_addr("http").unwrap()), ALL);
    let mut took = Duration::ZERO;
    for (number, version) in (1..).zip(versions) {
        load.until(REQUESTS * number / (versions.len() as u64 + 1), PATIENCE).await;
        notes.set_version(*version).unwrap();
        let begin = now();
        let reload = app.master().reload(Reload::new().policy(policy.clone()));
        let verdict = patiently("the verdict of a reload", reload).await;
        took += begin.elapsed();
        match version {
            Version::Good => verdict.unwrap(),
            bad => assert!(matches!(verdict, Err(OperateError::RolledBack { .. })), "{bad:?}: {verdict:?}"),
        }
    }
    load.until(REQUESTS, PATIENCE).await;
    let report = Report::of(&notes, load.end().await, (versions.len(), took));
    report.is_clean();
    app.end().await;
    report
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn reloads_of_one_worker_after_the_other_lose_no_request() {
    let report = reloads(UpdatePolicy::default(), &[Version::Good; 3]).await;
    assert_eq!(report.observed.serving.len(), WORKERS as usize, "{report}");
}

#[tokio::test]
async fn reloads_of_all_workers_at_once_lose_no_request() {
    let policy = UpdatePolicy { max_surge: Share::Percent(100), ..UpdatePolicy::default() };
    let report = reloads(policy, &[Version::Good; 5]).await;
    assert_eq!(report.observed.serving.len(), WORKERS as usize, "{report}");
}

#[tokio::test]
async fn a_version_that_cannot_serve_is_rolled_back_and_loses_no_request() {
    let policy = UpdatePolicy { soak: Duration::from_millis(300), ..UpdatePolicy::default() };
    let versions = [Version::Fails, Version::NeverReady, Version::Crashes, Version::Good];
    let report = reloads(policy, &versions).await;
    assert_eq!(report.observed.crashes, 1, "{report}");
}
