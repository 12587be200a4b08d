//! How many workers served at once, by their own notes. No master is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::notes::Life;
use crate::harness::is_running;

/// What the notes show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// Those that serve at the end, by their pid, each with its slot.
    pub serving: BTreeMap<u32, u32>,
    /// The fewest that ever served at once since the trial began.
    pub fewest: Option<u32>,
    /// Each time at which fewer served than had to.
    pub shortfalls: Vec<Shortfall>,
    /// Those whom the trial killed.
    pub killed: Vec<u32>,
    /// How many crashed that had never served.
    pub crashes: u32,
    /// The latest generation that ever served.
    pub generation: u64,
    /// Those of that generation that serve at the end.
    pub renewed: BTreeSet<u32>,
    /// On which port they listen.
    pub port: Option<u16>,
}

/// Fewer served than had to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// How many served.
    pub serving: u32,
    /// How many had to.
    pub floor: u32,
    /// After which line.
    pub after: Life,
}

impl Observation {
    /// Replays the notes.
    pub fn of(lives: &[Life]) -> Self {
        let mut seen = Self::default();
        // None before the trial begins.
        let mut floor = None;
        for life in lives {
            match *life {
                Life::Serves { pid, slot, port, generation } => {
                    seen.serving.insert(pid, slot);
                    seen.port = Some(port);
                    seen.is_of(pid, generation);
                }
                // One that was killed may have been about to leave.
                Life::Ceases { pid } => seen.serves_no_more(pid),
                Life::Killed { pid } => {
                    seen.serves_no_more(pid);
                    seen.killed.push(pid);
                }
                Life::Begins { .. } | Life::Ends { .. } => {}
                Life::Crashes { .. } => seen.crashes += 1,
                Life::Floor(count) => floor = Some(count),
            }
            let serving = u32::try_from(seen.serving.len()).unwrap_or(u32::MAX);
            let Some(floor) = floor else { continue };
            seen.fewest = Some(seen.fewest.map_or(serving, |fewest| fewest.min(serving)));
            if serving < floor {
                seen.shortfalls.push(Shortfall { serving, floor, after: *life });
            }
        }
        seen
    }

    fn is_of(&mut self, pid: u32, generation: u64) {
        if generation > self.generation {
            self.generation = generation;
            self.renewed.clear();
        }
        if generation == self.generation {
            self.renewed.insert(pid);
        }
    }

    fn serves_no_more(&mut self, pid: u32) {
        self.serving.remove(&pid);
        self.renewed.remove(&pid);
    }

    /// Those that noted no end and are gone nevertheless: they crashed, or were killed by somebody else.
    pub fn vanished(&self) -> Vec<u32> {
        self.serving.keys().copied().filter(|pid| !is_running(*pid)).collect()
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { serving, floor, after } = self;
        write!(f, "{serving} served and {floor} had to, after {after:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn serves(pid: u32) -> Life {
        Life::Serves { pid, slot: pid, port: 80, generation: 1 }
    }

    #[test]
    fn fewer_than_had_to_serve_are_seen_at_each_line() {
        let seen =
            Observation::of(&[serves(1), serves(2), Life::Floor(2), serves(3), Life::Ceases { pid: 1 }]);
        assert_eq!((seen.fewest, seen.shortfalls, seen.port), (Some(2), vec![], Some(80)));
        assert_eq!(seen.serving.into_keys().collect::<Vec<_>>(), [2, 3]);

        let seen =
            Observation::of(&[serves(1), serves(2), Life::Floor(2), Life::Ceases { pid: 1 }, serves(3)]);
        let after = Life::Ceases { pid: 1 };
        assert_eq!(
            (seen.fewest, seen.shortfalls),
            (Some(1), vec![Shortfall { serving: 1, floor: 2, after }])
        );
    }

    #[test]
    fn a_worker_that_rests_does_not_serve_until_it_says_so_again() {
        let rest = [Life::Floor(1), Life::Ceases { pid: 1 }];
        let seen = Observation::of(&[&[serves(1), serves(2)][..], &rest].concat());
        assert_eq!(seen.serving.keys().collect::<Vec<_>>(), [&2]);
        let seen = Observation::of(&[&[serves(1), serves(2)][..], &rest, &[serves(1)]].concat());
        assert_eq!((seen.serving.len(), seen.fewest), (2, Some(1)));
    }

    #[test]
    fn who_serves_of_the_latest_generation_is_renewed() {
        let next = |pid| Life::Serves { pid, slot: pid, port: 80, generation: 2 };
        let seen = Observation::of(&[serves(1), serves(2), next(3), Life::Ceases { pid: 1 }, serves(4)]);
        assert_eq!((seen.generation, seen.renewed.into_iter().collect()), (2, vec![3]));
        let seen = Observation::of(&[serves(1), next(3), next(4), Life::Ceases { pid: 3 }]);
        assert_eq!((seen.serving.len(), seen.renewed.into_iter().collect()), (2, vec![4]));
    }

    #[test]
    fn a_floor_holds_from_its_line_on_and_a_killed_worker_serves_no_more() {
        let lives = [serves(1), serves(2), Life::Floor(1), Life::Killed { pid: 2 }, Life::Floor(2)];
        let seen = Observation::of(&lives);
        assert_eq!((seen.fewest, seen.killed.clone()), (Some(1), vec![2]));
        assert_eq!(seen.shortfalls, [Shortfall { serving: 1, floor: 2, after: Life::Floor(2) }]);
    }

    #[test]
    fn who_is_gone_without_a_note_has_vanished() {
        let own = std::process::id();
        // No process has this one: the kernel's limit is 2^22.
        let seen = Observation::of(&[serves(own), serves(u32::MAX >> 1)]);
        assert_eq!(seen.vanished(), [u32::MAX >> 1]);
    }
}
