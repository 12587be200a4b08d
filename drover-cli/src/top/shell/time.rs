//! The time of each input.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::top::model::Clock;

/// Clocks that begin with the view.
#[derive(Debug)]
pub(super) struct Clocks(Instant);

impl Clocks {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(&self) -> Clock {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Clock { steady: ms(self.0.elapsed()), wall: ms(wall) }
    }
}
