//! Clients that keep their connections open, while the workers they talk to come and go.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use drover_e2e::harness::{App, patiently};
use drover_master::{MasterBuilder, Target};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const RESTARTS: usize = 20;

/// How long clients think between an answer and their next request. The slowest are idle for most of a drain.
const THINKING: [u64; 10] = [0, 0, 0, 0, 1, 1, 5, 20, 100, 300];

/// What one client has seen.
#[derive(Debug, Default)]
struct Seen {
    answers: usize,
    /// Connections that the server has ended in order, by its last answer.
    closed: usize,
    failures: Vec<io::Error>,
}

/// One request, and whether the connection may carry another. There is no second try.
async fn ask(stream: &mut BufReader<TcpStream>) -> io::Result<bool> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: drover\r\n\r\n").await?;
    let (mut is_open, mut length, mut line) = (true, 0, String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let head = line.trim_end().to_ascii_lowercase();
        match head.split_once(": ") {
            Some(("connection", "close")) => is_open = false,
            Some(("content-length", value)) => length = value.parse().map_err(io::Error::other)?,
            _ if head.is_empty() => break,
            _ => {}
        }
    }
    stream.read_exact(&mut vec![0; length]).await?;
    Ok(is_open)
}

async fn client(to: SocketAddr, thinking: Duration, is_over: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    while !is_over.load(Ordering::Relaxed) {
        let Ok(stream) = TcpStream::connect(to).await.map_err(|error| seen.failures.push(error)) else {
            continue;
        };
        let mut stream = BufReader::new(stream);
        while !is_over.load(Ordering::Relaxed) {
            match ask(&mut stream).await {
                Ok(is_open) => {
                    seen.answers += 1;
                    if !is_open {
                        seen.closed += 1;
                        break;
                    }
                }
                Err(error) => {
                    seen.failures.push(error);
                    break;
                }
            }
            tokio::time::sleep(thinking).await;
        }
    }
    seen
}

/// Every client is answered to the last request, while all workers are restarted again and again.
async fn no_request_is_lost(worker: MasterBuilder) {
    let app = App::started(worker.workers(2).listen("http", "127.0.0.1:0")).await;
    let to = app.master().listener_addr("http").unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for thinking in THINKING {
        clients.spawn(client(to, Duration::from_millis(thinking), Arc::clone(&is_over)));
    }
    for _ in 0..RESTARTS {
        patiently("the restart", app.master().restart(Target::All)).await.unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    let (mut answers, mut closed) = (0, 0);
    while let Some(seen) = clients.join_next().await {
        let seen = seen.unwrap();
        assert!(seen.failures.is_empty(), "{seen:?}");
        answers += seen.answers;
        closed += seen.closed;
    }
    drover_e2e::say(&format!("{answers} answers, {closed} connections ended in order"));
    // The quickest clients have a connection open at each restart.
    assert!(closed >= RESTARTS, "{closed} of {answers} answers were the last of their connection");
    app.end().await;
}

#[tokio::test]
async fn clients_of_an_axum_app_lose_no_request_over_twenty_restarts() {
    no_request_is_lost(App::builder(program!("worker_axum"))).await;
}

#[tokio::test]
async fn clients_of_a_hyper_app_lose_no_request_over_twenty_restarts() {
    let name = format!("e2e-hyper-{}", std::process::id());
    let demo = drover_master::Command::new(program!("drover_command")).arg("__demo-worker");
    let worker = drover_master::Master::builder(&name, demo).output(drover_master::Output::Discard);
    no_request_is_lost(worker).await;
}
