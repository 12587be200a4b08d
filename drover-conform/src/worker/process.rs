//! The worker's process: started by the master's library as a program that speaks no protocol, with the protocol's variables
//! from here. Its end is an event, and nothing of it is left when it is over.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drover_master::config::{RestartPolicy, RestartWhen, StartPolicy};
use drover_master::machine::exit::Exit;
use drover_master::{Command, EventKind, EventStream, Line, Master, OutputSink, Protocol};

use super::stage::Settings;
use crate::case::{Fault, failed};

/// The app's name: `DROVER_APP` of the worker.
pub(super) const APP: &str = "conform";

/// The name of the socket that is handed over.
const LISTENER: &str = "http";

/// How many lines are kept of what a worker prints: a stack trace and what led to it.
const LINES: usize = 200;

/// How many of them are shown.
const SHOWN: usize = 15;

/// How long a killed process may take to be gone.
const KILLED: Duration = Duration::from_secs(20);

/// A worker's process. Whoever is done with it awaits [`end`](Self::end).
#[derive(Debug)]
pub(super) struct Process {
    master: Master,
    events: EventStream,
    exit: Option<Exit>,
    is_socket_shut: bool,
    printed: Printed,
}

impl Process {
    /// Starts the command.
    pub(super) fn start(settings: &Settings, socket: &Path, token: &str) -> Result<Self, Fault> {
        let Some((program, args)) = settings.command.split_first() else {
            return Err(failed("there is no command"));
        };
        let printed = Printed::default();
        let command = Command::new(program)
            .args(args)
            .env("DROVER_SOCKET", socket)
            .env("DROVER_TOKEN", token)
            // Without a value it counts as absent, which every start checks.
            .env("DROVER_WATCHDOG_MS", "");
        // It is only started and ended here: ready at once, never again.
        let start = StartPolicy { min_uptime: Duration::ZERO, ..Default::default() };
        let mut master = Master::builder(APP, command)
            .workers(1)
            .protocol(Protocol::None)
            .start_policy(start)
            .restart_policy(RestartPolicy::new(RestartWhen::Never))
            .output_sink(printed.clone());
        if settings.has_listener {
            master = master.listen(LISTENER, "127.0.0.1:0");
        }
        let master =
            master.build().map_err(|error| failed(format!("the worker can't be started: {error}")))?;
        let events = master.events();
        // What comes of it is told by the events.
        drop(master.start());
        Ok(Self { master, events, exit: None, is_socket_shut: false, printed })
    }

    /// Waits for its end.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub(super) async fn ended(&mut self) -> &Exit {
        while self.exit.is_none() {
            self.look().await;
        }
        self.exit.as_ref().expect("the loop ends with it")
    }

    /// Waits for the next event. Of so few none is forgotten.
    async fn look(&mut self) {
        let Ok(event) = self.events.next().await else { return };
        match &event.kind {
            EventKind::Exited { exit } => self.exit = Some(exit.as_ref().clone()),
            EventKind::SocketRenewed { .. } => self.is_socket_shut = true,
            _ => {}
        }
    }

    /// Whether its socket is shut down within this time. A client does not tell: the master listens again at once.
    pub(super) async fn shuts_socket(&mut self, within: Duration) -> bool {
        let shut = async {
            while !self.is_socket_shut {
                self.look().await;
            }
        };
        tokio::time::timeout(within, shut).await.is_ok()
    }

    /// The process that was started; none once it is gone. It may have connected before it is known here.
    pub(super) async fn pid(&mut self) -> Option<u32> {
        loop {
            let pid = self.master.snapshot().workers.iter().find_map(|worker| worker.pid);
            if pid.is_some() || self.exit.is_some() {
                return pid;
            }
            self.look().await;
        }
    }

    /// Where its socket listens.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.master.listener_addr(LISTENER)
    }

    /// Whether a line that it printed on either stream contains this.
    pub(super) fn has_printed(&self, text: &str) -> bool {
        let last_words = self.exit.iter().flat_map(|exit| &exit.stderr_tail);
        self.printed.lock().iter().chain(last_words).any(|line| line.contains(text))
    }

    /// The last lines it printed.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.printed.lock().iter().cloned().collect();
        // The evidence of its end is there with it; the same lines may still be on their way here.
        for line in self.exit.iter().flat_map(|exit| &exit.stderr_tail) {
            if !lines.contains(line) {
                lines.push(line.clone());
            }
        }
        lines.split_off(lines.len().saturating_sub(SHOWN))
    }

    /// Ends it by SIGKILL with all that it has started, and waits until that is gone.
    pub(super) async fn end(self) {
        // A process that can't be killed is the kernel's matter; the wait for it has an end.
        let _ = tokio::time::timeout(KILLED, self.master.kill()).await;
    }
}

/// What it prints, the last of it.
#[derive(Debug, Clone, Default)]
struct Printed(Arc<Mutex<VecDeque<String>>>);

impl Printed {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutputSink for Printed {
    fn take<'a>(&'a self, line: Line<'a>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let mut lines = self.lock();
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(String::from_utf8_lossy(line.bytes).into_owned());
        Box::pin(std::future::ready(()))
    }
}
