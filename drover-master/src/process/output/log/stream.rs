//! Those who read what is kept.

use std::sync::Arc;

use super::Piece;
use super::ring::Rings;
use crate::feed::FeedReader;
use crate::keeper::Tally;

/// A reader's place in the log.
#[derive(Debug)]
pub(crate) struct LogStream {
    reader: FeedReader<Rings>,
    places: LogPlaces,
}

/// In the ring of each app; none before the first look.
#[derive(Debug)]
struct LogPlaces(Vec<(Arc<str>, Option<LogPlace>)>);

/// The next line of a ring.
#[derive(Debug, Clone, Copy)]
struct LogPlace {
    /// The ring's number.
    ring: u64,
    /// The line's.
    next: u64,
    /// Gaps count as missed from this line on: whoever comes late has missed nothing of what it could not have had.
    missed_from: u64,
}

/// What a reader finds.
#[derive(Debug, Clone)]
pub(crate) enum LogNext {
    Piece(Arc<Piece>),
    /// This many lines were gone before they were read.
    Missed(u64),
}

impl LogStream {
    /// One of these apps, from the oldest line that is kept.
    pub(super) fn new(reader: FeedReader<Rings>, apps: impl Iterator<Item = Arc<str>>) -> Self {
        Self { reader, places: LogPlaces(apps.map(|app| (app, None)).collect()) }
    }

    /// The next piece, if there is one already.
    pub(crate) fn try_next(&mut self) -> Option<LogNext> {
        let Self { reader, places } = self;
        places.advance(&reader.lock())
    }

    /// The next piece; waits for one.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub(crate) async fn next(&mut self) -> LogNext {
        let Self { reader, places } = self;
        reader.next(|rings| places.advance(rings)).await
    }
}

impl LogPlaces {
    fn advance(&mut self, kept: &Rings) -> Option<LogNext> {
        let mut oldest: Option<(&mut Option<LogPlace>, &Arc<Piece>)> = None;
        for (app, place) in &mut self.0 {
            let Some(ring) = kept.rings.get(app) else { continue };
            // Of another app by this name, everything that is kept is new.
            let LogPlace { next, missed_from, .. } = match *place {
                Some(known) if known.ring == ring.number => known,
                _ => LogPlace { ring: ring.number, next: 0, missed_from: ring.lines },
            };
            let found = ring.pieces.range(next..).next().map(|(_, piece)| piece);
            let reached = found.map_or(ring.lines, |piece| piece.first).max(next);
            *place = Some(LogPlace { ring: ring.number, next: reached, missed_from });
            let missed = reached.saturating_sub(next.max(missed_from));
            if missed > 0 {
                ring.counts.add(Tally::LogMissed, missed);
                return Some(LogNext::Missed(missed));
            }
            if let Some(piece) = found
                && oldest.as_ref().is_none_or(|(_, other)| piece.order < other.order)
            {
                oldest = Some((place, piece));
            }
        }
        let (place, piece) = oldest?;
        if let Some(place) = place {
            place.next = piece.first + piece.count;
        }
        Some(LogNext::Piece(Arc::clone(piece)))
    }
}
