//! Connections of processes that are no worker: told at once, and then counted. A stranger may make as many as he likes, and what
//! happened to workers must not go under in them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Driver;
use crate::machine::fleet::{EventKind, FleetEvent};

/// The pause between two events.
const PAUSE: Duration = Duration::from_secs(10);

/// What was refused and not told yet.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    told: Option<Instant>,
    /// Why the last one was refused, and how many were.
    untold: Option<(Arc<str>, u64)>,
}

impl Strangers {
    fn refused(&mut self, trouble: Arc<str>) {
        let times = self.untold.take().map_or(0, |(_, times)| times);
        self.untold = Some((trouble, times + 1));
    }

    /// When [`due`](Self::due) has something to tell.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.untold.as_ref().and(self.told).map(|told| told + PAUSE)
    }

    fn due(&mut self, now: Instant) -> Option<(Arc<str>, u64)> {
        if self.told.is_some_and(|told| now < told + PAUSE) {
            return None;
        }
        let untold = self.untold.take()?;
        self.told = Some(now);
        Some(untold)
    }
}

impl Driver {
    pub(super) fn stranger_refused(&mut self, trouble: Arc<str>) {
        self.strangers.refused(trouble);
    }

    /// Tells what is due.
    pub(super) fn tell_strangers(&mut self, now: Instant) {
        let Some((trouble, times)) = self.strangers.due(now) else { return };
        let kind = EventKind::StrangersRefused { trouble, times };
        tracing::warn!(target: "drover::protocol", app = &*self.app, "refused {}", kind.detail());
        let event = FleetEvent { worker: None, phase: self.fleet.status().phase, kind };
        self.publish(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::origin;

    #[test]
    fn the_first_is_told_at_once_and_the_rest_as_a_count_after_a_pause() {
        let (mut strangers, now) = (Strangers::default(), origin());
        strangers.refused("a".into());
        assert_eq!(strangers.due(now), Some(("a".into(), 1)));
        assert_eq!(strangers.deadline(), None);
        for _ in 0..130_000 {
            strangers.refused("b".into());
        }
        assert_eq!(strangers.due(now + PAUSE / 2), None);
        assert_eq!(strangers.deadline(), Some(now + PAUSE));
        assert_eq!(strangers.due(now + PAUSE), Some(("b".into(), 130_000)));
        assert_eq!((strangers.deadline(), strangers.due(now + PAUSE * 9)), (None, None));
    }
}
