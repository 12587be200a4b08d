//! New workers in the place of the old ones: with success, with every kind of failure, and with everything that comes between.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use drover_e2e::harness::{App, Process, eventually, is_running, of_app, patiently};
use drover_master::config::StartPolicy;
use drover_master::{
    DenyReason, EventKind, MasterBuilder, OnUpdateFailure, OperateError, Reload, ReloadFailure, Role, Share,
    UpdateOrder, UpdatePolicy,
};
use nix::sys::signal::{SIGHUP, SIGTERM};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

use crate::policies::SHORT;

/// A worker that nobody waits for: a soak that ends by what comes between.
const LONG: Duration = Duration::from_secs(3600);

/// The program of an app, which can be replaced by another version as a deployment does.
struct Version {
    dir: TempDir,
}

impl Version {
    fn new(program: &str) -> Self {
        let version = Self { dir: tempfile::tempdir().unwrap() };
        version.deploy(program);
        version
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("worker")
    }

    fn deploy(&self, program: impl AsRef<Path>) {
        let next = self.dir.path().join("next");
        symlink(program, &next).unwrap();
        std::fs::rename(next, self.path()).unwrap();
    }

    fn app(&self, workers: u32, update: UpdatePolicy) -> MasterBuilder {
        let mut spec = App::builder(self.path()).workers(workers).spec().clone();
        spec.update = update;
        MasterBuilder::from_spec(spec)
    }
}

fn pids(app: &App) -> Vec<u32> {
    let rows = app.master().snapshot().workers;
    rows.iter().filter(|row| row.role == Role::Occupant).filter_map(|row| row.pid).collect()
}

async fn reloaded(app: &App, reload: Reload) -> Result<(), OperateError> {
    patiently("the verdict of a reload", app.master().reload(reload)).await
}

fn soaking() -> UpdatePolicy {
    UpdatePolicy { soak: LONG, timeout: LONG, ..UpdatePolicy::default() }
}

#[tokio::test]
async fn a_reload_replaces_every_worker_and_its_verdict_comes_when_the_old_ones_are_gone() {
    let version = Version::new(program!("worker_good"));
    let app = App::started(version.app(4, UpdatePolicy::default())).await;
    let old = pids(&app);
    reloaded(&app, Reload::new()).await.unwrap();
    let new = pids(&app);
    assert!(new.len() == 4 && new.iter().all(|pid| !old.contains(pid)), "{old:?} {new:?}");
    let mut running = of_app(app.name());
    running.sort_unstable();
    let mut told = new;
    told.sort_unstable();
    assert_eq!(running, told);
    let status = app.master().snapshot().status;
    assert_eq!((status.generation.0, status.ready, status.desired, status.operation), (2, 4, 4, None));
    app.end().await;
}

#[tokio::test]
async fn a_version_that_fails_in_any_way_leaves_every_old_worker_as_it_was() {
    let version = Version::new(program!("worker_good"));
    let mut spec = version.app(3, UpdatePolicy::default()).spec().clone();
    spec.start = StartPolicy { timeout: SHORT * 5, ..StartPolicy::default() };
    let app = App::started(MasterBuilder::from_spec(spec)).await;
    let old = pids(&app);
    let crashes_while_it_soaks = UpdatePolicy { soak: LONG, timeout: LONG, ..UpdatePolicy::default() };
    for (program, policy) in [
        ("/nowhere/worker", UpdatePolicy::default()),
        (program!("worker_exits_at_start"), UpdatePolicy::default()),
        (program!("worker_never_ready"), UpdatePolicy::default()),
        (program!("worker_crashes_when_ready"), crashes_while_it_soaks),
    ] {
        version.deploy(program);
        let verdict = reloaded(&app, Reload::new().policy(policy)).await;
        let Err(OperateError::RolledBack { failure: ReloadFailure::Worker(failure), .. }) = verdict else {
            panic!("{program}: {verdict:?}")
        };
        assert_eq!(failure.slot.0, 0, "{program}: {failure}");
        assert_eq!(pids(&app), old, "{program}");
        eventually("nobody else is left", || (of_app(app.name()).len() == 3).then_some(())).await;
        assert_eq!(app.master().snapshot().status.generation.0, 1);
    }
    version.deploy(program!("worker_good"));
    reloaded(&app, Reload::new()).await.unwrap();
    assert!(pids(&app).iter().all(|pid| !old.contains(pid)));
    app.end().await;
}

/// Connects, and is greeted.
async fn greeted(addr: SocketAddr) -> io::Result<()> {
    let mut greeting = String::new();
    BufReader::new(TcpStream::connect(addr).await?).read_line(&mut greeting).await?;
    if greeting.is_empty() { Err(io::Error::other("it was closed before a greeting")) } else { Ok(()) }
}

#[tokio::test]
async fn one_worker_is_replaced_without_a_moment_in_which_nobody_answers() {
    let version = Version::new(program!("worker_good"));
    let mut app = App::started(version.app(1, UpdatePolicy::default()).listen("http", "127.0.0.1:0")).await;
    let addr = app.master().listener_addr("http").unwrap();
    let asking = tokio::spawn(async move {
        loop {
            if let Err(error) = greeted(addr).await {
                return error;
            }
        }
    });
    for _ in 0..5 {
        reloaded(&app, Reload::new()).await.unwrap();
    }
    assert!(!asking.is_finished(), "{:?}", asking.await);
    asking.abort();
    // The new one has the place before the old one is told to leave.
    for _ in 0..5 {
        app.until("replaced").await;
        app.until("stopping").await;
    }
    app.end().await;
}

#[tokio::test]
async fn an_app_that_can_not_have_two_in_a_slot_is_emptied_first() {
    let version = Version::new(program!("worker_good"));
    let policy = UpdatePolicy { order: UpdateOrder::StopFirst, ..UpdatePolicy::default() };
    let mut app = App::started(version.app(2, policy)).await;
    reloaded(&app, Reload::new()).await.unwrap();
    app.until("reload_started").await;
    for _ in 0..2 {
        let gone = app.until("exited").await.worker.unwrap();
        let next = app.until("spawned").await.worker.unwrap();
        assert_eq!(gone.slot, next.slot);
        app.until("replaced").await;
    }
    // And back: the slot whose new worker failed gets one of the old version.
    let old = pids(&app);
    let mut bad = (*app.master().spec()).clone();
    bad.command = drover_master::Command::new(program!("worker_exits_at_start"));
    let verdict = reloaded(&app, Reload::to(bad)).await;
    assert!(matches!(verdict, Err(OperateError::RolledBack { .. })), "{verdict:?}");
    let back = eventually("both to run", || Some(pids(&app)).filter(|pids| pids.len() == 2)).await;
    assert_ne!(back[0], old[0]);
    assert_eq!(back[1], old[1]);
    app.end().await;
}

#[tokio::test]
async fn canaries_serve_beside_the_old_until_they_are_promoted_or_aborted() {
    let version = Version::new(program!("worker_good"));
    let app = App::started(version.app(3, UpdatePolicy::default())).await;
    let old = pids(&app);
    reloaded(&app, Reload::new().canary(1)).await.unwrap();
    let held = pids(&app);
    assert_eq!(held.iter().filter(|pid| old.contains(pid)).count(), 2);
    let status = app.master().snapshot().status;
    assert_eq!((status.operation, status.ready, status.generation.0), (Some("canary"), 3, 1));
    patiently("the abort", app.master().abort()).await.unwrap();
    assert_eq!(pids(&app).iter().filter(|pid| old.contains(pid)).count(), 2);
    let again = app.master().abort().await;
    assert!(matches!(again, Err(OperateError::Denied { reason: DenyReason::NoRollout, .. })), "{again:?}");
    reloaded(&app, Reload::new().canary(2)).await.unwrap();
    patiently("the promotion", app.master().promote()).await.unwrap();
    assert!(pids(&app).iter().all(|pid| !old.contains(pid)));
    assert_eq!(app.master().snapshot().status.generation.0, 3);
    app.end().await;
}

#[tokio::test]
async fn a_reload_that_pauses_waits_for_a_decision_and_may_be_tried_on() {
    let version = Version::new(program!("worker_good"));
    let policy = UpdatePolicy { on_failure: OnUpdateFailure::Pause, ..UpdatePolicy::default() };
    let app = App::started(version.app(2, policy)).await;
    let old = pids(&app);
    version.deploy(program!("worker_exits_at_start"));
    let verdict = reloaded(&app, Reload::new()).await;
    assert!(matches!(verdict, Err(OperateError::Paused { .. })), "{verdict:?}");
    assert_eq!((pids(&app), app.master().snapshot().status.operation), (old.clone(), Some("paused reload")));
    version.deploy(program!("worker_good"));
    patiently("the promotion", app.master().promote()).await.unwrap();
    assert!(pids(&app).iter().all(|pid| !old.contains(pid)));
    app.end().await;
}

#[tokio::test]
async fn reloads_that_are_asked_for_at_once_come_one_after_the_other() {
    let version = Version::new(program!("worker_good"));
    let app = App::started(
        version.app(2, UpdatePolicy { max_surge: Share::Percent(100), ..UpdatePolicy::default() }),
    )
    .await;
    let tickets: Vec<_> = (0..4).map(|_| app.master().reload(Reload::new())).collect();
    for ticket in tickets {
        patiently("the verdict of a reload", ticket).await.unwrap();
    }
    // The first began, and the others, which want the same, were one.
    let begun = app.all_events();
    let begun = begun.iter().filter(|event| matches!(event.kind, EventKind::ReloadStarted { .. })).count();
    assert_eq!(begun, 2);
    assert_eq!((pids(&app).len(), of_app(app.name()).len()), (2, 2));
    app.end().await;
}

#[tokio::test]
async fn the_end_of_an_app_beats_its_reload() {
    let version = Version::new(program!("worker_good"));
    let mut app = App::started(version.app(2, soaking())).await;
    let reload = app.master().reload(Reload::new());
    app.until("reload_started").await;
    app.until("started").await;
    let down = app.master().shutdown();
    let late = app.master().reload(Reload::new()).await;
    assert!(matches!(late, Err(OperateError::Denied { reason: DenyReason::ShuttingDown, .. })), "{late:?}");
    let verdict = patiently("the verdict of the reload", reload).await;
    assert!(matches!(verdict, Err(OperateError::Interrupted { .. })), "{verdict:?}");
    patiently("the shutdown", down).await.unwrap();
    app.is_gone().await;
}

/// A master in a process of its own that reloads at SIGHUP.
async fn master_that_hears(command: &mut Command) -> (Process, Vec<u32>) {
    let settings = [("E2E_SIGNALS", "1"), ("E2E_RELOADS", "1"), ("E2E_EVENTS", "1")];
    let mut process = Process::start(command.envs(settings));
    loop {
        if let Some(ready) = process.line().await.strip_prefix("ready 0 ") {
            return (process, ready.split(' ').map(|pid| pid.parse().unwrap()).collect());
        }
    }
}

#[tokio::test]
async fn a_hangup_reloads_where_that_was_asked_for_and_a_termination_ends_even_then() {
    let mut command = Command::new(program!("master"));
    let (mut process, old) = master_that_hears(command.args(["drover", program!("worker_good")])).await;
    process.signal(SIGHUP);
    while process.line().await != "committed" {}
    for pid in old {
        eventually("an old worker to leave", || (!is_running(pid)).then_some(())).await;
    }
    process.signal(SIGHUP);
    while process.line().await != "reload_started" {}
    process.signal(SIGTERM);
    let end = process.end().await;
    assert_eq!(
        (end.code, end.stdout.last().unwrap().as_str()),
        (Some(0), "ended: shut down, asked by SIGTERM")
    );
}

#[tokio::test]
async fn a_program_that_was_started_with_hangups_ignored_goes_on_ignoring_them() {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "trap '' HUP; exec \"$@\"",
        "sh",
        program!("master"),
        "drover",
        program!("worker_good"),
    ]);
    let (process, old) = master_that_hears(&mut command).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let of = |key: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim();
        u64::from_str_radix(mask, 16).unwrap() & 1
    };
    assert_eq!((of("SigIgn:"), of("SigCgt:")), (1, 0));
    process.signal(SIGHUP);
    process.signal(SIGTERM);
    let end = process.end().await;
    assert!(!end.stdout.contains(&"reload_started".to_owned()), "{end:?}");
    assert!(old.iter().all(|pid| !is_running(*pid)));
}
