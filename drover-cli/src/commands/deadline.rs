//! The time that a verb has.

use std::time::Duration;

/// A verb that takes longer than this says what it waits for. Most are done by then.
pub(super) const SOON: Duration = Duration::from_secs(3);

/// Waits for a time to pass; without one, for ever.
pub(super) async fn passed(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
