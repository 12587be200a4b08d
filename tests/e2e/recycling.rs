//! Workers that have served enough are replaced, and nobody notices.

use std::time::Duration;

use drover_e2e::harness::App;
use drover_e2e::load::generator::{Clients, Load, Service};
use drover_e2e::load::notes::{Life, Notes, VARIABLE, Version};
use drover_e2e::load::trial::Report;
use drover_master::{EventKind, RecyclePolicy, RecycleReason};

const WORKERS: u32 = 3;
const RECYCLINGS: usize = 10;

#[tokio::test]
async fn workers_of_a_second_are_replaced_under_load_and_no_request_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let notes = Notes::new(dir.path().to_owned());
    notes.set_version(Version::Good, 0).unwrap();
    let policy = RecyclePolicy { age: Some(Duration::from_secs(1)), ..RecyclePolicy::default() };
    let builder = App::builder(program!("worker_http")).workers(WORKERS).listen("http", "127.0.0.1:0");
    let mut app = App::started(builder.env(VARIABLE, dir.path()).recycle_policy(policy)).await;
    notes.life(Life::Floor(WORKERS)).unwrap();
    let clients = Clients { once: 3, kept: 3, slow: 3 };
    let load = Load::greedy(Service::at(app.master().listener_addr("http").unwrap()), clients);
    for _ in 0..RECYCLINGS {
        let begun = app.until("recycling").await;
        assert!(matches!(begun.kind, EventKind::Recycling { why: RecycleReason::Age { .. } }), "{begun:?}");
        app.until("replaced").await;
    }
    let report = Report::of(&notes, load.end().await, (RECYCLINGS, Duration::ZERO));
    report.is_clean();
    assert!(report.observed.fewest >= Some(WORKERS), "{report}");
    app.end().await;
}

#[tokio::test]
async fn a_limit_of_memory_below_what_the_program_needs_is_told_and_the_worker_stays() {
    // Any program holds more than that.
    let policy = RecyclePolicy { rss: Some(64 << 10), jitter: 0.0, ..RecyclePolicy::default() };
    let mut app = App::started(App::builder(program!("worker_good")).recycle_policy(policy)).await;
    let old = app.pid(0);
    let told = app.until("recycling_in_vain").await;
    let EventKind::RecyclingInVain { why: RecycleReason::Memory { rss, .. }, .. } = told.kind else {
        panic!("{told:?}")
    };
    assert!(rss > 64 << 10);
    assert_eq!(app.pid(0), old);
    app.end().await;
}
