//! What is counted of apps all the time, many times a second: numbers in memory that the keeper holds, so that they go on when a master dies.
//!
//! ```text
//!  row 0        row 1                              row 2
//!  ┌─────────┬──┬────────┬──────┬────────────────┬─┬─────
//!  │ version │  │ in use │ name │ a word a Tally │ │ …
//!  └─────────┴──┴────────┴──────┴────────────────┴─┴─────
//! ```
//!
//! A row is made before it is in use, so a master that dies meanwhile leaves none or a whole one.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::holds::Holds;
use crate::sys::{CHUNK, MemoryShape, SharedMemory};

/// Where they are held.
const NAME: &str = "tallies";

/// Tells that the memory is of this kind, and how it is laid out. Another layout gets another number.
const VERSION: u64 = 0x6472_7461_6c6c_0001;

/// Of a row, in words: 256 bytes.
const ROW: usize = 32;

/// How many rows there are, with the first, which no app has: more names than a supervisor has in its life. What comes after them is
/// counted, and begins anew with the next master. Only pages that were written to are there.
const ROWS: usize = WORDS / ROW;

/// 256 KiB.
const WORDS: usize = 4 * CHUNK / 8;

const SHAPE: MemoryShape = MemoryShape { words: WORDS, chunks: 0, chunk: CHUNK };

/// Words of a row.
mod row {
    /// How long the name is; 0 for none. It is set last.
    pub(super) const NAME_LENGTH: usize = 0;
    /// Zeros behind it.
    pub(super) const NAME: usize = 1;
    /// As long as a name may be.
    pub(super) const NAME_WORDS: usize = 8;
    pub(super) const FIRST_TALLY: usize = NAME + NAME_WORDS;
}

/// A number that only grows. Its place in a row is its number here: a new one comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tally {
    /// Lines that workers have printed.
    LogLines,
    /// Their bytes, with the lines' ends.
    LogBytes,
    /// Lines that were gone before a reader came to them, each reader for itself.
    LogMissed,
    /// Lines that its log files have not got.
    LostByFiles,
    /// Lines that the journal has not got.
    LostByJournal,
    /// Messages that somebody was given.
    BusDelivered,
    /// The bytes of their payloads.
    BusBytes,
    /// Messages that nobody was given.
    BusRefused,
}

/// How many there are.
const TALLIES: usize = Tally::BusRefused as usize + 1;

const _: () = assert!(row::FIRST_TALLY + TALLIES <= ROW, "a row has room for all");

/// The rows of all apps. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tallies(Arc<TallyTable>);

#[derive(Debug, Default)]
struct TallyTable {
    /// What outlives this process; none without a keeper.
    kept: Option<Arc<SharedMemory>>,
    /// Who has which row, by their names, as far as they were asked for.
    rows: Mutex<HashMap<Arc<str>, AppTallies>>,
}

/// The numbers of one app. A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct AppTallies(TallyRow);

#[derive(Debug, Clone)]
enum TallyRow {
    Own(Arc<[AtomicU64; TALLIES]>),
    Kept(Arc<SharedMemory>, usize),
}

impl Tallies {
    /// Goes on with those of an earlier master, or begins.
    pub(super) fn held_by(holds: &Holds) -> Self {
        let kept = match left(holds) {
            Some(memory) => Ok(memory),
            None => begun(),
        };
        let kept = kept.inspect_err(|error| {
            tracing::error!(target: "drover::keeper", %error, "the counts of output and messages will begin anew with the next master");
        });
        let kept = kept.ok().map(Arc::new);
        if let Some(memory) = &kept {
            holds.hold_for_good(NAME, memory.as_fd());
        }
        Self(Arc::new(TallyTable { kept, rows: Mutex::default() }))
    }

    /// The numbers of this app: where they were, if it was known before, also to an earlier master.
    pub(crate) fn of(&self, app: &Arc<str>) -> AppTallies {
        let mut rows = self.0.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let found = rows.entry(Arc::clone(app)).or_insert_with(|| {
            let kept = self.0.kept.as_ref().and_then(|memory| {
                let row = row_of(memory, app)?;
                Some(TallyRow::Kept(Arc::clone(memory), row))
            });
            AppTallies(kept.unwrap_or_else(|| TallyRow::Own(Arc::default())))
        });
        found.clone()
    }

    /// The app is gone: another one of this name begins at 0.
    pub(crate) fn forget(&self, app: &str) {
        let mut rows = self.0.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(AppTallies(TallyRow::Kept(memory, row))) = rows.remove(app) {
            memory.store(row * ROW + row::NAME_LENGTH, 0);
        }
    }
}

impl AppTallies {
    pub(crate) fn add(&self, tally: Tally, count: u64) {
        match &self.0 {
            TallyRow::Own(row) => {
                row[tally as usize].fetch_add(count, Ordering::Relaxed);
            }
            TallyRow::Kept(memory, row) => memory.add(word(*row, tally), count),
        }
    }

    pub(crate) fn read(&self, tally: Tally) -> u64 {
        match &self.0 {
            TallyRow::Own(row) => row[tally as usize].load(Ordering::Relaxed),
            TallyRow::Kept(memory, row) => memory.load(word(*row, tally)),
        }
    }
}

impl Default for AppTallies {
    fn default() -> Self {
        Self(TallyRow::Own(Arc::default()))
    }
}

fn begun() -> io::Result<SharedMemory> {
    let memory = SharedMemory::create("drover-tallies", SHAPE)?;
    memory.store(0, VERSION);
    Ok(memory)
}

/// What an earlier master has left. None: it is laid out by another version.
fn left(holds: &Holds) -> Option<SharedMemory> {
    let memory = SharedMemory::open(holds.take(NAME)?, SHAPE).ok()?;
    (memory.load(0) == VERSION).then_some(memory)
}

/// The row of an app, made where there is none. None: all are taken, or the name is longer than any that the description of an app may have.
fn row_of(memory: &SharedMemory, app: &str) -> Option<usize> {
    let name = name_words(app)?;
    let in_use = |row: &usize| memory.load(row * ROW + row::NAME_LENGTH) > 0;
    let is_its = |row: &usize| {
        memory.load(row * ROW + row::NAME_LENGTH) == app.len() as u64
            && name.iter().enumerate().all(|(at, word)| memory.load(row * ROW + row::NAME + at) == *word)
    };
    if let Some(row) = (1..ROWS).find(is_its) {
        return Some(row);
    }
    let row = (1..ROWS).find(|row| !in_use(row))?;
    for (at, word) in name.iter().enumerate() {
        memory.store(row * ROW + row::NAME + at, *word);
    }
    (row::FIRST_TALLY..ROW).for_each(|at| memory.store(row * ROW + at, 0));
    memory.store(row * ROW + row::NAME_LENGTH, app.len() as u64);
    Some(row)
}

const fn word(row: usize, tally: Tally) -> usize {
    row * ROW + row::FIRST_TALLY + tally as usize
}

fn name_words(app: &str) -> Option<[u64; row::NAME_WORDS]> {
    let mut bytes = [0; row::NAME_WORDS * 8];
    bytes.get_mut(..app.len()).filter(|room| !room.is_empty())?.copy_from_slice(app.as_bytes());
    let mut words = [0; row::NAME_WORDS];
    for (word, part) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(part.try_into().ok()?);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestKeeper;
    use super::*;

    #[test]
    fn counts_go_on_after_each_death_of_a_master() {
        let (mut keeper, mut holds) = TestKeeper::new();
        let (web, long): (Arc<str>, Arc<str>) = ("web".into(), "x".repeat(64).into());
        for round in 1..=3 {
            let tallies = holds.tallies();
            // In another order each time.
            let apps = if round == 2 { [&long, &web] } else { [&web, &long] };
            for app in apps {
                tallies.of(app).add(Tally::LogLines, app.len() as u64);
            }
            tallies.of(&web).add(Tally::BusRefused, 1);
            assert_eq!(tallies.of(&web).read(Tally::LogLines), 3 * round);
            assert_eq!(tallies.of(&web).read(Tally::BusRefused), round);
            assert_eq!(tallies.of(&long).read(Tally::LogLines), 64 * round);
            assert_eq!(tallies.of(&long).read(Tally::BusRefused), 0);
            assert_eq!(keeper.held(), [NAME]);
            holds = keeper.crash(&holds, tallies);
        }
    }

    #[test]
    fn another_app_of_the_name_of_one_that_is_gone_begins_at_zero() {
        let (mut keeper, holds) = TestKeeper::new();
        for tallies in [Tallies::default(), holds.tallies()] {
            let web = "web".into();
            tallies.of(&web).add(Tally::BusBytes, 5);
            tallies.forget("web");
            tallies.forget("never there");
            assert_eq!(tallies.of(&web).read(Tally::BusBytes), 0);
            tallies.of(&web).add(Tally::BusBytes, 2);
        }
        let holds = keeper.crash(&holds, ());
        assert_eq!(holds.tallies().of(&"web".into()).read(Tally::BusBytes), 2);
    }

    #[test]
    fn more_apps_than_there_are_rows_are_counted_as_well_and_a_row_that_is_free_is_used_again() {
        let (_keeper, holds) = TestKeeper::new();
        let tallies = holds.tallies();
        let name = |number: usize| Arc::from(format!("app-{number}"));
        for number in 0..ROWS + 5 {
            tallies.of(&name(number)).add(Tally::LogLines, number as u64);
        }
        let is_kept = |number| matches!(tallies.of(&name(number)).0, TallyRow::Kept(..));
        for number in 0..ROWS + 5 {
            assert_eq!(tallies.of(&name(number)).read(Tally::LogLines), number as u64);
            assert_eq!(is_kept(number), number < ROWS - 1);
        }
        tallies.forget("app-7");
        assert!(matches!(tallies.of(&"late".into()).0, TallyRow::Kept(..)));
        // Longer than any name may be.
        let long = tallies.of(&"x".repeat(65).into());
        long.add(Tally::LogLines, 1);
        assert_eq!(long.read(Tally::LogLines), 1);
    }

    #[test]
    fn memory_of_another_version_is_not_looked_into() {
        let (mut keeper, holds) = TestKeeper::new();
        let memory = begun().unwrap();
        memory.store(0, VERSION + 1);
        let _ = row_of(&memory, "web");
        memory.store(word(1, Tally::LogLines), 9);
        holds.hold_for_good(NAME, memory.as_fd());
        let holds = keeper.crash(&holds, memory);
        assert_eq!(holds.tallies().of(&"web".into()).read(Tally::LogLines), 0);
    }
}
