//! Sockets: opened once, shared by all workers, kept over crashes, closed at the end.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use drover_e2e::harness::{App, PATIENCE, eventually, patiently, signal, variable_of};
use drover_master::config::{Protocol, StopPolicy};
use drover_master::{Command, Phase, StartError};
use nix::sys::signal::{SIGKILL, SIGSTOP, SIGUSR1};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

use crate::policies::{at_once, soon};
use crate::surroundings::plain;

/// Closing alone does not do: a child that another test is just making may hold a copy for a moment.
fn no_longer_listens(socket: impl AsRawFd) {
    nix::sys::socket::shutdown(socket.as_raw_fd(), nix::sys::socket::Shutdown::Both).unwrap();
}

async fn greeting(stream: TcpStream) -> String {
    let mut line = String::new();
    let mut stream = BufReader::new(stream);
    patiently("a greeting", stream.read_line(&mut line)).await.unwrap();
    line.trim_end().to_owned()
}

async fn connect(addr: SocketAddr) -> TcpStream {
    patiently("a connection", TcpStream::connect(addr)).await.unwrap()
}

#[tokio::test]
async fn every_worker_serves_the_one_listener() {
    let app =
        App::started(App::builder(program!("worker_good")).workers(2).listen("http", "127.0.0.1:0")).await;
    let addr = app.master().listener_addr("http").unwrap();
    let expected = [format!("0 {}", app.pid(0)), format!("1 {}", app.pid(1))];
    let mut missing = expected.to_vec();
    let all = async {
        while !missing.is_empty() {
            let greeting = greeting(connect(addr).await).await;
            assert!(expected.contains(&greeting), "{greeting}");
            missing.retain(|one| *one != greeting);
        }
    };
    patiently("both workers", all).await;
    app.end().await;
}

#[tokio::test]
async fn the_port_is_free_after_every_kind_of_end() {
    for round in 0..3 {
        let app = App::started(App::builder(program!("worker_good")).listen("http", "127.0.0.1:0")).await;
        let addr = app.master().listener_addr("http").unwrap();
        TcpListener::bind(addr).expect_err("the master listens there");
        let open = connect(addr).await;
        let end = match round {
            0 => app.master().kill(),
            1 => app.master().hurry(),
            _ => {
                drop(open);
                app.master().shutdown()
            }
        };
        patiently("the end", end).await.unwrap();
        assert_eq!(app.master().listener_addr("http"), None);
        TcpListener::bind(addr).expect("nobody listens there any more");
    }
}

#[tokio::test]
async fn the_port_is_free_after_a_failed_start() {
    let worker = App::builder(program!("worker_exits_at_start")).listen("http", "127.0.0.1:0");
    let app = App::new(worker.env("E2E_CODE", "1"));
    let start = app.master().start();
    tokio::task::yield_now().await;
    let addr = app.master().listener_addr("http").expect("it is opened before the first worker");
    patiently("the failure", start).await.unwrap_err();
    TcpListener::bind(addr).expect("nobody listens there any more");
    app.end().await;
}

#[tokio::test]
async fn connections_that_are_queued_when_the_only_worker_crashes_are_served_by_the_next() {
    let worker = App::builder(program!("worker_good")).listen("http", "127.0.0.1:0");
    let mut app = App::started(worker.restart_policy(at_once())).await;
    let (addr, old) = (app.master().listener_addr("http").unwrap(), app.pid(0));
    // It hears nothing any more, so the connections wait in the queue.
    signal(old, SIGSTOP);
    let mut queued = Vec::new();
    for _ in 0..20 {
        queued.push(connect(addr).await);
    }
    signal(old, SIGKILL);
    app.until("restart_scheduled").await;
    app.until("started").await;
    let expected = format!("0 {}", app.pid(0));
    for stream in queued {
        assert_eq!(greeting(stream).await, expected);
    }
    app.end().await;
}

#[tokio::test]
async fn a_port_in_use_is_told_with_the_listener_the_address_and_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let worker = App::builder(program!("worker_good")).listen("http", &addr);
    let (mut app, error) = App::failed(worker).await;
    assert_eq!(error.to_string(), format!("app `{}` can't listen", app.name()));
    let StartError::Listen { source, .. } = &error else { panic!("{error:?}") };
    let told = source.to_string();
    assert!(told.starts_with(&format!("listener `http`: {addr} is in use by pid ")), "{told}");
    assert!(told.ends_with("`); end that one or choose another address"), "{told}");
    assert_eq!(app.all_events(), [], "nothing was begun");
    app.is_gone().await;
    no_longer_listens(taken);
    patiently("the second start", app.master().start()).await.unwrap();
    app.end().await;
}

#[tokio::test]
async fn a_port_that_an_ordinary_user_may_not_bind_is_told_with_the_privilege_it_needs() {
    let from = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if nix::unistd::geteuid().is_root() || from.trim().parse::<u16>().unwrap() <= 1 {
        drover_e2e::complain("SKIPPED: this user may bind every port");
        return;
    }
    let (app, error) = App::failed(App::builder(program!("worker_good")).listen("http", "127.0.0.1:1")).await;
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "listener `http`: 127.0.0.1:1 may not be bound by this user; ports below 1024 need a privilege (CAP_NET_BIND_SERVICE)"
    );
    app.end().await;
}

#[tokio::test]
async fn a_host_that_is_not_there_is_told() {
    let (app, error) =
        App::failed(App::builder(program!("worker_good")).listen("http", "not..a..host:80")).await;
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "listener `http`: the host of `not..a..host:80` can't be resolved"
    );
    app.end().await;
}

/// A worker without the protocol that holds a Unix listener at this path.
fn at(path: &Path) -> drover_master::MasterBuilder {
    let plain = App::builder(program!("worker_plain")).protocol(Protocol::None).start_policy(soon());
    plain.listen("api", &format!("unix:{}", path.display()))
}

#[tokio::test]
async fn a_unix_socket_is_there_while_the_app_runs_and_gone_after() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    no_longer_listens(UnixListener::bind(&path).unwrap());
    // What a dead program left there is replaced.
    let app = App::started(at(&path)).await;
    UnixStream::connect(&path).unwrap();
    app.end().await;
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_unix_path_that_is_held_or_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let holder = App::started(at(&path)).await;
    let (app, error) = App::failed(at(&path)).await;
    let chain = |error: &StartError| {
        let listen = std::error::Error::source(error).unwrap();
        (listen.to_string(), listen.source().unwrap().to_string())
    };
    let (listen, path_error) = chain(&error);
    assert_eq!(listen, "listener `api`");
    assert_eq!(
        path_error,
        format!(
            "`{}` is in use by a running program, pid {}; end that one or choose another path",
            path.display(),
            std::process::id()
        )
    );
    app.end().await;
    UnixStream::connect(&path).unwrap();
    holder.end().await;

    let notes = dir.path().join("notes");
    std::fs::write(&notes, "dear diary").unwrap();
    let (app, error) = App::failed(at(&notes)).await;
    assert_eq!(
        chain(&error).1,
        format!("`{}` exists and is not a socket; it is left alone, choose another path", notes.display())
    );
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "dear diary");
    app.end().await;
}

#[tokio::test]
async fn listeners_are_handed_over_in_order_with_their_names_to_the_worker_itself() {
    let worker = App::builder(program!("worker_plain")).protocol(Protocol::None).start_policy(soon());
    let app = App::started(worker.listen("http", "127.0.0.1:0").listen("admin", "127.0.0.1:0")).await;
    let pid = app.pid(0);
    assert_eq!(variable_of(pid, "LISTEN_FDS").as_deref(), Some("2"));
    assert_eq!(variable_of(pid, "LISTEN_FDNAMES").as_deref(), Some("http:admin"));
    assert_eq!(variable_of(pid, "LISTEN_PID"), Some(pid.to_string()));
    app.end().await;
}

async fn is_refused(addr: SocketAddr) {
    eventually("a refusal", || std::net::TcpStream::connect(addr).is_err().then_some(())).await;
}

fn drains_long() -> StopPolicy {
    StopPolicy { drain_timeout: PATIENCE * 10, max_timeout: PATIENCE * 10, ..StopPolicy::default() }
}

#[tokio::test]
async fn a_new_client_is_refused_as_soon_as_the_workers_of_an_app_that_ends_take_no_more() {
    let worker = App::builder(program!("worker_ignores_stop")).workers(2).listen("http", "127.0.0.1:0");
    let mut app = App::started(worker.stop_policy(drains_long())).await;
    let addr = app.master().listener_addr("http").unwrap();
    let mut end = app.master().shutdown();
    is_refused(addr).await;
    assert_eq!([0, 1].map(|slot| app.worker(slot).phase), [Phase::Stopping; 2]);
    assert!(app.master().listener_addr("http").is_none());
    patiently("the kill", app.master().kill()).await.unwrap();
    patiently("the end", &mut end).await.unwrap();
    patiently("another start", app.master().start()).await.unwrap();
    drop(connect(app.master().listener_addr("http").unwrap()).await);
    patiently("another kill", app.master().kill()).await.unwrap();
    app.is_gone().await;
}

#[tokio::test]
async fn the_listener_of_a_program_that_drains_stays_until_no_process_of_it_has_it_open() {
    let script = "trap : TERM; trap 'exec 3<&-' USR1; echo here; while :; do sleep 0.05; done";
    let command = Command::new("sh").args(["-c", script]);
    let worker = plain(command).listen("http", "127.0.0.1:0");
    let mut app = App::started(worker.stop_policy(drains_long()).start_policy(soon())).await;
    let addr = app.master().listener_addr("http").unwrap();
    let end = app.master().shutdown();
    app.until("shutting_down").await;
    // Four times as long as it takes to find out that nobody has it.
    for _ in 0..20 {
        drop(connect(addr).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    signal(app.pid(0), SIGUSR1);
    is_refused(addr).await;
    assert_eq!(app.worker(0).phase, Phase::ShuttingDown);
    patiently("the kill", app.master().kill()).await.unwrap();
    patiently("the end", end).await.unwrap();
    app.is_gone().await;
}
