//! Workers that are asked from outside while they serve.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use drover_e2e::harness::{App, PATIENCE, eventually, is_running, patiently};
use drover_master::config::{HealthCheck, HealthPolicy, ListenAddr, ListenSpec, ProbeKind};
use drover_master::{Event, ExitReason, KillCause, MasterBuilder, OperateError, Phase, Protocol, Reload};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::policies::{at_once, soon};

/// Asked every 20 ms; two failures in a row decide.
fn often(kind: ProbeKind) -> HealthCheck {
    let mut check = HealthCheck::new(kind);
    check.probe.interval = Duration::from_millis(20);
    // What answers does so at once; a machine that is busy must not make it a failure.
    check.probe.timeout = PATIENCE;
    HealthCheck { failures: NonZeroU32::new(2).unwrap(), ..check }
}

/// Every worker at its own address.
fn http(dir: &Path) -> ProbeKind {
    let url = format!("unix:{}/{{slot}}.sock:/health", dir.display()).parse().unwrap();
    ProbeKind::Http { url, host: None, status: Vec::new() }
}

fn readiness(dir: &Path) -> HealthPolicy {
    HealthPolicy { liveness: None, readiness: Some(often(http(dir))) }
}

fn workers(dir: &Path, health: HealthPolicy) -> MasterBuilder {
    let worker = App::builder(program!("worker_ails")).protocol(Protocol::None).env("E2E_DIR", dir);
    worker.start_policy(soon()).restart_policy(at_once()).health(health)
}

/// From now on the worker in this slot answers so; without a word, well.
fn answers(dir: &TempDir, slot: u32, word: Option<&str>) {
    let file = dir.path().join(slot.to_string());
    let Some(word) = word else { return std::fs::remove_file(file).unwrap() };
    // Whole at once: it may be read at any moment.
    let new = file.with_extension("new");
    std::fs::write(&new, word).unwrap();
    std::fs::rename(new, file).unwrap();
}

fn ready(app: &App) -> u32 {
    app.master().snapshot().status.ready
}

fn slot_of(event: &Arc<Event>) -> u32 {
    event.worker.expect("it is of a worker").slot.0
}

#[tokio::test]
async fn a_worker_that_begins_to_answer_503_is_not_ready_and_lives_until_it_answers_well_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = App::started(workers(dir.path(), readiness(dir.path())).workers(2)).await;
    let pid = app.pid(1);
    answers(&dir, 1, Some("503"));
    let event = app.until("unready").await;
    assert_eq!((slot_of(&event), &*event.kind.detail()), (1, "GET /health answered 503"));
    let worker = app.worker(1);
    assert_eq!((ready(&app), worker.phase), (1, Phase::Started));
    assert_eq!(worker.unready.as_deref(), Some("GET /health answered 503"));
    answers(&dir, 1, None);
    assert_eq!(slot_of(&app.until("ready_again").await), 1);
    assert_eq!((ready(&app), app.pid(1), app.worker(1).unready), (2, pid, None));
    app.end().await;
}

#[tokio::test]
async fn a_worker_that_hangs_is_ended_by_its_liveness_with_the_reason_and_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let mut liveness = often(http(dir.path()));
    liveness.probe.timeout = Duration::from_secs(1);
    let health = HealthPolicy { liveness: Some(liveness), readiness: None };
    let mut app = App::started(workers(dir.path(), health)).await;
    let hung = app.pid(0);
    answers(&dir, 0, Some("hang"));
    let exit = app.exit().await;
    answers(&dir, 0, None);
    let cause = KillCause::Unhealthy;
    assert!(matches!(exit.reason, ExitReason::KilledByMaster { cause: c, .. } if c == cause), "{exit}");
    let reason = "it failed its liveness probe: GET /health: took longer than 1s";
    assert!(exit.to_string().ends_with(reason), "{exit}");
    app.until("started").await;
    assert_ne!(app.pid(0), hung);
    app.end().await;
}

#[tokio::test]
async fn a_start_waits_until_every_worker_has_passed_its_readiness() {
    let dir = tempfile::tempdir().unwrap();
    answers(&dir, 1, Some("503"));
    let mut app = App::new(workers(dir.path(), readiness(dir.path())).workers(2));
    let start = app.master().start();
    app.until("started").await;
    assert_eq!((ready(&app), app.worker(1).phase), (1, Phase::Starting));
    answers(&dir, 1, None);
    patiently("the start", start).await.unwrap();
    assert_eq!(ready(&app), 2);
    app.end().await;
}

#[tokio::test]
async fn a_reload_to_a_version_that_is_never_ready_goes_back_with_what_it_answered() {
    let dir = tempfile::tempdir().unwrap();
    let bad = tempfile::tempdir().unwrap();
    let app = App::started(workers(dir.path(), readiness(dir.path()))).await;
    let pid = app.pid(0);
    answers(&bad, 0, Some("503"));
    let mut new = workers(bad.path(), readiness(bad.path())).spec().clone();
    new.name = app.name().to_owned();
    new.start.timeout = Duration::from_secs(1);
    match patiently("the verdict", app.master().reload(Reload::to(new))).await {
        Err(OperateError::RolledBack { failure, .. }) => {
            let reason = "it was not ready in time: GET /health answered 503";
            assert!(failure.to_string().ends_with(reason), "{failure}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((app.pid(0), ready(&app)), (pid, 1));
    app.end().await;
}

#[tokio::test]
async fn a_check_that_hangs_disturbs_no_other_question_and_no_end_and_is_gone_with_its_worker() {
    let dir = tempfile::tempdir().unwrap();
    let told = dir.path().join("check");
    let script = format!(
        "[ $DROVER_SLOT = 1 ] || {{ echo $$ > {0}.new; mv {0}.new {0}; sleep 300; }}",
        told.display()
    );
    let mut hanging = HealthCheck::new(ProbeKind::Exec {
        program: "/bin/sh".into(),
        args: ["-c".into(), script.into()].to_vec(),
    });
    hanging.probe.interval = Duration::from_millis(20);
    hanging.probe.timeout = Duration::from_secs(300);
    let health = HealthPolicy { liveness: Some(hanging), ..readiness(dir.path()) };
    let mut app = App::started(workers(dir.path(), health).workers(2)).await;
    let check: u32 =
        eventually("the check", || std::fs::read_to_string(&told).ok()?.trim().parse().ok()).await;
    for slot in [0, 1] {
        answers(&dir, slot, Some("503"));
        assert_eq!(slot_of(&app.until("unready").await), slot);
        answers(&dir, slot, None);
        assert_eq!(slot_of(&app.until("ready_again").await), slot);
    }
    assert!(is_running(check), "it is not asked a second time");
    app.end().await;
    assert!(!is_running(check));
}

#[tokio::test]
async fn new_connections_are_led_away_from_a_worker_with_a_queue_of_its_own_while_it_is_unready() {
    let dir = tempfile::tempdir().unwrap();
    let http = ListenSpec::new("http", "127.0.0.1:0".parse().unwrap()).reuseport();
    let builder =
        workers(dir.path(), readiness(dir.path())).workers(2).listener(http).env("E2E_LISTENER", "3");
    let mut app = App::started(builder).await;
    let ListenAddr::Tcp(addr) = app.master().snapshot().listeners[0].1.clone() else { panic!() };
    let served_by = async |count: usize| {
        let mut slots = Vec::new();
        for _ in 0..count {
            let mut said = String::new();
            TcpStream::connect(&addr).await.unwrap().read_to_string(&mut said).await.unwrap();
            slots.push(said.trim().parse::<u32>().unwrap());
        }
        slots
    };
    answers(&dir, 0, Some("503"));
    app.until("unready").await;
    assert_eq!(patiently("the answers", served_by(50)).await, [1; 50]);
    answers(&dir, 0, None);
    app.until("ready_again").await;
    // By chance: a fair one leaves a slot out once in 2^100.
    let slots = patiently("the answers", served_by(100)).await;
    assert!(slots.contains(&0) && slots.contains(&1), "{slots:?}");
    app.end().await;
}
