//! What a drain does to connections of HTTP/2.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use drover_worker::testing::{FakeLink, FakeMaster};
use drover_worker::{Listener, MessageBus};
use h2::client::{ResponseFuture, SendRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(60);

async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(DEADLINE, wait).await.expect("within the deadline")
}

/// A worker that serves `/`, which is answered when `gate` opens.
struct Worker {
    _master: FakeMaster,
    bus: MessageBus,
    link: FakeLink,
    address: SocketAddr,
    server: JoinHandle<std::io::Result<()>>,
    gate: Arc<Notify>,
}

impl Worker {
    async fn serving() -> Self {
        let master = FakeMaster::bind().unwrap();
        let (bus, link) = tokio::join!(master.bus().connect(), master.accept());
        let (bus, link) = (bus.unwrap(), link.unwrap());
        let listener = Listener::from_std(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let (address, gate) = (listener.local_addr().unwrap(), Arc::new(Notify::new()));
        let handler = {
            let gate = Arc::clone(&gate);
            move || async move {
                gate.notified().await;
                "done"
            }
        };
        let (serving, app) = (bus.clone(), Router::new().route("/", get(handler)));
        let server = tokio::spawn(async move { serving.serve_axum(listener, app).await });
        Self { _master: master, bus, link, address, server, gate }
    }
}

async fn client(to: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(to).await.unwrap();
    let (requests, connection) = within(h2::client::handshake(stream)).await.unwrap();
    tokio::spawn(connection);
    requests
}

fn ask(requests: &mut SendRequest<Bytes>) -> ResponseFuture {
    let request = axum::http::Request::get("http://drover/").body(()).unwrap();
    requests.send_request(request, true).unwrap().0
}

/// Looks until the server has said that it takes no more.
async fn goaway(mut requests: SendRequest<Bytes>) -> h2::Error {
    loop {
        match requests.ready().await {
            Ok(ready) => requests = ready,
            Err(goaway) => return goaway,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn body(answer: ResponseFuture) -> Bytes {
    let mut answer = within(answer).await.unwrap();
    assert!(answer.headers().get("connection").is_none(), "{answer:?}");
    within(answer.body_mut().data()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_client_is_told_at_the_stop_and_its_open_streams_are_finished() {
    let mut worker = Worker::serving().await;
    let mut requests = within(client(worker.address).await.ready()).await.unwrap();
    let answer = ask(&mut requests);
    // The request is with the app before the stop: the other stream's answer says so.
    worker.gate.notify_one();
    assert_eq!(body(answer).await, "done");
    let answer = ask(&mut requests);
    worker.link.stop(DEADLINE).await.unwrap();
    let goaway = within(goaway(requests)).await;
    assert!(goaway.is_go_away() && goaway.reason() == Some(h2::Reason::NO_ERROR), "{goaway:?}");
    worker.gate.notify_one();
    assert_eq!(body(answer).await, "done");
    within(worker.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_does_not_linger_for_an_idle_client() {
    // Once is enough: a machine that is slow enough may let the time of HTTP/1 pass.
    for _ in 0..5 {
        let mut worker = Worker::serving().await;
        let mut requests = within(client(worker.address).await.ready()).await.unwrap();
        let answer = ask(&mut requests);
        worker.gate.notify_one();
        body(answer).await;
        worker.link.stop(DEADLINE).await.unwrap();
        let is_quick = tokio::select! {
            biased;
            served = worker.server => {
                served.unwrap().unwrap();
                true
            }
            () = worker.bus.letting_go() => false,
        };
        if is_quick {
            return;
        }
    }
    panic!("five stops have waited for connections that were told to end");
}

#[tokio::test]
async fn a_client_that_has_vanished_does_not_hold_up_the_stop_until_its_deadline() {
    let mut worker = Worker::serving().await;
    let mut stream = TcpStream::connect(worker.address).await.unwrap();
    let empty_settings = b"\0\0\0\x04\0\0\0\0\0";
    stream.write_all(&[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], empty_settings].concat()).await.unwrap();
    // The server has taken up the connection: it says its own settings.
    assert_ne!(within(stream.read(&mut [0; 9])).await.unwrap(), 0);
    worker.link.stop(DEADLINE * 10).await.unwrap();
    within(worker.bus.stop_requested()).await;
    // From here on everybody only waits, so that time passes at once.
    tokio::time::pause();
    within(worker.server).await.unwrap().unwrap();
}
