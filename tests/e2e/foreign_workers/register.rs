//! Servers in Node that know nothing of Drover, with `drover-worker/register` before them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use drover_e2e::harness::{PATIENCE, eventually};
use tempfile::TempDir;

use super::packed::{app, packed};
use super::service::{Service, asked};
use crate::conform::played;

/// How many requests each has to answer while it is operated.
pub(super) const REQUESTS: u64 = 300;

pub(super) const OPERATIONS: [&[&str]; 5] = [
    &["reload", "{app}"],
    &["scale", "{app}=3"],
    &["scale", "{app}=2"],
    &["restart", "{app}"],
    &["reload", "{app}", "--max-surge", "100%"],
];

/// Of every test its own address, where all ports are free.
pub(super) fn host(test: u8) -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 200 + test, high, low)
}

/// In drover.toml: what runs the file of a folder with `register` before it, as `option` says.
pub(super) fn command(dir: &TempDir, option: &str, file: &str, workers: u32, rest: &str) -> String {
    let drain = "stop = { drain_timeout = \"60s\" }";
    format!(
        "command = [\"node\", \"{option}\", \"drover-worker/register\", \"{file}\"]\ncwd = {:?}\nworkers = {workers}\n{drain}\n{rest}",
        dir.path()
    )
}

pub(super) fn listen(host: Ipv4Addr, port: u16) -> String {
    format!("listen = \"{host}:{port}\"")
}

/// Runs an app with two workers, on the socket that has the port it listens on, and operates it.
async fn loses_no_request(test: u8, option: &str, file: &str, text: &str) {
    let Some(dir) = app(file, text).await else { return };
    let mut service = Service::begin(&listen(host(test), 3000), &command(&dir, option, file, 2, ""));
    service.is_ready().await;
    let tally = super::under_load(&service, &OPERATIONS, REQUESTS).await;
    drover_e2e::complain(&format!("{file} on register: {tally}"));
    service.end_proves_that_all_left_in_order().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_express_app_as_it_is_loses_no_request() {
    let text = "
const express = require('express');
const app = express();
app.get('/echo', (request, response) => setTimeout(() => response.set('X-Worker', `${process.pid} 0`).send(request.query.text), Number(request.query.ms)));
app.listen(process.env.PORT || 3000);
";
    loses_no_request(0, "--require", "express.js", text).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fastify_app_as_it_is_loses_no_request() {
    let text = "
import Fastify from 'fastify';
import { isPrimary } from 'node:cluster';
const app = Fastify();
app.get('/echo', async (request, reply) => {
  reply.header('X-Worker', `${process.pid} 0`);
  await new Promise((done) => setTimeout(done, Number(request.query.ms)));
  return isPrimary ? 'not a worker' : request.query.text;
});
await app.listen({ port: 3000 });
";
    loses_no_request(1, "--require", "fastify.mjs", text).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_with_cluster_as_it_is_loses_no_request() {
    let text = "
const cluster = require('node:cluster');
const http = require('node:http');
if (cluster.isPrimary) {
  for (let n = 0; n < 4; n += 1) cluster.fork();
} else {
  http.createServer((request, response) => {
    const { searchParams } = new URL(request.url, 'http://here');
    const isRight = cluster.isWorker && cluster.worker.id === 1 + Number(process.env.NODE_APP_INSTANCE);
    response.setHeader('X-Worker', `${process.pid} 0`);
    setTimeout(() => response.end(isRight ? searchParams.get('text') : 'not a worker'), Number(searchParams.get('ms')));
  }).listen(3000, '127.0.0.1');
}
";
    // Node has `--import` from 18.18 on.
    let has_import =
        node(Path::new("/"), &["--import", "data:text/javascript,0", "-e", "0"]).status.success();
    loses_no_request(2, if has_import { "--import" } else { "--require" }, "cluster.js", text).await;
}

/// As people write them for pm2: ready when it says so, and with something to clean up.
const FOR_PM2: &str = "
const http = require('node:http');
const server = http.createServer((request, response) => {
  if (request.url === '/ready') process.send({ type: 'ready' });
  if (request.url !== '/events') return response.end('hello');
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  response.write('data: 1\\n\\n');
});
server.on('upgrade', (request, socket) => socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: test\\r\\nConnection: upgrade\\r\\n\\r\\n'));
server.listen(4000);
setInterval(() => {}, 1000);
process.on('SIGINT', async () => {
  await new Promise((done) => setTimeout(done, 10));
  console.log('has cleaned up');
  process.exit(0);
});
";

/// Sends a request and waits for the head of its answer; the connection stays.
fn held(to: SocketAddr, target: &str, field: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nhost: test\r\n{field}\r\n\r\n").unwrap();
    assert_ne!(stream.read(&mut [0; 1000]).unwrap(), 0);
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_of_pm2_is_ready_when_it_says_so_and_cleans_up_at_the_end() {
    let Some(dir) = app("app.js", FOR_PM2).await else { return };
    let rest = "env = { DROVER_WAIT_READY = \"1\", DROVER_PORTS = \"http=4000\" }";
    let mut service = Service::begin(&listen(host(3), 3000), &command(&dir, "--require", "app.js", 1, rest));
    let to = SocketAddr::from((host(3), 3000));
    eventually("the socket of the master", || TcpStream::connect(to).ok()).await;
    // It is served before it is ready.
    assert_eq!(asked(to, "/").await.as_deref(), Some("hello"));
    assert!(!service.log().contains("is ready"), "{}", service.log());
    assert_eq!(asked(to, "/ready").await.as_deref(), Some("hello"));
    service.is_ready().await;
    // Neither has an end of its own, and a stop waits for neither.
    let _upgraded = held(to, "/", "connection: upgrade\r\nupgrade: test");
    let mut events = held(to, "/events", "accept: text/event-stream");
    service.run(&["stop", "{app}"]).await;
    assert!(service.log().contains("has cleaned up"), "{}", service.log());
    while events.read(&mut [0; 1000]).is_ok_and(|read| read > 0) {}
    let told = service.run(&["events", "--json"]).await;
    assert!(told.contains("\"normal_exit\"") && !told.contains("deadline_missed"), "{told}");
    service.run(&["down"]).await;
    assert_eq!(service.ends().await, Some(0));
}

/// In TypeScript, and ready when it says so; it is told to end as pm2 does it with `shutdown_with_message`.
const IN_TYPESCRIPT: &str = "
import { createServer } from 'node:http';
const text: string = 'hello';
createServer((request, response) => {
  if (request.url === '/ready') process.send!('ready');
  response.end(text);
}).listen(3000);
process.on('message', (message: unknown) => {
  if (message !== 'shutdown') return;
  console.log('has cleaned up');
  process.exit(0);
});
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn npm_start_of_what_starts_a_node_below_makes_that_one_the_worker() {
    let Some(dir) = app("app.ts", IN_TYPESCRIPT).await else { return };
    let package = r#"{ "type": "module", "scripts": { "start": "tsx app.ts" } }"#;
    std::fs::write(dir.path().join("package.json"), package).unwrap();
    // npm runs a shell, which runs tsx, which runs the app.
    let env = "{ NODE_OPTIONS = \"--require drover-worker/register\", DROVER_WAIT_READY = \"1\" }";
    let app = format!("command = \"npm start\"\ncwd = {:?}\nworkers = 1\nenv = {env}", dir.path());
    let mut service = Service::begin(&listen(host(6), 3000), &app);
    let to = SocketAddr::from((host(6), 3000));
    eventually("the socket of the master", || TcpStream::connect(to).ok()).await;
    assert_eq!(asked(to, "/").await.as_deref(), Some("hello"), "{}", service.log());
    assert!(!service.log().contains("is ready"), "{}", service.log());
    assert_eq!(asked(to, "/ready").await.as_deref(), Some("hello"));
    service.is_ready().await;
    service.run(&["down"]).await;
    assert!(service.log().contains("has cleaned up"), "{}", service.log());
    assert_eq!(service.ends().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_on_another_port_listens_by_itself_says_so_once_and_is_not_ready() {
    let other = host(4);
    let text = format!(
        "const http = require('node:http');
const served = (port, host) => http.createServer((request, response) => {{
  if (request.url === '/go') served(3000, '{other}');
  response.end(String(port));
}}).listen(port, host);
served(3001, '{other}').once('listening', () => served(3001, '{}'));
",
        host(5)
    );
    let Some(dir) = app("app.js", &text).await else { return };
    let mut service = Service::begin(&listen(other, 3000), &command(&dir, "--require", "app.js", 1, ""));
    let (own, masters) = (SocketAddr::from((other, 3001)), SocketAddr::from((other, 3000)));
    let said = format!(
        "the app listens on 3001 by itself: no socket that the master has for it fits (http={masters}). \
         Let a socket of drover.toml listen on 3001, or set DROVER_PORTS=\"NAME=3001\" in the app's env\n"
    );
    eventually("what it says", || service.log().contains(&said).then_some(())).await;
    eventually("its own port", || TcpStream::connect(own).ok()).await;
    // The socket that clients come to is served by nobody.
    assert!(!service.log().contains("is ready"), "{}", service.log());
    assert_eq!(asked(own, "/go").await.as_deref(), Some("3001"));
    service.is_ready().await;
    assert_eq!(asked(masters, "/").await.as_deref(), Some("3000"));
    assert_eq!(service.log().matches(" by itself").count(), 1, "{}", service.log());
    service.run(&["down"]).await;
    assert_eq!(service.ends().await, Some(0));
}

#[tokio::test]
async fn an_app_on_register_passes_the_conformance_kit() {
    let Some(dir) = app(
        "app.js",
        "require('node:http').createServer((request, response) => response.end()).listen(3000);",
    )
    .await
    else {
        return;
    };
    let (file, register) =
        (dir.path().join("app.js"), dir.path().join("node_modules/drover-worker/register.js"));
    let worker = [
        "env",
        "DROVER_PORTS=http=3000",
        "node",
        "--require",
        register.to_str().unwrap(),
        file.to_str().unwrap(),
    ];
    let run = played(&["--mutations", "10", "--jobs", "2"], &worker).await;
    assert_eq!((run.code, run.of("fail").len()), (Some(0), 0), "{}", run.failures.join("\n"));
    // It takes no messages.
    let needs_messages = |case: &&str| case.starts_with("W-BU-") || ["W-RC-10", "W-RC-11"].contains(case);
    assert!(run.of("skip").iter().all(needs_messages), "{:?}", run.of("skip"));
    assert!(run.summary["passed"].as_u64().unwrap() > 70, "{}", run.summary);
}

fn node(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("node");
    command.current_dir(dir).args(args).stdin(Stdio::null());
    for name in ["DROVER_SOCKET", "DROVER_TOKEN", "LISTEN_FDS", "LISTEN_PID"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

#[tokio::test]
async fn without_a_master_register_does_nothing() {
    let Some(folder) = packed().await else { return };
    let shows = "console.log(require('cluster').isPrimary, process.send, process.listenerCount('exit'), require('drover-worker/register').bus)";
    let output = node(&folder, &["--require", "drover-worker/register", "-e", shows]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "true undefined 0 undefined\n", "{output:?}");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[tokio::test]
async fn a_node_that_the_sockets_have_not_reached_says_what_to_do_and_runs_alone() {
    let Some(folder) = packed().await else { return };
    let mut command = Command::new("node");
    command.current_dir(&folder).args([
        "--require",
        "drover-worker/register",
        "-p",
        "process.send === undefined",
    ]);
    // As npm starts it: the sockets are for npm.
    command.env("DROVER_SOCKET", "/nowhere").env("LISTEN_PID", "1").env("LISTEN_FDS", "1");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let remedy = "by env = { NODE_OPTIONS = \"--require drover-worker/register\" }";
    assert!(
        said.contains("the master has started process 1, and this is ") && said.contains(remedy),
        "{said}"
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), "true\n", "{said}");
    assert!(output.status.success(), "{said}");
}

#[tokio::test]
async fn the_types_of_the_package_fit_those_who_use_it() {
    let text = "
import * as http from 'node:http';
import { MessageBus, BusError, encode, root, type Message } from 'drover-worker';
import { bus as registered } from 'drover-worker/register';
import { Control, ControlError, type AppStatus } from 'drover-worker/control';
const bus = new MessageBus();
bus.on('message', (message: Message) => { if (message.isRequest) message.reply(message.payload); });
bus.on('stop', ({ deadlineMs }) => console.log(deadlineMs + 1));
bus.request('topic', 'text', { to: { slot: 1 } }).catch((error: BusError) => error.code);
bus.serve(http.createServer(), { socket: 'http', port: 8080 });
registered?.status('text', 1, 2, { queue: 3 });
encode(root.lookupType('drover.v1.Hello'), {});
async function control(): Promise<void> {
  const control = new Control();
  const { apps }: { apps: AppStatus[] } = await control.status('web');
  if (apps[0].workers[0].lastExit?.kind === 'abnormal_exit') console.log(apps[0].phase);
  for await (const event of control.events({ since: 1 })) console.log('count' in event ? event.count : event.seq);
  await control.reload('web', { maxSurge: '25%' }).catch((error: ControlError) => error.code === 'rolled_back' && error.results[0].lastWords);
  // @ts-expect-error: there is no such phase.
  if (apps[0].phase === 'nonsense') control.abort('web');
}
control();
// @ts-expect-error: a topic is a text.
bus.send(1, 'text');
// @ts-expect-error: there is no such event.
bus.on('nonsense', () => {});
";
    let Some(dir) = app("use.ts", text).await else { return };
    let compiler = "node_modules/typescript/bin/tsc";
    let args = [
        compiler,
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--module",
        "node16",
        "--target",
        "es2022",
        "--types",
        "node",
        "use.ts",
    ];
    let output = node(dir.path(), &args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
