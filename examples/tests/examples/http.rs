//! As much of an HTTP client as it takes to see who answers.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

/// One request on a connection of its own; the body of the answer.
pub(crate) async fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    request(address, "GET", path, "").await
}

/// The same with something to tell.
pub(crate) async fn post(address: SocketAddr, path: &str, body: &str) -> io::Result<String> {
    request(address, "POST", path, body).await
}

async fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<String> {
    let request = async {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
        let whole = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(whole.as_bytes()).await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        match response.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body.to_owned()),
            _ => Err(io::Error::other(format!("{path} was answered by {response:?}"))),
        }
    };
    within("an answer", request).await
}

/// Who answers: the worker's name and its process, in the first line.
pub(crate) async fn who(address: SocketAddr) -> io::Result<(String, Pid)> {
    let body = get(address, "/").await?;
    let parsed = || {
        let (worker, pid) = body.lines().next()?.strip_prefix("Hello from ")?.split_once(", pid ")?;
        Some((worker.to_owned(), Pid::from_raw(pid.parse().ok()?)))
    };
    Ok(parsed().unwrap_or_else(|| panic!("{body:?} does not say who answers")))
}

/// Asks until each of these workers has answered, and no other.
pub(crate) async fn all_answer(address: SocketAddr, workers: &[String]) -> BTreeMap<String, Pid> {
    let mut seen = BTreeMap::new();
    let asking = async {
        while seen.len() < workers.len() {
            let (worker, pid) = who(address).await.unwrap();
            assert!(workers.contains(&worker), "{worker} is not one of {workers:?}");
            seen.insert(worker, pid);
        }
    };
    within("an answer of every worker", asking).await;
    seen
}
