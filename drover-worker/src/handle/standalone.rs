//! A worker without a master: signals take its place.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::lifecycle::request::{QuitRequest, StopCause, StopRequest};
use crate::link::shared::Shared;
use crate::sys;

/// What follows the first signal so soon is the same wish: a Ctrl-C of the terminal, passed on once more by a wrapper (`npm`). As the
/// master's own.
const SAME_WISH: Duration = Duration::from_millis(500);

/// SIGINT and SIGTERM of this process.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Installs the handlers; they stay for the life of the process.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The first signal asks the worker to stop, the second ends the process.
    pub(crate) async fn obey(mut self, worker: Arc<Shared>) {
        let (name, _) = self.next().await;
        tracing::info!(target: "drover::worker", signal = name, "asked to stop; once more ends at once");
        let stop = StopRequest { deadline: None, cause: StopCause::Signal };
        worker.change(stop, QuitRequest { deadline: None }, |lifecycle| lifecycle.signalled());
        let asked = Instant::now();
        let (name, code) = loop {
            let next = self.next().await;
            if asked.elapsed() >= SAME_WISH {
                break next;
            }
        };
        tracing::warn!(target: "drover::worker", signal = name, code, "second signal: ending at once");
        sys::exit_now(code);
    }

    /// The next signal: its name, and the exit code of a process that dies of it.
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.interrupt.recv() => ("SIGINT", 128 + libc::SIGINT),
            _ = self.terminate.recv() => ("SIGTERM", 128 + libc::SIGTERM),
        }
    }
}
