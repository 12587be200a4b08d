//! Other workers in the place of those there are: what a reload takes with it and what it leaves as it was.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use drover_e2e::harness::{App, patiently, variable_of};
use drover_master::config::{AppSpec, ListenSpec};
use drover_master::{Command, OperateError, Reload, Target};

fn spec_of(app: &App) -> AppSpec {
    (*app.master().spec()).clone()
}

/// A port of this machine that nobody listens on.
fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn listener(name: &str, addr: SocketAddr) -> ListenSpec {
    ListenSpec::new(name, addr.to_string().parse().unwrap())
}

#[tokio::test]
async fn a_reload_by_the_description_there_is_keeps_what_the_one_before_it_has_brought() {
    let app = App::started(App::builder(program!("worker_good"))).await;
    let mut spec = spec_of(&app);
    spec.command = spec.command.env("E2E_NEW", "yes");
    spec.stop.drain_timeout = Duration::from_secs(77);
    let first = app.master().reload(Reload::to(spec));
    let second = app.master().reload(Reload::new());
    patiently("the first reload", first).await.unwrap();
    patiently("the second reload", second).await.unwrap();
    assert_eq!(app.master().snapshot().status.generation.0, 3);
    assert_eq!(variable_of(app.pid(0), "E2E_NEW").as_deref(), Some("yes"));
    assert_eq!(spec_of(&app).stop.drain_timeout, Duration::from_secs(77));
    app.end().await;
}

#[tokio::test]
async fn a_reload_by_the_description_there_is_waits_for_what_becomes_of_the_one_before_it() {
    let app = App::started(App::builder(program!("worker_good"))).await;
    let mut spec = spec_of(&app);
    spec.command = Command::new(program!("worker_exits_at_start"));
    let first = app.master().reload(Reload::to(spec));
    let second = app.master().reload(Reload::new());
    let failure = patiently("the first reload", first).await.unwrap_err();
    assert!(matches!(failure, OperateError::RolledBack { .. }), "{failure:?}");
    patiently("the second reload", second).await.unwrap();
    app.end().await;
}

#[tokio::test]
async fn a_reload_that_cant_open_a_listener_leaves_no_other_open() {
    let app = App::started(App::builder(program!("worker_good"))).await;
    let (free, taken) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap());
    let mut spec = spec_of(&app);
    spec.listeners = vec![listener("free", free), listener("taken", taken.local_addr().unwrap())];
    let refused = patiently("the refusal", app.master().reload(Reload::to(spec))).await;
    assert!(matches!(refused, Err(OperateError::Listen { .. })), "{refused:?}");
    TcpStream::connect(free).expect_err("nothing has changed");
    app.end().await;
}

#[tokio::test]
async fn a_reload_to_another_backlog_that_comes_to_nothing_leaves_the_listener_as_it_was() {
    for is_reuseport in [false, true] {
        let mut http = ListenSpec::new("http", "127.0.0.1:0".parse().unwrap());
        if is_reuseport {
            http = http.reuseport();
        }
        let app = App::started(App::builder(program!("worker_good")).listener(http.clone())).await;
        let addr = app.master().listener_addr("http").unwrap();
        let mut spec = spec_of(&app);
        spec.listeners = vec![ListenSpec { backlog: 7, ..http }];
        spec.command = Command::new(program!("worker_exits_at_start"));
        let failure = patiently("the reload", app.master().reload(Reload::to(spec))).await.unwrap_err();
        assert!(matches!(failure, OperateError::RolledBack { .. }), "{failure:?}");
        patiently("a restart", app.master().restart(Target::All)).await.unwrap();
        assert_eq!(app.master().listener_addr("http"), Some(addr));
        TcpStream::connect(addr).unwrap();
        app.end().await;
    }
}
