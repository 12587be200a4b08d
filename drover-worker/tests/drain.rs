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
        Some(Body::Status(Status { in_flight, text, requests })) => {
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
    assert!(deadline >= begin + Duration::from_millis(400));
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
