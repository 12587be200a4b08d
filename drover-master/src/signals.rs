//! Signals to the master's own process, made into requests at the edge.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::machine::gate::Request;
use crate::machine::phase::Phase;
use crate::master::Master;

/// How many signals may wait to be acted on. The kernel merges equal ones itself; three climb every rung.
const WAITING: usize = 8;

/// A signal that comes so soon after one before it is the same one: a wrapper such as `timeout` signals the process and then
/// its whole group, and one press of Ctrl-C is not to hurry the end it asks for.
const SAME_PRESS: Duration = Duration::from_millis(100);

/// Which signals end the app: opt-in, because a library installs no handler by itself.
///
/// The first signal shuts down, the second hurries, the third kills.
#[derive(Debug, Clone)]
pub struct Signals {
    kinds: Vec<(SignalKind, &'static str)>,
}

impl Signals {
    /// SIGINT and SIGTERM.
    pub fn shutdown() -> Self {
        Self { kinds: vec![(SignalKind::interrupt(), "SIGINT"), (SignalKind::terminate(), "SIGTERM")] }
    }

    /// Installs the handlers and hands on the name of each signal that comes. The handlers stay for the life of the
    /// process, as tokio's do.
    pub(crate) fn listen(self) -> mpsc::Receiver<&'static str> {
        let (names, received) = mpsc::channel(WAITING);
        for (kind, name) in self.kinds {
            let mut stream = match signal(kind) {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::error!(target: "drover::master", %error, name, "can't handle a signal");
                    continue;
                }
            };
            let names = names.clone();
            tokio::spawn(async move {
                let mut last: Option<Instant> = None;
                while stream.recv().await.is_some() {
                    let now = Instant::now();
                    if last.replace(now).is_some_and(|last| now.duration_since(last) < SAME_PRESS) {
                        continue;
                    }
                    if names.send(name).await.is_err() {
                        return;
                    }
                }
            });
        }
        received
    }

    /// Ends the app at a signal; hurries an end that is under way already. Holds no handle, so that the last one can go.
    pub(crate) fn watch(self, master: &Master) {
        let mut received = self.listen();
        let master = master.downgrade();
        tokio::spawn(async move {
            while let Some(name) = received.recv().await {
                let Some(master) = master.upgrade() else { return };
                let how = match master.snapshot().status.phase {
                    Phase::ShuttingDown => Request::Hurry,
                    _ => Request::Shutdown,
                };
                // The verdict goes to whoever waits for the app; here nobody does.
                drop(master.end(how, name));
            }
        });
    }
}
