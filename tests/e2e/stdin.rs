//! Workers whose standard input is a listening socket.

use drover_e2e::harness::{App, patiently};
use drover_master::config::{ListenAddr, ListenSpec, Stdin};
use drover_master::{MasterBuilder, Protocol};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::policies::soon;

fn workers(program: &str, listener: ListenSpec) -> MasterBuilder {
    let worker = App::builder(program).protocol(Protocol::None).start_policy(soon());
    worker.listener(listener).stdin(Stdin::Socket("http".into()))
}

fn http() -> ListenSpec {
    ListenSpec::new("http", "127.0.0.1:0".parse().unwrap())
}

/// What workers say to this many connections, one after the other.
async fn said(app: &App, count: usize) -> Vec<String> {
    let ListenAddr::Tcp(addr) = app.master().snapshot().listeners[0].1.clone() else { panic!() };
    let mut all = Vec::new();
    for _ in 0..count {
        let mut said = String::new();
        let mut stream = patiently("a connection", TcpStream::connect(&addr)).await.unwrap();
        patiently("an answer", stream.read_to_string(&mut said)).await.unwrap();
        all.push(said.trim().to_owned());
    }
    all
}

#[tokio::test]
async fn a_worker_serves_the_socket_that_is_its_stdin_and_has_it_as_descriptor_3_too() {
    let app = App::started(workers(program!("worker_of_stdin"), http())).await;
    assert_eq!(said(&app, 3).await, ["0 true", "0 true", "0 true"]);
    app.end().await;
}

#[tokio::test]
async fn with_a_queue_for_each_slot_it_is_that_of_the_workers_own_slot() {
    let app = App::started(workers(program!("worker_of_stdin"), http().reuseport()).workers(2)).await;
    // By chance: a fair one leaves a slot out once in 2^100.
    let said = said(&app, 100).await;
    for own in ["0 true", "1 true"] {
        assert!(said.iter().any(|answer| answer == own), "{said:?}");
    }
    app.end().await;
}

#[tokio::test]
async fn a_stdin_that_is_none_of_the_apps_sockets_is_refused() {
    let builder = workers(program!("worker_of_stdin"), http()).stdin(Stdin::Socket("admin".into()));
    let error = builder.build().unwrap_err().to_string();
    assert!(
        error.ends_with("stdin names the socket `admin`, which is not one of the app's listeners"),
        "{error}"
    );
}
