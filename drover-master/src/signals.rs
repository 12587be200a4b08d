//! Signals to the master's own process, made into requests at the edge.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::master::{Master, Reload};
use crate::sys::is_ignored;

/// How many signals may wait to be acted on. The kernel merges equal ones itself; three climb every rung.
const WAITING: usize = 8;

/// Which signals end the app, or reload it: opt-in, because a library installs no handler by itself.
///
/// The first signal shuts down, the second hurries, the third kills. While the app does not run they are caught and do nothing:
/// a program that waits for something else first handles them itself until then, or builds its master later.
#[derive(Debug, Clone)]
pub struct Signals {
    kinds: Vec<(SignalKind, Received)>,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// The end, at the first of them; a harder one at each further. By this name.
    End(&'static str),
    /// New workers in the place of those there are.
    Reload,
}

impl Received {
    /// Who asks for a reload.
    pub(crate) const HANGUP: &'static str = "SIGHUP";
}

impl Signals {
    /// SIGINT and SIGTERM.
    pub fn shutdown() -> Self {
        let (interrupt, terminate) = (Received::End("SIGINT"), Received::End("SIGTERM"));
        Self { kinds: vec![(SignalKind::interrupt(), interrupt), (SignalKind::terminate(), terminate)] }
    }

    /// SIGHUP ends the app too: for a program in the foreground, whose terminal may be closed. One that was started with SIGHUP ignored,
    /// by `nohup`, goes on ignoring it.
    #[must_use]
    pub fn and_hangup(self) -> Self {
        self.hangup(Received::End(Received::HANGUP))
    }

    /// SIGHUP replaces the workers of every app that runs by new ones, as [`Master::reload`] does. What came of it is told by
    /// the events; an app that refuses, because it is a oneshot, say, is left as it is. It ends nothing, in no state. A program
    /// that was started with SIGHUP ignored, by `nohup`, goes on ignoring it.
    #[must_use]
    pub fn reload_on_hangup(self) -> Self {
        self.hangup(Received::Reload)
    }

    fn hangup(mut self, means: Received) -> Self {
        self.kinds.retain(|(kind, _)| *kind != SignalKind::hangup());
        if !is_ignored(libc::SIGHUP) {
            self.kinds.push((SignalKind::hangup(), means));
        }
        self
    }

    /// Installs the handlers and hands on what each signal that comes asks for. The handlers stay for the life of the
    /// process, as tokio's do.
    pub(crate) fn listen(self) -> mpsc::Receiver<Received> {
        let (received_by, received) = mpsc::channel(WAITING);
        for (kind, means) in self.kinds {
            let mut stream = match signal(kind) {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::error!(target: "drover::master", %error, ?means, "can't handle a signal");
                    continue;
                }
            };
            let received_by = received_by.clone();
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    if received_by.send(means).await.is_err() {
                        return;
                    }
                }
            });
        }
        received
    }

    /// Ends the app at a signal, hurries an end that is under way already, or has it reloaded. Holds no handle, so that the last one can go.
    pub(crate) fn watch(self, master: &Master) {
        let mut received = self.listen();
        let master = master.downgrade();
        tokio::spawn(async move {
            while let Some(received) = received.recv().await {
                let Some(master) = master.upgrade() else { return };
                match received {
                    Received::End(name) => master.signalled(name),
                    Received::Reload => reload(&master).await,
                }
            }
        });
    }
}

/// Has an app reloaded because of a signal, if it can be. That takes no longer than the app's task needs to come to it.
pub(crate) async fn reload(master: &Master) {
    if let Err(error) = master.reload_for(Reload::new(), Received::HANGUP).admitted().await {
        tracing::warn!(target: "drover::master", %error, "SIGHUP does not reload the app");
    }
}
