//! A service manager that keeps the listening sockets from one run of the service to the next.

use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use drover_e2e::harness::{Process, eventually, is_running, patiently, signal};
use nix::sys::signal::{SIGKILL, SIGTERM};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;

/// `drover up` with an app `web` of two workers that greet, so many times.
struct Service {
    manager: Process,
    dir: TempDir,
}

impl Service {
    fn new(runs: usize, listen: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let service = Self::described(dir, listen);
        let socket = service.path().join("control.sock");
        let manager = Process::start(
            Command::new(program!("storing_manager"))
                .args([&*runs.to_string(), program!("drover_command"), "-s"])
                .arg(socket)
                .args(["up", "-f"])
                .arg(service.path().join("drover.toml"))
                .env("XDG_RUNTIME_DIR", service.path())
                .env("HOLD", service.path().join("hold")),
        );
        Self { manager, dir: service }
    }

    fn described(dir: TempDir, listen: &str) -> TempDir {
        let toml = format!(
            "version = 1\n[sockets.http]\nlisten = \"{listen}\"\n\
             [app.web]\ncommand = [\"{}\"]\nworkers = 2\nprotocol = \"drover\"\nsockets = [\"http\"]\n",
            program!("worker_good")
        );
        std::fs::write(dir.path().join("drover.toml"), toml).unwrap();
        dir
    }

    /// Reads until a line begins like this; the rest of it.
    async fn hears(&mut self, beginning: &str) -> String {
        loop {
            if let Some(rest) = self.manager.line().await.strip_prefix(beginning) {
                return rest.trim().to_owned();
            }
        }
    }

    /// A run has begun: its pid, and where it listens.
    async fn run(&mut self) -> (u32, SocketAddr) {
        let pid = self.hears("pid ").await.parse().unwrap();
        let kept = self.hears("kept drover/http/").await;
        self.hears("ready").await;
        (pid, kept.split_once(' ').unwrap().1.parse().unwrap())
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&self.verb(&["status", "--json"]).stdout).unwrap()
    }

    fn verb(&self, args: &[&str]) -> Output {
        self.begin(args).wait_with_output().unwrap()
    }

    fn begin(&self, args: &[&str]) -> Child {
        let mut command = Command::new(program!("drover_command"));
        command.arg("-s").arg(self.dir.path().join("control.sock")).args(args);
        command.env("XDG_RUNTIME_DIR", self.dir.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap()
}

/// The pids of the workers.
fn workers_of(status: &Value) -> Vec<u32> {
    let workers = status["apps"][0]["workers"].as_array().unwrap();
    workers.iter().map(|worker| &worker["pid"]).filter(|pid| !pid.is_null()).map(number).collect()
}

/// Connects, and waits for a greeting.
async fn greeted(addr: SocketAddr) -> std::io::Result<String> {
    let stream = TcpStream::connect(addr).await?;
    let mut greeting = String::new();
    BufReader::new(stream).read_line(&mut greeting).await?;
    Ok(greeting)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_refused_while_the_service_is_restarted_and_none_waits_for_ever_where_an_app_is_gone() {
    let mut service = Service::new(4, "127.0.0.1:0");
    let (first, addr) = service.run().await;
    let (is_over, asked, refused) = (Arc::new(AtomicBool::new(false)), Arc::default(), Arc::default());
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (is_over, asked, refused): (_, Arc<AtomicUsize>, Arc<AtomicUsize>) =
                (Arc::clone(&is_over), Arc::clone(&asked), Arc::clone(&refused));
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let greeting = greeted(addr).await;
                    asked.fetch_add(1, Ordering::Relaxed);
                    if !greeting.is_ok_and(|greeting| greeting.ends_with('\n')) {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    // A stop by the service manager, which starts it again.
    signal(first, SIGTERM);
    assert_eq!(service.hears("ended ").await, "Some(0)");
    let (second, again) = service.run().await;
    assert_eq!(again, addr);
    let soon = asked.load(Ordering::Relaxed) + 100;
    while asked.load(Ordering::Relaxed) < soon {
        patiently("greetings", greeted(addr)).await.unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        patiently("the last greeting of a client", client).await.unwrap();
    }
    assert_eq!(refused.load(Ordering::Relaxed), 0, "of {}", asked.load(Ordering::Relaxed));

    // Keeper and master are killed at once: who connects before the next run is served by that.
    let hold = service.dir.path().join("hold");
    std::fs::write(&hold, "").unwrap();
    let status = service.status();
    let old = workers_of(&status);
    for pid in [second, number(&status["master"]["pid"])] {
        signal(pid, SIGKILL);
    }
    for pid in &old {
        eventually("the end of the workers, whose master is gone", || (!is_running(*pid)).then_some(()))
            .await;
    }
    let waits = tokio::spawn(greeted(addr));
    std::fs::remove_file(hold).unwrap();
    let (third, again) = service.run().await;
    assert_eq!(again, addr);
    let greeting = patiently("a greeting", waits).await.unwrap().unwrap();
    let by: u32 = greeting.trim_end().split_once(' ').unwrap().1.parse().unwrap();
    assert!(workers_of(&service.status()).contains(&by) && !old.contains(&by), "{greeting}");

    // An app that is stopped by itself takes nobody any more, and nothing of it is kept.
    assert!(service.verb(&["stop", "web"]).status.success());
    service.hears("gone drover/http/").await;
    assert!(TcpStream::connect(addr).await.is_err());
    assert!(service.verb(&["start", "web"]).status.success());
    service.hears("kept drover/http/").await;
    // What the next run does not describe is closed. The port of this run is another.
    let dir = std::mem::replace(&mut service.dir, tempfile::tempdir().unwrap());
    service.dir = Service::described(dir, "localhost:0");
    signal(third, SIGTERM);
    let (fourth, other) = service.run().await;
    assert_ne!(other, addr);
    signal(fourth, SIGTERM);
    let ended = patiently("the end", service.manager.end()).await;
    assert!(!ended.stderr.contains("nobody serves"), "{ended:#?}");
}

/// A worker that drains for as long as somebody talks to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_is_closed_with_its_app_by_the_master_that_follows_in_the_middle_of_the_stop() {
    let mut service = Service::new(1, "127.0.0.1:0");
    let (keeper, addr) = service.run().await;
    let mut talk = TcpStream::connect(addr).await.unwrap();
    let mut greeting = String::new();
    BufReader::new(&mut talk).read_line(&mut greeting).await.unwrap();
    let master = number(&service.status()["master"]["pid"]);
    let stop = service.begin(&["stop", "web"]);
    let is_stopping = |status: &Value| status["apps"][0]["phase"] == "shutting_down";
    eventually("the stop", || is_stopping(&service.status()).then_some(())).await;
    signal(master, SIGKILL);
    eventually("another master", || {
        let status = service.verb(&["status", "--json"]).stdout;
        serde_json::from_slice::<Value>(&status)
            .ok()
            .filter(|status| number(&status["master"]["pid"]) != master)
    })
    .await;
    drop(talk);
    service.hears("gone drover/http/").await;
    eventually("that nobody is taken any more", || std::net::TcpStream::connect(addr).is_err().then_some(()))
        .await;
    let _ = tokio::task::spawn_blocking(move || stop.wait_with_output()).await;
    eventually("the end of the app", || (service.status()["apps"][0]["phase"] == "shut_down").then_some(()))
        .await;
    assert!(service.verb(&["start", "web"]).status.success());
    let kept = service.hears("kept drover/http/").await;
    let addr: SocketAddr = kept.split_once(' ').unwrap().1.parse().unwrap();
    patiently("a greeting", greeted(addr)).await.unwrap();
    signal(keeper, SIGTERM);
    patiently("the end", service.manager.end()).await;
}
