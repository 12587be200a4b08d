//! The listener in `axum::serve`.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

use std::time::Duration;

use drover_worker::Listener;
use drover_worker::testing::FakeMaster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);

async fn get(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

#[tokio::test]
async fn axum_serves_on_the_listener_until_the_master_says_stop() {
    let master = FakeMaster::bind().unwrap();
    let (bus, link) = tokio::join!(master.bus().connect(), master.accept());
    let (bus, mut link) = (bus.unwrap(), link.unwrap());

    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = Listener::from_std(socket).unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(|| async { "served fairly" });
    let stop = {
        let bus = bus.clone();
        async move {
            bus.stop_requested().await;
        }
    };
    let server = tokio::spawn(axum::serve(listener, app).with_graceful_shutdown(stop).into_future());
    for _ in 0..20 {
        let response = timeout(DEADLINE, get(address)).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 200 OK") && response.ends_with("served fairly"), "{response}");
    }

    link.stop(DEADLINE).await.unwrap();
    timeout(DEADLINE, server).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody holds the socket any more");
}

#[tokio::test]
async fn a_connection_that_was_taken_just_before_the_stop_is_answered() {
    let master = FakeMaster::bind().unwrap();
    let (bus, link) = tokio::join!(master.bus().connect(), master.accept());
    let (bus, mut link) = (bus.unwrap(), link.unwrap());
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (taken, mut takes) = tokio::sync::mpsc::channel(64);
    let listener = Told { listener: Listener::from_std(socket).unwrap(), taken };
    let app = axum::Router::new().fallback(|| async { "answered" });
    let server = axum::serve(listener, app).with_graceful_shutdown(bus.stopping());
    let server = tokio::spawn(server.into_future());

    let mut stream = TcpStream::connect(address).await.unwrap();
    timeout(DEADLINE, takes.recv()).await.unwrap();
    link.stop(DEADLINE).await.unwrap();
    timeout(DEADLINE, bus.stop_requested()).await.unwrap();
    // The server has all the time it wants to let go of the connection before a word is said.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.ends_with("answered"), "{response}");
    timeout(DEADLINE, server).await.unwrap().unwrap().unwrap();
}

/// A listener that tells of each connection it takes.
struct Told {
    listener: Listener,
    taken: tokio::sync::mpsc::Sender<()>,
}

impl axum::serve::Listener for Told {
    type Io = TcpStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let accepted = axum::serve::Listener::accept(&mut self.listener).await;
        self.taken.send(()).await.unwrap();
        accepted
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
