//! The time that a verb has.

use std::time::Duration;

/// What takes longer than this is told of. Most of what is asked for is done by then.
pub(super) const SOON: Duration = Duration::from_secs(3);

/// Waits for a time to pass; without one, for ever.
pub(super) async fn passed(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
