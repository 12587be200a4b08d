//! Sockets of other kinds than TCP: Unix and UDP, with the worker's library.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use drover_e2e::harness::{App, Process, patiently, signal};
use drover_master::{MasterBuilder, StartError};
use nix::sys::signal::{SIGKILL, SIGSTOP, SIGTERM};
use tokio::io::AsyncReadExt;
use tokio::net::{UdpSocket, UnixStream};

use crate::policies::at_once;

fn serving(directory: &Path) -> MasterBuilder {
    let api = format!("unix:{}", directory.join("api.sock").display());
    let app = App::builder(program!("worker_of_sockets")).restart_policy(at_once());
    app.listen("api", &api).listen("dns", "udp:127.0.0.1:0")
}

/// What is answered to a datagram.
async fn answer(addr: SocketAddr) -> String {
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.send_to(b"who is there", addr).await.unwrap();
    let mut datagram = [0; 64];
    let received = patiently("an answer", client.recv(&mut datagram)).await.unwrap();
    String::from_utf8(datagram[..received].to_vec()).unwrap()
}

async fn greeting(path: &Path) -> String {
    let mut greeting = String::new();
    let mut stream = patiently("a connection", UnixStream::connect(path)).await.unwrap();
    patiently("a greeting", stream.read_to_string(&mut greeting)).await.unwrap();
    greeting
}

#[tokio::test]
async fn every_worker_serves_the_one_unix_and_the_one_udp_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    let app = App::started(serving(directory.path()).workers(2)).await;
    let addr = app.master().listener_addr("dns").unwrap();
    let expected = [format!("0 {}\n", app.pid(0)), format!("1 {}\n", app.pid(1))];
    for over_udp in [true, false] {
        let mut missing = expected.to_vec();
        let all = async {
            while !missing.is_empty() {
                let said = if over_udp { answer(addr).await } else { greeting(&path).await };
                assert!(expected.contains(&said), "{said}");
                missing.retain(|one| *one != said);
            }
        };
        patiently("both workers", all).await;
    }
    app.end().await;
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_datagram_that_waits_when_the_only_worker_crashes_is_answered_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let app = App::started(serving(directory.path())).await;
    let (addr, old) = (app.master().listener_addr("dns").unwrap(), app.pid(0));
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    signal(old, SIGSTOP);
    client.send_to(b"who is there", addr).await.unwrap();
    signal(old, SIGKILL);
    let mut datagram = [0; 64];
    let received = patiently("an answer", client.recv(&mut datagram)).await.unwrap();
    assert_eq!(datagram[..received], *format!("0 {}\n", app.pid(0)).as_bytes());
    assert_ne!(app.pid(0), old);
    app.end().await;
}

#[tokio::test]
async fn a_udp_port_in_use_is_told() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let (app, error) =
        App::failed(App::builder(program!("worker_good")).listen("dns", &format!("udp:{addr}"))).await;
    let StartError::Listen { source, .. } = &error else { panic!("{error:?}") };
    let told = source.to_string();
    assert!(told.starts_with(&format!("listener `dns`: udp:{addr} is in use by pid ")), "{told}");
    app.end().await;
}

#[tokio::test]
async fn without_a_master_a_worker_binds_them_itself() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    // A port that was free a moment ago; the worker has no way to tell which one the kernel chose.
    let addr = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // The second finds the path that the first has left.
    for _ in 0..2 {
        let mut worker = Process::start(
            Command::new(program!("worker_of_sockets"))
                .env("E2E_API", format!("unix:{}", path.display()))
                .env("E2E_DNS", format!("udp:{addr}")),
        );
        assert_eq!(worker.line().await, "ready");
        let expected = format!("0 {}\n", worker.pid());
        assert_eq!((answer(addr).await, greeting(&path).await), (expected.clone(), expected));
        worker.signal(SIGTERM);
        assert_eq!(worker.end().await.code, Some(0));
    }
}
