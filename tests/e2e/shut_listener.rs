//! Listeners that are lost while an app runs: a worker shuts down what all have, or somebody sweeps a path away.

use std::net::SocketAddr;
use std::path::Path;

use drover_e2e::harness::{App, patiently};
use drover_master::config::{ListenSpec, Protocol};
use drover_master::{Count, MasterBuilder, SlotIndex, Target};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpStream, UnixStream};

use crate::policies::{at_once, soon};

fn serving(workers: u32, listener: ListenSpec) -> MasterBuilder {
    let app = App::builder(program!("worker_shuts_listener")).protocol(Protocol::None).workers(workers);
    app.start_policy(soon()).restart_policy(at_once()).listener(listener)
}

/// The pid of who takes the connection.
async fn told(mut stream: impl AsyncRead + Unpin) -> u32 {
    let mut pid = String::new();
    patiently("a greeting", stream.read_to_string(&mut pid)).await.unwrap();
    pid.trim_end().parse().unwrap()
}

async fn asked(addr: SocketAddr) -> u32 {
    told(TcpStream::connect(addr).await.expect("somebody listens")).await
}

async fn asked_at(path: &Path) -> u32 {
    told(UnixStream::connect(path).await.expect("somebody listens")).await
}

/// Each of both workers has answered, so it heeds SIGTERM. That it runs says nothing of the kind.
async fn all_serve(app: &App, ask: impl AsyncFn() -> u32) {
    let mut missing = vec![app.pid(0), app.pid(1)];
    while !missing.is_empty() {
        let pid = ask().await;
        missing.retain(|one| *one != pid);
    }
}

fn api_at(path: &Path) -> ListenSpec {
    ListenSpec::new("api", format!("unix:{}", path.display()).parse().unwrap())
}

/// Another worker than the outdated one serves there in its place; and nothing is left at the end.
async fn ends_with_another_worker_at(path: &Path, mut app: App, outdated: u32) {
    app.until("replaced").await;
    let pid = asked_at(path).await;
    assert_ne!(pid, outdated);
    assert_eq!(pid, app.pid(0));
    app.end().await;
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_listener_that_a_leaving_worker_shuts_down_is_opened_again_for_those_that_stay() {
    let http = ListenSpec::new("http", "127.0.0.1:0".parse().unwrap());
    let mut app = App::started(serving(2, http)).await;
    let addr = app.master().listener_addr("http").unwrap();
    let stays = app.pid(0);
    all_serve(&app, async || asked(addr).await).await;
    patiently("the scaling", app.master().scale(Count::To(1))).await.unwrap();
    let renewed = app.until("socket_renewed").await;
    assert_eq!(
        renewed.kind.detail(),
        format!("listener `http` at {addr}: a worker shut it down; it has been opened again")
    );
    assert_eq!((asked(addr).await, app.pid(0)), (stays, stays));
    // Its successor has it too.
    patiently("the restart", app.master().restart(Target::All)).await.unwrap();
    app.until("socket_renewed").await;
    assert_ne!(asked(addr).await, stays);
    app.end().await;
}

#[tokio::test]
async fn a_slots_own_listener_that_its_worker_shuts_down_is_there_for_the_next() {
    let http = ListenSpec::new("http", "127.0.0.1:0".parse().unwrap()).reuseport();
    let mut app = App::started(serving(2, http)).await;
    let addr = app.master().listener_addr("http").unwrap();
    for slot in [0, 1] {
        all_serve(&app, async || asked(addr).await).await;
        let restart = app.master().restart(Target::Slot(SlotIndex(slot)));
        patiently("the restart", restart).await.unwrap();
        app.until("socket_renewed").await;
    }
    let expected = [app.pid(0), app.pid(1)];
    let mut missing = expected.to_vec();
    while !missing.is_empty() {
        let pid = asked(addr).await;
        assert!(expected.contains(&pid), "{pid}");
        missing.retain(|one| *one != pid);
    }
    app.end().await;
}

#[tokio::test]
async fn workers_with_a_unix_listener_that_was_shut_down_are_replaced_by_some_with_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    let mut app = App::started(serving(2, api_at(&path))).await;
    let outdated = app.pid(0);
    all_serve(&app, async || asked_at(&path).await).await;
    patiently("the scaling", app.master().scale(Count::To(1))).await.unwrap();
    app.until("socket_renewed").await;
    ends_with_another_worker_at(&path, app, outdated).await;
}

#[tokio::test]
async fn a_unix_listener_that_was_swept_away_is_made_again_and_so_are_its_workers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    let mut app = App::started(serving(1, api_at(&path))).await;
    let outdated = app.pid(0);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        app.until("socket_renewed").await.kind.detail(),
        format!(
            "listener `api` at unix:{}: somebody removed its path; it has been opened again",
            path.display()
        )
    );
    ends_with_another_worker_at(&path, app, outdated).await;
}
