//! The last of what workers printed, kept for those who ask later.
//!
//! Lines that were read at once are kept as one piece, or as several, where a keeper holds the memory. Each slot has a
//! share of its own, so that none pushes out another's, and what a slot printed outlives it. Readers pull, each with its own place, as in
//! the event log.

mod left;
mod memory;
mod record;
mod ring;
mod stream;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use self::memory::{Laid, PieceChunks};
use self::ring::Rings;
pub(crate) use self::stream::{LogNext, LogStream};
pub(crate) use self::worker::WorkerLog;
use super::Stream;
use crate::feed::Feed;
use crate::ids::{Generation, SlotIndex, WorkerId};
use crate::keeper::{Tallies, Tally};

/// Who printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Printer {
    pub slot: SlotIndex,
    pub generation: Generation,
    pub worker: WorkerId,
    pub pid: u32,
}

/// Lines that were read at once.
#[derive(Debug)]
pub(crate) struct Piece {
    pub app: Arc<str>,
    pub from: Printer,
    pub stream: Stream,
    pub time: SystemTime,
    /// The place among the pieces of all apps.
    order: u64,
    /// The number of its first line among all lines of the app, from 0.
    first: u64,
    count: u64,
    /// The lines, with a line's end between two.
    text: Bytes,
    /// Where they outlive this process.
    chunks: PieceChunks,
}

impl Piece {
    /// Its lines, without their ends.
    pub(crate) fn lines(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.text.split(|byte| *byte == b'\n')
    }

    /// How many lines it has.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }
}

/// What was counted of an app's output.
#[cfg(any(feature = "http", test))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LogCounts {
    pub lines: u64,
    /// With the lines' ends.
    pub bytes: u64,
    /// How many lines were gone before a reader came to them; each reader counts.
    pub missed: u64,
}

/// The last of the output of all apps that share it. A clone is the same log.
#[derive(Debug, Clone)]
pub(crate) struct OutputLog {
    feed: Arc<Feed<Rings>>,
}

impl OutputLog {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self::counted_by(Tallies::default())
    }

    /// An empty one, of which these count what comes.
    pub(super) fn counted_by(tallies: Tallies) -> Self {
        let feed: Arc<Feed<Rings>> = Arc::default();
        feed.lock().tallies = tallies;
        Self { feed }
    }

    /// Where the output of an app is kept from now on. One that has a place keeps it, whatever is made anew of it.
    pub(crate) fn of(&self, app: &str) -> AppLog {
        let app: Arc<str> = app.into();
        let ring = self.feed.lock().ring_of(&app);
        AppLog { feed: Arc::clone(&self.feed), app, ring }
    }

    /// The app is gone, and what it printed goes with it; what is left of it keeps nothing any more.
    pub(crate) fn forget(&self, app: &str) {
        let gone = self.feed.lock().forget(app);
        // Not while others wait: to give memory back takes its time.
        drop(gone);
    }

    /// The slots of an app of which something is kept, also of those that it has no more.
    pub(crate) fn slots(&self, app: &str) -> Vec<SlotIndex> {
        self.feed.lock().rings.get(app).map_or_else(Vec::new, |ring| ring.slots().collect())
    }

    /// How much an app has printed so far, all its workers.
    #[cfg(any(feature = "http", test))]
    pub(crate) fn counts(&self, app: &str) -> LogCounts {
        let kept = self.feed.lock();
        kept.rings.get(app).map_or_else(LogCounts::default, |ring| LogCounts {
            lines: ring.counts.read(Tally::LogLines),
            bytes: ring.counts.read(Tally::LogBytes),
            missed: ring.counts.read(Tally::LogMissed),
        })
    }

    /// A reader of these apps that begins with the oldest line that is kept.
    pub(crate) fn read(&self, apps: impl IntoIterator<Item = Arc<str>>) -> LogStream {
        LogStream::new(self.feed.reader(), apps.into_iter())
    }
}

/// Where the output of one app is kept. A clone is the same place.
#[derive(Debug, Clone)]
pub(crate) struct AppLog {
    feed: Arc<Feed<Rings>>,
    app: Arc<str>,
    ring: u64,
}

impl AppLog {
    /// What this worker has printed last to stderr, oldest first, so many pieces at most.
    pub(crate) fn last_errors_of(&self, from: Printer, most: usize) -> Vec<Arc<Piece>> {
        let kept = self.feed.lock();
        let Some(ring) = kept.rings.get(&self.app) else { return Vec::new() };
        if !ring.reached.contains_key(&from) {
            return Vec::new();
        }
        // Others of the slot may have printed in between.
        let own =
            ring.newest_of(from.slot).filter(|piece| piece.from == from && piece.stream == Stream::Stderr);
        let mut last: Vec<_> = own.take(most).map(Arc::clone).collect();
        last.reverse();
        last
    }

    /// Keeps a piece as the app's next, unless the app is gone: another one may have its name.
    fn push(&self, piece: NewPiece) {
        let NewPiece { from, stream, time, order, count, text, laid } = piece;
        let mut kept = self.feed.lock();
        let Rings { memory, rings, .. } = &*kept;
        let Some(ring) = rings.get(&self.app).filter(|ring| ring.number == self.ring) else { return };
        let chunks = match (laid, memory) {
            (Some(laid), Some(memory)) => laid.commit(memory),
            _ => PieceChunks::None,
        };
        ring.counts.add(Tally::LogLines, count);
        ring.counts.add(Tally::LogBytes, text.len() as u64 + 1);
        let (app, first) = (Arc::clone(&self.app), ring.lines);
        let gone = kept.push(Piece { app, from, stream, time, order, first, count, text, chunks });
        drop(kept);
        self.feed.announce(order);
        // Not while others wait: to give memory back takes its time.
        drop(gone);
    }
}

/// A piece that is not kept yet.
#[derive(Debug)]
struct NewPiece {
    from: Printer,
    stream: Stream,
    time: SystemTime,
    order: u64,
    count: u64,
    text: Bytes,
    /// It lies in memory that outlives this process.
    laid: Option<Laid>,
}
