//! What a drain does to open connections, and what the master hears of it.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use drover_worker::testing::messages::Status;
use drover_worker::testing::messages::worker_frame::Body;
use drover_worker::testing::{FakeLink, FakeMaster};
use drover_worker::{Listener, MessageBus};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

const DEADLINE: Duration = Duration::from_secs(20);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(DEADLINE, wait).await.expect("within the deadline")
}

async fn connected() -> (FakeMaster, MessageBus, FakeLink) {
    let master = FakeMaster::bind().unwrap();
    let (bus, link) = tokio::join!(master.bus().connect(), master.accept());
    (master, bus.unwrap(), link.unwrap())
}

fn serving(bus: &MessageBus, app: Router) -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    let listener = Listener::from_std(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let (address, bus) = (listener.local_addr().unwrap(), bus.clone());
    (address, tokio::spawn(async move { bus.serve_axum(listener, app).await }))
}

/// An answer with the body "done".
async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"done") {
        assert_ne!(within(stream.read_buf(&mut answer)).await.unwrap(), 0, "{answer:?}");
    }
    String::from_utf8(answer).unwrap()
}

async fn next_count(link: &mut FakeLink) -> u64 {
    next_counts(link).await.0
}

/// How many are under way, and how many are done.
async fn next_counts(link: &mut FakeLink) -> (u64, u64) {
    match link.body().await.unwrap() {
        Some(Body::Status(Status { in_flight, text, requests, .. })) => {
            assert_eq!(text, "warm");
            (in_flight, requests)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_idle_connection_is_answered_once_more_after_the_stop_and_told_that_it_was_the_last_time() {
    let (_master, bus, mut link) = connected().await;
    let (address, server) = serving(&bus, Router::new().route("/", get(|| async { "done" })));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let before = answer(&mut stream).await;
    assert!(!before.contains("connection: close"), "{before}");

    link.stop(DEADLINE).await.unwrap();
    // Beyond the moment at which a server that does not linger would have closed it.
    within(bus.stopping()).await;
    stream.write_all(REQUEST).await.unwrap();
    let last = answer(&mut stream).await;
    assert!(last.contains("connection: close"), "{last}");
    assert_eq!(within(stream.read(&mut [0])).await.unwrap(), 0);
    within(server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_that_stays_idle_is_closed_long_before_the_deadline() {
    let (_master, bus, mut link) = connected().await;
    let (address, server) = serving(&bus, Router::new().route("/", get(|| async { "done" })));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    answer(&mut stream).await;
    let begin = Instant::now();
    link.stop(DEADLINE * 6).await.unwrap();
    assert_eq!(within(stream.read(&mut [0])).await.unwrap(), 0);
    assert!(begin.elapsed() >= Duration::from_millis(900), "{:?}", begin.elapsed());
    within(server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_without_open_connections_does_not_linger() {
    let (_master, bus, mut link) = connected().await;
    let (_, server) = serving(&bus, Router::new());
    link.stop(DEADLINE).await.unwrap();
    within(bus.stop_requested()).await;
    tokio::select! {
        biased;
        served = server => served.unwrap().unwrap(),
        () = bus.letting_go() => panic!("it waits for connections that are not there"),
    }
}

#[tokio::test]
async fn a_short_deadline_shortens_the_time_that_idle_connections_are_left_open() {
    let (_master, bus, mut link) = connected().await;
    let begin = Instant::now();
    link.stop(Duration::from_millis(400)).await.unwrap();
    within(bus.letting_go()).await;
    assert!(begin.elapsed() >= Duration::from_millis(150), "{:?}", begin.elapsed());
    let deadline = within(bus.stop_requested()).await.deadline.unwrap();
    assert!(Instant::from_std(deadline) >= begin + Duration::from_millis(400));
}

#[tokio::test]
async fn the_master_hears_how_many_requests_are_under_way_until_their_bodies_are_sent() {
    let (_master, bus, mut link) = connected().await;
    bus.status("warm", 0);
    assert_eq!(next_count(&mut link).await, 0);
    let gate = Arc::new(Notify::new());
    let handler = {
        let gate = Arc::clone(&gate);
        move || async move {
            gate.notified().await;
            "done"
        }
    };
    let (address, server) = serving(&bus, Router::new().route("/", get(handler)));
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        streams.push(stream);
    }
    within(async { while next_count(&mut link).await != 5 {} }).await;
    link.stop(DEADLINE).await.unwrap();
    within(bus.stop_requested()).await;
    for stream in &mut streams {
        gate.notify_one();
        assert!(answer(stream).await.contains("connection: close"));
    }
    within(async { while next_counts(&mut link).await != (0, 5) {} }).await;
    within(server).await.unwrap().unwrap();
    bus.status("warm", 7);
    assert_eq!(within(next_counts(&mut link)).await, (7, 5), "a status of the app's own keeps what is done");
}

#[tokio::test]
async fn a_busy_worker_reports_a_few_times_a_second_at_most() {
    let (_master, bus, mut link) = connected().await;
    bus.status("warm", 0);
    assert_eq!(next_count(&mut link).await, 0);
    let begin = Instant::now();
    let mut reports = 0;
    let busy = async {
        while begin.elapsed() < Duration::from_secs(1) {
            let _both = (bus.in_flight(), bus.in_flight());
            tokio::task::yield_now().await;
        }
    };
    let reading = async {
        loop {
            next_count(&mut link).await;
            reports += 1;
        }
    };
    tokio::select! {
        () = busy => {}
        () = reading => {}
    }
    assert!(reports <= 6, "{reports}");
}

/// A handler that holds its connection after the upgrade, until it is told.
fn upgrading(over: Arc<Notify>) -> Router {
    let upgrade = move |mut request: axum::extract::Request| {
        let upgraded = request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>().unwrap();
        let over = Arc::clone(&over);
        tokio::spawn(async move {
            let connection = upgraded.await.unwrap();
            over.notified().await;
            let mut connection = hyper_util::rt::TokioIo::new(connection);
            connection.write_all(b"goodbye").await.unwrap();
            connection.shutdown().await.unwrap();
        });
        let switching = axum::http::StatusCode::SWITCHING_PROTOCOLS;
        async move { (switching, [("connection", "upgrade"), ("upgrade", "chat")]) }
    };
    Router::new().route("/", get(upgrade))
}

#[tokio::test]
async fn an_upgraded_connection_is_waited_for_until_it_has_said_goodbye() {
    let (_master, bus, mut link) = connected().await;
    let over = Arc::new(Notify::new());
    let (address, mut server) = serving(&bus, upgrading(Arc::clone(&over)));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n")
        .await
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert_ne!(within(stream.read_buf(&mut head)).await.unwrap(), 0, "{head:?}");
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{head:?}");
    link.stop(DEADLINE * 6).await.unwrap();
    // Past the moment at which idle connections are closed: it is not taken for one.
    within(bus.letting_go()).await;
    timeout(Duration::from_millis(200), &mut server).await.expect_err("the connection is open");
    over.notify_one();
    let mut goodbye = String::new();
    within(stream.read_to_string(&mut goodbye)).await.unwrap();
    assert_eq!(goodbye, "goodbye");
    within(server).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_upgraded_connection_that_does_not_end_does_not_outlast_the_request_to_leave() {
    let (_master, bus, mut link) = connected().await;
    let (address, server) = serving(&bus, upgrading(Arc::default()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n")
        .await
        .unwrap();
    assert_ne!(within(stream.read(&mut [0; 256])).await.unwrap(), 0);
    link.quit(DEADLINE).await.unwrap();
    within(server).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_without_an_end_comes_to_one_at_the_stop() {
    let (_master, bus, mut link) = connected().await;
    let (dropped, is_dropped) = tokio::sync::oneshot::channel::<()>();
    let dropped = Arc::new(std::sync::Mutex::new(Some(dropped)));
    let handler = {
        let bus = bus.clone();
        move || {
            let guard = dropped.lock().unwrap().take();
            let first = futures_util::stream::once(async { Ok::<_, std::convert::Infallible>("done") });
            let never = futures_util::stream::once(async move {
                let _guard = guard;
                std::future::pending().await
            });
            let body = axum::body::Body::from_stream(bus.until_stop(first.chain(never)));
            async { body }
        }
    };
    let (address, server) = serving(&bus, Router::new().route("/", get(handler)));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"done\r\n") {
        assert_ne!(within(stream.read_buf(&mut read)).await.unwrap(), 0, "{read:?}");
    }
    link.stop(DEADLINE * 6).await.unwrap();
    let mut rest = String::new();
    within(stream.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "0\r\n\r\n", "its last chunk");
    within(is_dropped).await.expect_err("the stream is let go");
    within(server).await.unwrap().unwrap();
}

#[tokio::test]
async fn stopped_is_said_when_the_last_guard_is_dropped_and_not_before() {
    let master = FakeMaster::bind().unwrap();
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let mut released = Some(released);
    let worker = master.bus().serve(async move |bus: &MessageBus| {
        let (guard, released) = (bus.in_flight(), released.take().unwrap());
        tokio::spawn(async move {
            let _ = released.await;
            drop(guard);
        });
        bus.started().await?;
        bus.stop_requested().await;
        Ok::<(), Box<dyn std::error::Error>>(())
    });
    let talk = async {
        let mut link = master.accept().await.unwrap();
        while !matches!(link.body().await.unwrap(), Some(Body::Started(_))) {}
        link.stop(DEADLINE * 6).await.unwrap();
        let silence = async { while !matches!(link.body().await.unwrap(), Some(Body::Stopped(_))) {} };
        timeout(Duration::from_millis(500), silence).await.expect_err("a job is under way");
        release.send(()).unwrap();
        while !matches!(link.body().await.unwrap(), Some(Body::Stopped(_))) {}
        link.quit(DEADLINE).await.unwrap();
        while !matches!(link.body().await.unwrap(), Some(Body::ShutDown(_))) {}
    };
    let (worker, ()) = within(async { tokio::join!(worker, talk) }).await;
    worker.unwrap();
}

#[tokio::test]
async fn a_handler_is_told_the_address_of_its_client() {
    let (_master, bus, mut link) = connected().await;
    let tell = |axum::extract::ConnectInfo(peer): axum::extract::ConnectInfo<SocketAddr>| async move {
        format!("{peer} done")
    };
    let (address, server) = serving(&bus, Router::new().route("/", get(tell)));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let said = answer(&mut stream).await;
    assert!(said.ends_with(&format!("{} done", stream.local_addr().unwrap())), "{said}");
    drop(stream);
    link.stop(DEADLINE).await.unwrap();
    within(server).await.unwrap().unwrap();
}
