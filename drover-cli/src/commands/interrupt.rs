//! Ctrl-C to a verb that waits.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, from the moment this is made: none is lost between two waits.
#[derive(Debug)]
pub(super) struct Interrupt(Option<Signal>);

impl Interrupt {
    pub(super) fn new() -> Self {
        // Without a handler the signal ends the process, which is what it is for.
        Self(signal(SignalKind::interrupt()).ok())
    }

    /// Waits for it.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub(super) async fn pressed(&mut self) {
        let received = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if received.is_none() {
            std::future::pending().await
        }
    }
}
