//! Servers in Node that know nothing of Drover, with `drover-worker/register` before them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use drover_e2e::harness::{PATIENCE, patiently};
use tokio::task::JoinSet;

use super::{CLIENTS, operate, operated};
use crate::foreign_workers::{output_of, packed};
use crate::http2;
use crate::site::{Site, skip};

/// Where all of them listen.
const PORT: u16 = 3000;

/// A folder of `examples/servers` with the installed package.
async fn site(folder: &'static str) -> Option<Site> {
    let packed = packed().await?;
    let site = Site::of(folder, &["node"])?;
    symlink(packed.join("node_modules"), site.path("node_modules")).unwrap();
    Some(site)
}

async fn loses_no_request(folder: &'static str) {
    let Some(mut site) = site(folder).await else { return };
    site.start().await;
    let tally = operated(&site, PORT, CLIENTS).await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn express_loses_no_request_while_it_is_reloaded_and_scaled() {
    loses_no_request("servers/express").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fastify_loses_no_request_while_it_is_reloaded_and_scaled() {
    loses_no_request("servers/fastify").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn koa_loses_no_request_while_it_is_reloaded_and_scaled() {
    loses_no_request("servers/koa").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_with_cluster_loses_no_request_while_it_is_reloaded_and_scaled() {
    loses_no_request("servers/node-cluster").await;
}

/// Where the app of Next is built, once.
async fn built_next() -> Option<PathBuf> {
    // It says why, if there is no Node.
    packed().await?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace");
    let folder = root.join("target/workers/node-next");
    let paths = [root.join("packages/node"), root.join("examples/servers/next"), folder.clone()];
    let paths = paths.each_ref().map(|path| path.to_str().unwrap());
    let output = output_of(&root.join("tests/e2e/servers/next.sh"), &paths).await;
    if output.status.success() {
        return Some(folder);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    skip(
        "next",
        &format!("it can't be built (with DROVER_DOWNLOADS=1 what it needs is fetched): {}", said.trim()),
    );
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn next_under_npm_start_loses_no_request_while_it_is_reloaded_and_scaled() {
    let Some(built) = built_next().await else { return };
    let Some(mut site) = Site::of("servers/next", &["npm"]) else { return };
    for folder in ["node_modules", ".next"] {
        symlink(built.join(folder), site.path(folder)).unwrap();
    }
    site.start().await;
    let tally = operated(&site, PORT, CLIENTS).await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    site.end().await;
}

/// Clients of HTTP/2 on one connection each, for what takes a while and what does not.
const PATHS: [&str; 4] =
    ["/echo?text=a&ms=0", "/echo?text=b&ms=0", "/echo?text=c&ms=200", "/echo?text=d&ms=200"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_in_node_loses_no_stream_while_it_is_reloaded_and_scaled() {
    let Some(mut site) = site("servers/node-http2").await else { return };
    site.start().await;
    let to = SocketAddr::from((site.host(), PORT));
    let is_over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for path in PATHS {
        clients.spawn(http2::client(to, path, Arc::clone(&is_over)));
    }
    operate(&site).await;
    is_over.store(true, Ordering::Relaxed);
    let (mut answers, mut connections) = (0, 0);
    while let Some(seen) = patiently("the clients", clients.join_next()).await {
        let seen = seen.unwrap();
        assert!(seen.failures.is_empty(), "{seen:?}\n{}", site.log());
        answers += seen.answers;
        connections += seen.connections;
    }
    drover_e2e::complain(&format!("{}: {answers} answers on {connections} connections", site.app()));
    // A reload ends every connection that is open.
    assert!(answers > connections && connections > PATHS.len());
    site.end().await;
}

/// Sends a request and waits for the head of its answer; the connection stays.
fn held(to: SocketAddr, target: &str, fields: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nhost: test\r\n{fields}\r\n\r\n").unwrap();
    assert_ne!(stream.read(&mut [0; 1000]).unwrap(), 0);
    stream
}

/// All that comes until the server closes.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

/// Prints what comes back, and how it ends.
const CLIENT: &str = "
const { WebSocket } = require('ws');
const socket = new WebSocket(process.argv[2]);
socket.on('open', () => socket.send('hello'));
socket.on('message', (data) => console.log(String(data)));
socket.on('close', (code) => console.log(`closed: ${code}`));
setTimeout(() => process.exit(1), 120_000).unref();
";

/// A client with the library that most have, and its first line.
fn web_socket(site: &Site, to: SocketAddr) -> (Child, impl Iterator<Item = String> + use<>) {
    std::fs::write(site.path("client.js"), CLIENT).unwrap();
    let mut command = Command::new("node");
    command
        .arg(site.path("client.js"))
        .arg(format!("ws://{to}/"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut client = command.spawn().unwrap();
    let lines = BufReader::new(client.stdout.take().unwrap()).lines().map(Result::unwrap);
    (client, lines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_sockets_are_told_to_leave_and_no_request_is_lost() {
    let Some(mut site) = site("servers/ws").await else { return };
    site.start().await;
    let to = SocketAddr::from((site.host(), PORT));
    let (client, mut said) = web_socket(&site, to);
    assert!(said.next().is_some_and(|line| line.ends_with(" hello")), "{}", site.log());
    // Another, which never answers a Close.
    let key = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==";
    let deaf = held(to, "/", key);
    let tally = operated(&site, PORT, CLIENTS).await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    assert_eq!(said.next().as_deref(), Some("closed: 1001"), "{}", site.log());
    assert!(client.wait_with_output().unwrap().status.success());
    // RFC 6455: a Close of two bytes, which are the code. The stop did not wait for it longer than for a client that closes.
    assert_eq!(rest(deaf), [0x88, 0x02, 0x03, 0xe9]);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_source_is_closed_and_no_request_is_lost() {
    let Some(mut site) = site("servers/node-sse").await else { return };
    site.start().await;
    let events = held(SocketAddr::from((site.host(), PORT)), "/events", "accept: text/event-stream");
    let tally = operated(&site, PORT, CLIENTS).await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    assert!(String::from_utf8(rest(events)).unwrap().contains("data: "), "{}", site.log());
    site.end().await;
}
