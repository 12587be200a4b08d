//! Signals to the master's own process, made into requests at the edge.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::master::Master;
use crate::sys::is_ignored;

/// How many signals may wait to be acted on. The kernel merges equal ones itself; three climb every rung.
const WAITING: usize = 8;

/// Which signals end the app: opt-in, because a library installs no handler by itself.
///
/// The first signal shuts down, the second hurries, the third kills. While the app does not run they are caught and do nothing:
/// a program that waits for something else first handles them itself until then, or builds its master later.
#[derive(Debug, Clone)]
pub struct Signals {
    kinds: Vec<(SignalKind, &'static str)>,
}

impl Signals {
    /// SIGINT and SIGTERM.
    pub fn shutdown() -> Self {
        Self { kinds: vec![(SignalKind::interrupt(), "SIGINT"), (SignalKind::terminate(), "SIGTERM")] }
    }

    /// SIGHUP too: for a program in the foreground, whose terminal may be closed. One that was started with SIGHUP ignored,
    /// by `nohup`, goes on ignoring it.
    #[must_use]
    pub fn and_hangup(mut self) -> Self {
        if !is_ignored(libc::SIGHUP) {
            self.kinds.push((SignalKind::hangup(), "SIGHUP"));
        }
        self
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
                while stream.recv().await.is_some() {
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
                master.signalled(name);
            }
        });
    }
}
