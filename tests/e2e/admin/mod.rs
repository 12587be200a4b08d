//! The admin HTTP as those use it who live with it: Debian's Prometheus scrapes it, and people open it in Debian's Chromium.

mod browser;
mod prometheus;
mod webdriver;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use drover_e2e::harness::signal;
use nix::sys::signal::{SIGKILL, SIGTERM};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

/// A browser on a machine that does other things takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often is looked again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What lets the page change something.
const TOKEN: &str = "a-token-for-tests-only";

/// `drover run --http` with two workers of an app `web`. Dropped, it is ended with all that it runs.
#[derive(Debug)]
struct Site {
    master: Child,
    /// Where it answers, as `127.0.0.1:PORT`.
    addr: String,
    dir: TempDir,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let token = dir.path().join("token");
        fs::write(&token, TOKEN).unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new(program!("drover_command"));
        command.arg("-s").arg(dir.path().join("control.sock")).args(["run", "-n", "2", "--name", "web"]);
        command.args(["--http", "127.0.0.1:0", "--http-token"]).arg(&token);
        // What it prints would be a part of the page, if the page took it for one.
        command.args([
            "--",
            "sh",
            "-c",
            "echo 'hello <img src=x onerror=alert(1)>'; echo so long; exec sleep 600",
        ]);
        command.env("XDG_RUNTIME_DIR", dir.path()).stdin(Stdio::null());
        let master = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut site = Self { master, addr: String::new(), dir };
        site.addr = until("the address", || {
            let log = site.log();
            let (_, after) = log.split_once("are at http://")?;
            Some(after.split_once("/\n")?.0.to_owned())
        });
        until("every worker to be ready", || (get(&site.addr, "/readyz").0 == 200).then_some(()));
        site
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// The only app, as the API shows it.
    fn app(&self) -> Value {
        let (status, body) = get(&self.addr, "/api/status");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()["apps"][0].clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        end(&mut self.master, PATIENCE);
    }
}

/// Ends a child, gently if that is possible.
fn end(child: &mut Child, patience: Duration) {
    // Not waited for, so the pid is its own.
    signal(child.id(), SIGTERM);
    let begun = Instant::now();
    while child.try_wait().is_ok_and(|ended| ended.is_none()) {
        if begun.elapsed() > patience {
            signal(child.id(), SIGKILL);
            let _ = child.try_wait();
            return;
        }
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// Looks until there is what has to come.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "still waiting for {what}");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// The status and the body of what an address answers.
fn get(addr: &str, path: &str) -> (u16, String) {
    ask(addr, &format!("GET {path}"), "")
}

/// The same, of any request.
fn ask(addr: &str, line: &str, body: &str) -> (u16, String) {
    answer(addr, line, body).unwrap_or_default()
}

/// None: nobody is there, or it went before it had answered.
fn answer(addr: &str, line: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(addr).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let (target, more) = line.split_once('\n').unwrap_or((line, ""));
    let length = body.len();
    let head = format!(
        "{target} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{more}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), None);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        assert!(
            !name.eq_ignore_ascii_case("transfer-encoding"),
            "an answer in pieces is not read here: {value}"
        );
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<u64>().ok();
        }
    }
    let mut answer = Vec::new();
    // Not every server closes when it was asked to.
    reader.take(length.unwrap_or(u64::MAX)).read_to_end(&mut answer).ok()?;
    let status = first.split(' ').nth(1)?.parse().ok()?;
    Some((status, String::from_utf8_lossy(&answer).into_owned()))
}

/// Where a program is; none says SKIPPED, which the gate does not accept.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/bin".into(), "/usr/sbin".into()]);
    let found = places.map(|place| place.join(name)).find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "there is no {name} on this machine");
        drover_e2e::complain(&format!("SKIPPED: there is no {name} on this machine"));
    }
    found
}

/// What is shipped for those who watch a master.
fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/monitoring").join(file)
}
