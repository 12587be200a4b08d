//! The last of what workers printed, kept for those who ask later.
//!
//! Lines are kept in the pieces that they were read in: a chatty worker costs one allocation for many lines. Each app has a
//! ring of its own, so that none pushes out another's. Readers pull, each with its own place, as in the event log.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use super::Stream;
use super::lines::LinePart;
use crate::feed::{Feed, FeedReader};
use crate::machine::ids::{SlotIndex, WorkerId};

/// How many bytes of an app's output are kept: some ten thousand lines, and less than a worker costs. What is older is in
/// whatever the master's own output goes to.
const KEPT: usize = 1024 * 1024;

/// What a piece costs besides its text.
const OVERHEAD: usize = size_of::<Piece>() + 64;

/// Who printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Printer {
    pub slot: SlotIndex,
    pub worker: WorkerId,
    pub stream: Stream,
}

/// Lines that were read at once.
#[derive(Debug)]
pub(crate) struct Piece {
    pub app: Arc<str>,
    pub from: Printer,
    pub time: SystemTime,
    /// The place among the pieces of all apps.
    order: u64,
    /// The number of its first line among all lines of the app, from 0.
    first: u64,
    count: u64,
    /// The lines, with a line's end between two.
    text: Vec<u8>,
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

/// The last of the output of all apps that share it. A clone is the same log.
#[derive(Debug, Clone)]
pub(crate) struct OutputLog {
    feed: Arc<Feed<Rings>>,
}

#[derive(Debug, Default)]
struct Rings {
    /// Of every app that there is.
    rings: BTreeMap<Arc<str>, Ring>,
    order: u64,
    /// How many rings there ever were.
    rings_made: u64,
}

#[derive(Debug)]
struct Ring {
    /// Tells it from that of an earlier app of the same name.
    number: u64,
    pieces: VecDeque<Arc<Piece>>,
    size: usize,
    /// How many lines there ever were.
    lines: u64,
}

impl OutputLog {
    pub(crate) fn new() -> Self {
        Self { feed: Arc::default() }
    }

    /// Where the output of an app is kept from now on. One that has a place keeps it, whatever is made anew of it.
    pub(crate) fn of(&self, app: &str) -> AppLog {
        let app: Arc<str> = app.into();
        let mut kept = self.feed.lock();
        let new = kept.rings_made + 1;
        let ring = kept.rings.entry(Arc::clone(&app)).or_insert_with(|| Ring::new(new));
        let ring = ring.number;
        kept.rings_made = new.max(kept.rings_made);
        AppLog { feed: Arc::clone(&self.feed), app, ring }
    }

    /// The app is gone, and what it printed goes with it; what is left of it keeps nothing any more.
    pub(crate) fn forget(&self, app: &str) {
        self.feed.lock().rings.remove(app);
    }

    /// A reader of these apps that begins with the oldest line that is kept.
    pub(crate) fn read(&self, apps: impl IntoIterator<Item = Arc<str>>) -> LogStream {
        let places = apps.into_iter().map(|app| (app, None)).collect();
        LogStream { reader: self.feed.reader(), places: LogPlaces(places) }
    }
}

impl Ring {
    fn new(number: u64) -> Self {
        Self { number, pieces: VecDeque::new(), size: 0, lines: 0 }
    }

    fn push(&mut self, piece: Piece) {
        self.lines += piece.count;
        self.size += piece.text.len() + OVERHEAD;
        self.pieces.push_back(Arc::new(piece));
        while self.size > KEPT
            && let Some(oldest) = self.pieces.pop_front()
        {
            self.size -= oldest.text.len() + OVERHEAD;
        }
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
    /// Keeps lines that were read at once, as they are shown to people.
    pub(super) fn keep(&self, from: Printer, lines: &[LinePart]) {
        if lines.is_empty() {
            return;
        }
        let text = lines.iter().map(LinePart::shown).collect::<Vec<_>>().join(&b'\n');
        let mut kept = self.feed.lock();
        let order = kept.order + 1;
        // The app may be gone, and another one have its name.
        let Some(ring) = kept.rings.get_mut(&self.app).filter(|ring| ring.number == self.ring) else {
            return;
        };
        let count = lines.len() as u64;
        let (app, time) = (Arc::clone(&self.app), SystemTime::now());
        ring.push(Piece { app, from, time, order, first: ring.lines, count, text });
        kept.order = order;
        drop(kept);
        self.feed.announce(order);
    }
}

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
}

/// What a reader finds.
#[derive(Debug, Clone)]
pub(crate) enum LogNext {
    Piece(Arc<Piece>),
    /// This many lines were gone before they were read.
    Missed(u64),
}

impl LogStream {
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
            let first_kept = ring.pieces.front().map_or(ring.lines, |piece| piece.first);
            // Of another app by this name, everything that is kept is new.
            let next = match *place {
                Some(LogPlace { ring: number, next }) if number == ring.number => next,
                _ => first_kept,
            };
            *place = Some(LogPlace { ring: ring.number, next: next.max(first_kept) });
            if next < first_kept {
                return Some(LogNext::Missed(first_kept - next));
            }
            let begun = ring.pieces.partition_point(|piece| piece.first < next);
            if let Some(piece) = ring.pieces.get(begun)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn printer(slot: u32) -> Printer {
        Printer { slot: SlotIndex(slot), worker: WorkerId(1), stream: Stream::Stdout }
    }

    fn keep(log: &OutputLog, app: &str, lines: &[&str]) {
        keep_in(&log.of(app), lines);
    }

    fn keep_in(log: &AppLog, lines: &[&str]) {
        let part = |line: &&str| LinePart { bytes: line.as_bytes().to_vec(), goes_on: false };
        log.keep(printer(0), &lines.iter().map(part).collect::<Vec<_>>());
    }

    fn read(stream: &mut LogStream) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(next) = stream.try_next() {
            match next {
                LogNext::Piece(piece) => {
                    lines.extend(piece.lines().map(|line| String::from_utf8_lossy(line).into_owned()));
                }
                LogNext::Missed(count) => lines.push(format!("<{count} missed>")),
            }
        }
        lines
    }

    #[test]
    fn readers_get_the_lines_of_their_apps_in_the_order_they_came() {
        let log = OutputLog::new();
        keep(&log, "web", &["one", "", "two"]);
        keep(&log, "db", &["three"]);
        keep(&log, "web", &["four"]);
        let (mut both, mut db) = (log.read(["web".into(), "db".into()]), log.read(["db".into()]));
        assert_eq!(read(&mut both), ["one", "", "two", "three", "four"]);
        assert_eq!(read(&mut db), ["three"]);
        keep(&log, "db", &["five"]);
        assert_eq!((read(&mut both), read(&mut db)), (vec!["five".to_owned()], vec!["five".to_owned()]));
    }

    #[test]
    fn a_chatty_app_pushes_out_its_own_lines_and_slow_readers_are_told() {
        let log = OutputLog::new();
        keep(&log, "quiet", &["still here"]);
        keep(&log, "chatty", &["first"]);
        let mut slow = log.read(["chatty".into()]);
        assert_eq!(read(&mut slow), ["first"]);
        let long = "x".repeat(10_000);
        for _ in 0..500 {
            keep(&log, "chatty", &[&long, &long]);
        }
        assert!(log.feed.lock().rings["chatty"].size <= KEPT);
        let lines = read(&mut slow);
        let missed: usize = lines[0].trim_matches(['<', '>']).split(' ').next().unwrap().parse().unwrap();
        assert_eq!(missed + lines.len() - 1, 1000, "every line is read or counted");
        assert_eq!(read(&mut log.read(["quiet".into()])), ["still here"]);
        let fresh = read(&mut log.read(["chatty".into()]));
        assert_eq!(
            fresh.len(),
            lines.len() - 1,
            "who comes late has missed nothing of what it could have had"
        );
    }

    #[test]
    fn the_output_of_an_app_goes_with_it() {
        let log = OutputLog::new();
        let (first, other) = (log.of("web"), log.of("db"));
        keep_in(&first, &["of the first", "of it too"]);
        keep_in(&other, &["of another"]);
        let mut reader = log.read(["web".into(), "db".into()]);
        assert_eq!(read(&mut reader), ["of the first", "of it too", "of another"]);
        log.forget("web");
        // A process that it left behind prints on.
        keep_in(&first, &["late"]);
        assert!(read(&mut log.read(["web".into()])).is_empty() && log.feed.lock().rings.len() == 1);
        let second = log.of("web");
        keep_in(&first, &["later"]);
        keep_in(&second, &["of the second"]);
        // What is made anew of an app goes on where it was.
        keep_in(&log.of("web"), &["restarted"]);
        for reader in [&mut reader, &mut log.read(["web".into()])] {
            assert_eq!(read(reader), ["of the second", "restarted"]);
        }
    }

    #[tokio::test]
    async fn a_reader_waits_for_what_is_not_there_yet() {
        let log = OutputLog::new();
        let mut stream = log.read(["web".into()]);
        let waiting = tokio::spawn(async move { stream.next().await });
        tokio::task::yield_now().await;
        keep(&log, "web", &["at last"]);
        let LogNext::Piece(piece) = waiting.await.unwrap() else { panic!("missed nothing") };
        assert_eq!(piece.lines().collect::<Vec<_>>(), [b"at last"]);
    }
}
