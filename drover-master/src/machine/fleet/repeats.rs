//! What a worker can make happen as often as it likes: told the first times, then from time to time, with a count. A worker that
//! connects again and again would push what happened to all others out of the log.

use std::primitive::str as Text;
use std::time::{Duration, Instant};

use super::{EventKind, Fleet};
use crate::ids::WorkerId;
use crate::machine::phase::Phase;

/// How many of a kind are told one by one.
const AT_ONCE: u32 = 8;

/// How often one of that kind is told then.
const PAUSE: Duration = Duration::from_secs(10);

/// What one worker has repeated. One row for each kind, of which there are few.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Repeats {
    rows: Vec<Repeat>,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Repeat {
    #[serde(with = "crate::written")]
    what: &'static Text,
    left: u32,
    #[serde(with = "crate::written")]
    told: Instant,
    untold: u64,
}

impl Repeats {
    /// How many were not told since the last one that was; `None`: this one is not told either.
    fn take(&mut self, now: Instant, what: &'static str) -> Option<u64> {
        let row = match self.rows.iter().position(|row| row.what == what) {
            Some(at) => &mut self.rows[at],
            None => {
                self.rows.push(Repeat { what, left: AT_ONCE, told: now, untold: 0 });
                self.rows.last_mut()?
            }
        };
        let since = now.saturating_duration_since(row.told);
        if since >= PAUSE * AT_ONCE {
            row.left = AT_ONCE;
        } else if since >= PAUSE {
            row.left = row.left.max(1);
        }
        if row.left == 0 {
            row.untold += 1;
            return None;
        }
        row.left -= 1;
        row.told = now;
        Some(std::mem::take(&mut row.untold))
    }
}

impl Fleet {
    pub(super) fn publish_fact(&mut self, now: Instant, id: WorkerId, phase: Phase, kind: EventKind) {
        let is_up_to_it = matches!(
            kind,
            EventKind::Handshaken | EventKind::Disconnected | EventKind::HandshakeRefused { .. }
        );
        if is_up_to_it {
            let what = kind.name(phase);
            match self.repeats.entry(id).or_default().take(now, what) {
                None => return,
                Some(0) => {}
                Some(times) => self.publish_worker(id, phase, EventKind::Repeated { what, times }),
            }
        }
        self.publish_worker(id, phase, kind);
    }

    /// Tells what was not told yet of a worker that ends.
    pub(super) fn publish_repeated(&mut self, id: WorkerId) {
        let phase = self.phase_of(id);
        for row in self.repeats.remove(&id).map_or_else(Vec::new, |repeats| repeats.rows) {
            if row.untold > 0 {
                self.publish_worker(id, phase, EventKind::Repeated { what: row.what, times: row.untold });
            }
        }
    }
}

#[cfg(test)]
impl Fleet {
    /// Messages out of order that no event tells, because their worker had said the same before.
    pub const fn repeated(&self) -> u64 {
        self.repeated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::origin;

    #[test]
    fn what_a_worker_repeats_is_told_the_first_times_and_then_counted() {
        let (mut repeats, now) = (Repeats::default(), origin());
        let mut told =
            |at, count: u32| (0..count).filter_map(|_| repeats.take(at, "disconnected")).collect::<Vec<_>>();
        assert_eq!(told(now, 5000), [0; AT_ONCE as usize]);
        assert_eq!(told(now + PAUSE, 100), [4992]);
        let after_a_pause = told(now + PAUSE * 20, 100);
        assert_eq!((after_a_pause.len(), after_a_pause[0]), (AT_ONCE as usize, 99));
        assert_eq!(repeats.take(now + PAUSE * 20, "handshaken"), Some(0), "each kind for itself");
    }
}
