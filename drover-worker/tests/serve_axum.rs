//! The listener in `axum::serve`.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::serve::ListenerExt;
use drover_worker::testing::FakeMaster;
use drover_worker::{Listener, UnixListener};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);

async fn get(address: SocketAddr) -> String {
    ask(&mut TcpStream::connect(address).await.unwrap()).await
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

/// The orphan rule keeps a library from saying `SocketAddr: Connected<IncomingStream<Listener>>`; axum says it for a tapped one.
#[tokio::test]
async fn a_handler_under_plain_axum_serve_is_told_the_address_of_its_client() {
    let listener = Listener::from_std(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let tell = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
    let app = axum::Router::new().fallback(tell).into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(axum::serve(listener.tap_io(|_| {}), app).into_future());
    let mut stream = TcpStream::connect(address).await.unwrap();
    let said = timeout(DEADLINE, ask(&mut stream)).await.unwrap();
    assert!(said.ends_with(&format!("\r\n\r\n{}", stream.local_addr().unwrap())), "{said}");
    server.abort();
}

#[tokio::test]
async fn a_unix_listener_is_served_by_axum_and_by_the_bus() {
    let master = FakeMaster::bind().unwrap();
    let (bus, link) = tokio::join!(master.bus().connect(), master.accept());
    let (bus, mut link) = (bus.unwrap(), link.unwrap());
    let app = axum::Router::new().fallback(|| async { "by a path" });
    let places = [Place::new("plain"), Place::new("bus")];
    let [plain, of_bus] = places.each_ref().map(|place| {
        UnixListener::from_std(std::os::unix::net::UnixListener::bind(&place.0).unwrap()).unwrap()
    });
    let plain = axum::serve(plain, app.clone()).with_graceful_shutdown(bus.stopping()).into_future();
    let serving = bus.clone();
    let servers = [tokio::spawn(plain), tokio::spawn(async move { serving.serve_axum(of_bus, app).await })];
    for place in &places {
        let mut stream = UnixStream::connect(&place.0).await.unwrap();
        let said = timeout(DEADLINE, ask(&mut stream)).await.unwrap();
        assert!(said.ends_with("by a path"), "{said}");
    }
    link.stop(DEADLINE).await.unwrap();
    for server in servers {
        timeout(DEADLINE, server).await.unwrap().unwrap().unwrap();
    }
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

/// A path of its own for a socket, removed at the end.
struct Place(std::path::PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("drover-worker-{}-axum-{name}.sock", std::process::id())))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A listener that tells of each connection it takes.
struct Told {
    listener: Listener,
    taken: tokio::sync::mpsc::Sender<()>,
}

impl axum::serve::Listener for Told {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let accepted = axum::serve::Listener::accept(&mut self.listener).await;
        self.taken.send(()).await.unwrap();
        accepted
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
