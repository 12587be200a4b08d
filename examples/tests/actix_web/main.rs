//! The worker in actix-web, reloaded under clients that keep their connections open and never try again.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use drover_master::config::Output;
use drover_master::{Command, Master, Reload};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const RELOADS: usize = 5;
const DEADLINE: Duration = Duration::from_secs(60);

/// What clients ask for, and how long they think between an answer and their next request.
const CLIENTS: [(&str, u64); 7] =
    [("/", 0), ("/", 1), ("/", 5), ("/", 100), ("/", 300), ("/slow", 0), ("/slow", 20)];

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("no {what} in {DEADLINE:?}"))
}

/// One request, and whether the connection may carry another.
async fn ask(stream: &mut BufReader<TcpStream>, path: &str) -> io::Result<bool> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: drover\r\n\r\n").as_bytes()).await?;
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

/// Asks until it is over; returns how many answers came, and how many were told to be the last of their connection.
async fn client(to: SocketAddr, path: &str, thinking: u64, is_over: Arc<AtomicBool>) -> (usize, usize) {
    let (mut answers, mut last) = (0, 0);
    while !is_over.load(Ordering::Relaxed) {
        let mut stream = BufReader::new(TcpStream::connect(to).await.unwrap());
        let mut is_open = true;
        while is_open && !is_over.load(Ordering::Relaxed) {
            is_open = ask(&mut stream, path).await.unwrap_or_else(|error| panic!("{path} was lost: {error}"));
            answers += 1;
            last += usize::from(!is_open);
            tokio::time::sleep(Duration::from_millis(thinking)).await;
        }
    }
    (answers, last)
}

#[tokio::test]
async fn a_worker_in_actix_web_loses_no_request_over_reloads() {
    let name = format!("actix-web-{}", std::process::id());
    let master = Master::builder(&name, Command::new(env!("CARGO_BIN_EXE_actix-web-worker")))
        .workers(2)
        .listen("http", "127.0.0.1:0")
        .output(Output::Discard)
        .build()
        .unwrap();
    within("start", master.start()).await.unwrap();
    let to = master.listener_addr("http").unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for (path, thinking) in CLIENTS {
        clients.spawn(client(to, path, thinking, Arc::clone(&is_over)));
    }
    for _ in 0..RELOADS {
        within("reload", master.reload(Reload::new())).await.unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    let (mut answers, mut last) = (0, 0);
    while let Some(client) = within("end of the clients", clients.join_next()).await {
        let seen = client.unwrap();
        (answers, last) = (answers + seen.0, last + seen.1);
    }
    // Every reload ends all connections, and the quick ones have one open whenever it does.
    assert!(last >= RELOADS && answers > last, "{answers} answers, {last} of them told to be the last");
    within("shutdown", master.shutdown()).await.unwrap();
}
