//! `drover conform stand-in`: a worker that lets somebody else speak for it.

use std::time::Duration;

use drover_worker::MessageBus;
use tokio::signal::unix::{SignalKind, signal};

/// How long it waits for somebody to speak for it, before it lives a life of its own: an app of stand-ins starts and ends as
/// any other. Shorter, and a case on a busy machine comes too late.
const GRACE: Duration = Duration::from_secs(3);

/// Runs it to its end.
///
/// # Errors
///
/// There is no master, or no signals.
pub async fn stand_in() -> Result<(), Box<dyn std::error::Error>> {
    // SIGUSR1 last: who sees that it is caught knows that the other is too.
    let mut release = signal(SignalKind::user_defined2())?;
    let mut hold = signal(SignalKind::user_defined1())?;
    tokio::select! {
        _ = hold.recv() => {
            release.recv().await;
            return Ok(());
        }
        () = tokio::time::sleep(GRACE) => {}
    }
    let bus = MessageBus::connect().await?;
    if bus.is_standalone() {
        return Err("a stand-in is started by a master, as the command of the app under test".into());
    }
    bus.started().await?;
    bus.stop_requested().await;
    bus.stopped().await?;
    bus.quit_requested().await;
    bus.shut_down().await?;
    Ok(())
}
