//! Waiting, with a deadline that only a fault can miss.

use std::time::{Duration, Instant};

/// How long a test waits for what has to come. Nothing takes this long, however loaded the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often is looked again where no event can be awaited.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The moment at which patience ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn new() -> Self {
        Self::after(PATIENCE)
    }

    #[expect(clippy::disallowed_methods, reason = "a test waits in real time")]
    pub(super) fn after(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    /// What is left; none when it has passed.
    #[expect(clippy::disallowed_methods, reason = "a test waits in real time")]
    pub(crate) fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

/// Looks until `look` finds something, for what no event tells.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::new();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(deadline.left().is_some(), "{what}: not within {PATIENCE:?}");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}
