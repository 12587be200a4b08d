//! How many lines of each app its files have not got, nor the journal, over the lives of its workers, of its thread, and of masters.

use std::sync::{Arc, OnceLock};

use crate::keeper::{AppTallies, Tallies, Tally};

/// Those of this process: the threads that write belong to it, not to one supervisor.
static LOST: OnceLock<Tallies> = OnceLock::new();

/// Who has not got a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LostBy {
    Files,
    Journal,
}

impl LostBy {
    const fn tally(self) -> Tally {
        match self {
            Self::Files => Tally::LostByFiles,
            Self::Journal => Tally::LostByJournal,
        }
    }
}

/// The count of one app. A clone is the same.
#[derive(Debug, Clone)]
pub(super) struct LostLines {
    counts: AppTallies,
    by: LostBy,
}

impl LostLines {
    /// That of this app.
    pub(super) fn of(app: &Arc<str>, by: LostBy) -> Self {
        Self { counts: LOST.get_or_init(Tallies::default).of(app), by }
    }

    pub(super) fn add(&self, lines: u64) {
        self.counts.add(self.by.tally(), lines);
    }
}

/// Has lost lines counted by these from now on. The first time before anything is written; what is said later changes nothing.
pub(super) fn count_lost_by(tallies: Tallies) {
    let _ = LOST.set(tallies);
}

/// How many lines of an app somebody has not got who should have.
#[cfg(any(feature = "http", test))]
pub(crate) fn lost_lines(app: &str, by: LostBy) -> u64 {
    LOST.get_or_init(Tallies::default).of(&app.into()).read(by.tally())
}
