//! The admin HTTP of a real supervisor, asked over real sockets.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::admin::FOLLOWING;
use super::{AdminError, AdminServer, AdminSpec, ControlToken};
use crate::config::{ListenAddr, StartPolicy};
use crate::keeper::TestKeeper;
use crate::supervisor::{Supervisor, SupervisorHandle};
use crate::{Command, EventKind, Master, Protocol};

/// So much that a loaded machine needs no more.
const PATIENCE: Duration = Duration::from_secs(60);

const TOKEN: &str = "0123456789abcdef";

/// A supervisor of one app `web` with two workers, and its admin HTTP.
struct Served {
    admin: AdminServer,
    handle: SupervisorHandle,
    running: tokio::task::JoinHandle<()>,
}

impl Served {
    async fn new(spec: AdminSpec) -> Self {
        Self::by(AdminServer::open(spec).unwrap()).await
    }

    async fn by(mut admin: AdminServer) -> Self {
        let command = Command::new("sh").args(["-c", "echo hello; exec sleep 600"]);
        let web = Master::builder("web", command).workers(2).protocol(Protocol::None);
        let web = web.start_policy(StartPolicy { min_uptime: Duration::ZERO, ..Default::default() });
        let supervisor = Supervisor::builder().app(web).keep_output().build().unwrap();
        let handle = supervisor.handle();
        let mut events = handle.events().since(0);
        admin.serve(handle.clone()).unwrap();
        let running = tokio::spawn(async move { drop(supervisor.run().await) });
        while events.next().await.unwrap().kind != EventKind::AppStarted {}
        Self { admin, handle, running }
    }

    async fn local() -> Self {
        Self::new(AdminSpec::new("127.0.0.1:0".parse().unwrap())).await
    }

    async fn connect(&self) -> TcpStream {
        let ListenAddr::Tcp(addr) = self.admin.addr() else { panic!("no TCP") };
        TcpStream::connect(addr).await.unwrap()
    }

    /// The whole answer.
    async fn ask(&self, line: &str, headers: &str) -> String {
        let mut stream = self.connect().await;
        let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }

    /// An answer that goes on.
    async fn follow(&self, line: &str, headers: &str) -> Follower {
        let mut stream = BufReader::new(self.connect().await);
        let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Follower(stream)
    }

    async fn end(self) {
        self.handle.kill().await;
        self.running.await.unwrap();
    }
}

/// Who reads an answer that goes on.
struct Follower(BufReader<TcpStream>);

impl Follower {
    /// What follows this at the start of a line.
    async fn until(&mut self, begin: &str) -> String {
        let found = async {
            loop {
                let mut line = String::new();
                assert_ne!(self.0.read_line(&mut line).await.unwrap(), 0, "it ends without `{begin}`");
                if let Some(rest) = line.strip_prefix(begin) {
                    return rest.trim_end().to_owned();
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap()
    }
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn every_path_answers_what_it_is_for() {
    let served = Served::local().await;
    for (path, kind, part) in [
        ("/", "text/html", "<title>Drover</title>"),
        ("/metrics", "text/plain; version=0.0.4", "drover_workers_ready{app=\"web\"} 2"),
        ("/livez", "text/plain", "live"),
        ("/readyz", "text/plain", "ready"),
        ("/api/status", "application/json", r#""name":"web""#),
        ("/api/history", "application/json", r#""every_ms":10000"#),
        ("/api/describe?name=web", "application/json", r#""settings""#),
    ] {
        let answer = served.ask(&format!("GET {path}"), "").await;
        assert_eq!(status(&answer), 200, "{answer}");
        let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
        assert!(head.contains(&format!("content-type: {kind}")), "{head}");
        assert!(head.contains("cache-control: no-store"), "{head}");
        assert!(answer.contains(part), "{part} is not in {answer}");
    }
    let head = served.ask("HEAD /metrics", "").await;
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    served.end().await;
}

#[tokio::test]
async fn it_is_not_ready_from_the_first_moment_of_an_end() {
    let served = Served::local().await;
    let mut events = served.handle.events().since(served.handle.events().last_seq());
    let operation = served.handle.stop_app("web", crate::Request::Shutdown, "test");
    while !matches!(events.next().await.unwrap().kind, EventKind::AppStopping { .. }) {}
    let answer = served.ask("GET /readyz", "").await;
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(answer.contains("web: "), "{answer}");
    operation.await.unwrap();
    assert_eq!(status(&served.ask("GET /readyz", "").await), 503);
    assert_eq!(status(&served.ask("GET /livez", "").await), 200);
    served.end().await;
}

#[tokio::test]
async fn a_foreign_host_a_foreign_page_and_a_wrong_method_are_refused_with_the_reason() {
    let served = Served::local().await;
    let ListenAddr::Tcp(addr) = served.admin.addr() else { panic!("no TCP") };
    for (head, expected) in [
        (
            format!(
                "GET /api/status HTTP/1.1\r\nHost: evil.example.org:{}\r\n",
                addr.rsplit(':').next().unwrap()
            ),
            421,
        ),
        ("GET /api/status HTTP/1.0\r\n".to_owned(), 421),
        ("GET /api/status HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n".to_owned(), 421),
        (
            "GET /api/status HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example.org\r\n".to_owned(),
            403,
        ),
        ("POST /api/reload?name=web HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n".to_owned(), 403),
        ("POST /api/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n".to_owned(), 405),
        ("GET /nothing HTTP/1.1\r\nHost: localhost\r\n".to_owned(), 404),
        ("GET /api/logs?lines=many HTTP/1.1\r\nHost: localhost\r\n".to_owned(), 400),
        ("GET /api/describe?name=[ HTTP/1.1\r\nHost: localhost\r\n".to_owned(), 400),
        ("GET /api/describe?name=mail HTTP/1.1\r\nHost: localhost\r\n".to_owned(), 404),
    ] {
        let mut stream = served.connect().await;
        stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert_eq!(status(&answer), expected, "{head}{answer}");
        assert!(answer.contains(r#"{"error":""#), "{answer}");
    }
    served.end().await;
}

#[tokio::test]
async fn who_shows_the_token_can_do_what_the_command_does() {
    let spec = AdminSpec::new("127.0.0.1:0".parse().unwrap());
    let served = Served::new(spec.control_token(ControlToken::new(TOKEN).unwrap())).await;
    let token = format!("Authorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n");
    let refused = served.ask("POST /api/scale?name=web&to=3", "Content-Length: 0\r\n").await;
    assert_eq!(status(&refused), 401, "{refused}");
    assert!(refused.to_lowercase().contains("www-authenticate: bearer"), "{refused}");
    let scaled = served.ask("POST /api/scale?name=web&to=3", &token).await;
    assert_eq!(status(&scaled), 200, "{scaled}");
    assert_eq!(served.handle.master("web").unwrap().snapshot().status.ready, 3);
    let mut events = served.handle.events().since(served.handle.events().last_seq());
    let reloaded = served.ask("POST /api/reload?name=web", &token).await;
    assert_eq!(status(&reloaded), 200, "{reloaded}");
    let event = events.next().await.unwrap();
    let EventKind::ReloadStarted { by, .. } = &event.kind else { panic!("{event:?}") };
    assert_eq!(&**by, "the admin HTTP");
    for (target, expected) in
        [("reload?name=mail", 404), ("scale?name=web&to=99999999", 409), ("stop?name=web/9", 404)]
    {
        let answer = served.ask(&format!("POST /api/{target}"), &token).await;
        assert!(status(&answer) == expected || status(&answer) == 400, "{target}: {answer}");
    }
    served.end().await;
}

#[tokio::test]
async fn events_and_lines_come_as_they_happen_and_go_on_after_a_break() {
    let served = Served::local().await;
    let mut lines = served.follow("GET /api/logs?name=web/1", "").await;
    lines.until("data: ").await;
    let last = served.handle.events().last_seq();
    let mut events = served.follow("GET /api/events", &format!("Last-Event-ID: {last}\r\n")).await;
    let operation = served.handle.restart_app("web", "test");
    assert_eq!(events.until("id: ").await, (last + 1).to_string());
    operation.await.unwrap();
    // The next life of the worker prints, too.
    let line = lines.until("data: ").await;
    assert!(line.contains(r#""app":"web""#) && line.contains(r#""slot":1"#), "{line}");
    assert!(line.contains(r#""text":"hello""#) && line.contains(r#""stream":"stdout""#), "{line}");
    served.end().await;
}

#[tokio::test]
async fn readers_beyond_the_bound_are_refused_and_others_are_served() {
    let served = Served::local().await;
    let mut readers = Vec::new();
    for _ in 0..FOLLOWING {
        let mut reader = served.follow("GET /api/events", "").await;
        assert!(reader.until("HTTP/1.1 ").await.starts_with("200 "));
        readers.push(reader);
    }
    let refused = served.ask("GET /api/logs", "").await;
    assert_eq!(status(&refused), 503, "{refused}");
    assert_eq!(status(&served.ask("GET /metrics", "").await), 200);
    // The place of one that goes is another's.
    drop(readers.pop());
    let events = served.handle.events();
    let (mut news, last) = (events.since(events.last_seq()), events.last_seq());
    served.handle.restart_app("web", "test").await.unwrap();
    assert!(news.next().await.unwrap().seq > last);
    while !served.follow("GET /api/events", "").await.until("HTTP/1.1 ").await.starts_with("200 ") {}
    served.end().await;
}

#[tokio::test]
async fn who_stalls_holds_up_nobody_and_gives_the_place_back() {
    let served = Served::local().await;
    let mut stalled = Vec::new();
    // Who says nothing, who stops within the head, and who reads no answer and asks no more.
    for begun in
        ["", "GET /metrics HTTP/1.1\r\nHost: local", "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    {
        let mut stream = served.connect().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    assert_eq!(status(&served.ask("GET /metrics", "").await), 200);
    // From here on time passes as soon as everybody waits for it.
    tokio::time::pause();
    for mut stream in stalled {
        let mut answer = Vec::new();
        // The end of the connection; what is unread may cut it short.
        let _ = stream.read_to_end(&mut answer).await;
    }
    tokio::time::resume();
    assert_eq!(status(&served.ask("GET /metrics", "").await), 200);
    served.end().await;
}

#[tokio::test]
async fn who_has_connected_while_there_was_no_master_is_answered_by_the_next() {
    let (mut keeper, holds) = TestKeeper::new();
    let spec = AdminSpec::new("127.0.0.1:0".parse().unwrap());
    let first = AdminServer::open_held(spec.clone(), &holds).unwrap();
    let addr = first.addr().clone();
    let next = keeper.crash(&holds, first);
    let ListenAddr::Tcp(at) = &addr else { panic!("no TCP") };
    let mut client = TcpStream::connect(at).await.unwrap();
    client.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let served = Served::by(AdminServer::open_held(spec, &next).unwrap()).await;
    assert_eq!(served.admin.addr(), &addr);
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, client.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert_eq!(status(&answer), 200);
    served.end().await;
    assert_eq!(keeper.held(), [""; 0]);
}

#[test]
fn an_address_that_others_reach_is_refused_with_what_to_do() {
    let refused = AdminServer::open(AdminSpec::new("0.0.0.0:0".parse().unwrap())).unwrap_err();
    assert!(matches!(refused, AdminError::NotLocal { .. }));
    let sentence = refused.to_string();
    assert!(sentence.contains("0.0.0.0:0") && sentence.contains("127.0.0.1"), "{sentence}");
}

#[test]
fn an_address_that_is_taken_is_told_with_who_has_it() {
    let first = AdminServer::open(AdminSpec::new("127.0.0.1:0".parse().unwrap())).unwrap();
    let refused = AdminServer::open(AdminSpec::new(first.addr().clone())).unwrap_err();
    assert!(refused.to_string().contains("is in use by"), "{refused}");
}
