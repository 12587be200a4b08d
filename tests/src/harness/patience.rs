//! Waiting, with a deadline that only a fault can miss.

use std::future::Future;
use std::time::Duration;

/// How long a test waits for what has to come. Nothing takes this long, however loaded the machine is.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often is looked again where no event can be awaited.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Awaits what has to come.
///
/// # Panics
///
/// If it does not come.
pub async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// Looks until `look` finds something, for what no event tells.
///
/// # Panics
///
/// If it never does.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    patiently(what, looking).await
}
