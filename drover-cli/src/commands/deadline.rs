//! The time that a verb has.

use std::time::Duration;

/// Waits for a time to pass; without one, for ever.
pub(super) async fn passed(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
