//! The floor of a reload as a process.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use drover_e2e::harness::signal;
use drover_e2e::load::notes::{Notes, VARIABLE};
use nix::sys::signal::SIGKILL;
use tempfile::TempDir;

use crate::load::WORKER;

const PREFORK: &str = env!("CARGO_BIN_EXE_prefork");

/// A prefork program. Dropped, it is killed, and its workers with it.
#[derive(Debug)]
pub(crate) struct Prefork {
    child: Option<Child>,
    talk: Arc<Mutex<Talk>>,
    addr: SocketAddr,
    notes: Notes,
    _dir: TempDir,
}

#[derive(Debug)]
struct Talk {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Prefork {
    /// This many workers, once each is ready.
    pub(crate) async fn start(workers: u32) -> Self {
        let dir = tempfile::tempdir().expect("there is room for a directory");
        let mut command = Command::new(PREFORK);
        command.arg(WORKER).arg(workers.to_string()).env(VARIABLE, dir.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it is there");
        let input = child.stdin.take().expect("its stdin is a pipe");
        let output = BufReader::new(child.stdout.take().expect("its stdout is a pipe"));
        let talk = Arc::new(Mutex::new(Talk { input, output }));
        let notes = Notes::new(dir.path().to_owned());
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut prefork = Self { child: Some(child), talk, addr, notes, _dir: dir };
        let ready = prefork.says("").await;
        let port = ready.strip_prefix("ready ").and_then(|port| port.parse().ok());
        prefork.addr.set_port(port.unwrap_or_else(|| panic!("`{ready}`")));
        prefork
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What its workers note.
    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map(Child::id).expect("it runs")
    }

    /// Replaces all workers.
    pub(crate) async fn reload(&self) {
        assert_eq!(self.says("reload\n").await, "reloaded");
    }

    /// Ends it and its workers.
    pub(crate) async fn end(mut self) {
        let child = self.child.take().expect("it ends once");
        let talk = Arc::clone(&self.talk);
        drop(self);
        let talk = Arc::into_inner(talk).expect("nobody talks").into_inner().expect("never poisoned");
        // The end of its stdin.
        drop(talk.input);
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
        let ended = ended.await.expect("waiting does not panic").expect("a child can be waited for");
        assert!(ended.status.success(), "{}", ended.status);
    }

    /// Writes to it, and reads its next line.
    async fn says(&self, told: &'static str) -> String {
        let talk = Arc::clone(&self.talk);
        let exchange = tokio::task::spawn_blocking(move || {
            let mut talk = talk.lock().expect("never poisoned");
            talk.input.write_all(told.as_bytes()).expect("it reads");
            let mut line = String::new();
            talk.output.read_line(&mut line).expect("it writes");
            line.trim_end().to_owned()
        });
        exchange.await.expect("talking does not panic")
    }
}

impl Drop for Prefork {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            // Not waited for, so the pid is its own.
            signal(child.id(), SIGKILL);
            let _ = child.wait_with_output();
        }
    }
}
