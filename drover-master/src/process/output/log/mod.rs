//! The last of what workers printed, kept for those who ask later.
//!
//! Lines are kept in the pieces that they were read in: a chatty worker costs one allocation for many lines. Each slot has a
//! share of its own, so that none pushes out another's, and what a slot printed outlives it. Readers pull, each with its own place, as in
//! the event log.

mod handover;
mod ring;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use self::ring::Rings;
use super::Stream;
use super::lines::LineBlock;
use crate::feed::{Feed, FeedReader};
use crate::ids::{Generation, SlotIndex, WorkerId};
use crate::keeper::{Tallies, Tally};

/// Who printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    pub(crate) fn counted_by(tallies: Tallies) -> Self {
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
        self.feed.lock().forget(app);
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
        let places = apps.into_iter().map(|app| (app, None)).collect();
        LogStream { reader: self.feed.reader(), places: LogPlaces(places) }
    }
}

/// Where the output of one app is kept. A clone is the same place.
#[derive(Debug, Clone)]
pub(crate) struct AppLog {
    feed: Arc<Feed<Rings>>,
    app: Arc<str>,
    ring: u64,
}

/// Where the output of one worker is kept.
#[derive(Debug)]
pub(crate) struct WorkerLog {
    log: AppLog,
    from: Printer,
}

impl AppLog {
    /// Where the output of one of its workers is kept.
    pub(crate) const fn by(self, from: Printer) -> WorkerLog {
        WorkerLog { log: self, from }
    }

    /// What this worker has printed last to stderr, oldest first, so many pieces at most.
    pub(crate) fn last_errors_of(&self, slot: SlotIndex, worker: WorkerId, most: usize) -> Vec<Arc<Piece>> {
        let kept = self.feed.lock();
        let Some(ring) = kept.rings.get(&self.app) else { return Vec::new() };
        // A new worker has printed nothing: the look ends at once.
        let own = ring.newest_of(slot).take_while(|piece| piece.from.worker == worker);
        let mut last: Vec<_> =
            own.filter(|piece| piece.stream == Stream::Stderr).take(most).map(Arc::clone).collect();
        last.reverse();
        last
    }

    fn keep(&self, from: Printer, stream: Stream, time: SystemTime, lines: &LineBlock) {
        self.keep_text(from, stream, time, lines.count(), lines.shown(), true);
    }

    /// What was counted before is not counted again.
    fn keep_text(
        &self,
        from: Printer,
        stream: Stream,
        time: SystemTime,
        count: u64,
        text: Bytes,
        is_new: bool,
    ) {
        let mut kept = self.feed.lock();
        let order = kept.order + 1;
        // The app may be gone, and another one have its name.
        let Some(ring) = kept.rings.get(&self.app).filter(|ring| ring.number == self.ring) else {
            return;
        };
        if is_new {
            ring.counts.add(Tally::LogLines, count);
            ring.counts.add(Tally::LogBytes, text.len() as u64 + 1);
        }
        let (app, first) = (Arc::clone(&self.app), ring.lines);
        kept.push(Piece { app, from, stream, time, order, first, count, text });
        drop(kept);
        self.feed.announce(order);
    }
}

impl WorkerLog {
    /// Keeps lines that were read at once, as they are shown to people.
    pub(super) fn keep(&self, stream: Stream, time: SystemTime, lines: &LineBlock) {
        self.log.keep(self.from, stream, time, lines);
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

#[cfg(test)]
mod tests {
    use super::ring::{KEPT, KEPT_OF_SLOT};
    use super::*;

    fn printer(slot: u32) -> Printer {
        Printer { slot: SlotIndex(slot), generation: Generation(1), worker: WorkerId(1), pid: 7 }
    }

    fn keep(log: &OutputLog, app: &str, lines: &[&str]) {
        keep_in(&log.of(app), lines);
    }

    fn keep_in(log: &AppLog, lines: &[&str]) {
        keep_of(log, 0, lines);
    }

    fn keep_of(log: &AppLog, slot: u32, lines: &[&str]) {
        log.keep(
            printer(slot),
            Stream::Stdout,
            SystemTime::now(),
            &LineBlock::whole(lines.join("\n").as_bytes()),
        );
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
        assert!(log.feed.lock().size() <= KEPT_OF_SLOT + 1000);
        let lines = read(&mut slow);
        let missed: usize = lines[0].trim_matches(['<', '>']).split(' ').next().unwrap().parse().unwrap();
        assert_eq!(missed + lines.len() - 1, 1000, "every line is read or counted");
        let counts = LogCounts { lines: 1001, bytes: 6 + 1000 * 10_001, missed: missed as u64 };
        assert_eq!(log.counts("chatty"), counts);
        assert_eq!(read(&mut log.read(["quiet".into()])), ["still here"]);
        let fresh = read(&mut log.read(["chatty".into()]));
        assert_eq!(
            fresh.len(),
            lines.len() - 1,
            "who comes late has missed nothing of what it could have had"
        );
    }

    #[test]
    fn a_chatty_worker_pushes_out_its_own_lines_and_all_together_keep_a_bound() {
        let log = OutputLog::new();
        let web = log.of("web");
        keep_of(&web, 900, &["of a slot that is gone"]);
        let mut slow = log.read(["web".into()]);
        assert_eq!(read(&mut slow).len(), 1);
        let long = "x".repeat(10_000);
        let mut written = 0;
        for slot in 0..40 {
            for _ in 0..150 {
                keep_of(&web, slot, &[&long]);
                written += 1;
            }
            keep_of(&log.of("db"), slot, &["a line of db"]);
            assert!(log.feed.lock().size() <= KEPT);
        }
        let kept = read(&mut log.read(["web".into()]));
        assert_eq!(kept[0], "of a slot that is gone");
        assert!(kept.len() > KEPT / 10_000 * 9 / 10, "{}", kept.len());
        assert_eq!(read(&mut log.read(["db".into()])).len(), 40);
        assert_eq!(log.slots("web").len(), 41, "each slot has something left");
        let missed = |line: &String| line.strip_prefix('<')?.split(' ').next()?.parse::<usize>().ok();
        let lines = read(&mut slow);
        let (gaps, lines): (Vec<_>, Vec<_>) = lines.iter().partition(|line| missed(line).is_some());
        assert_eq!(
            gaps.into_iter().filter_map(missed).sum::<usize>() + lines.len(),
            written,
            "every line is read or counted"
        );
        log.forget("web");
        assert!(log.feed.lock().size() < 40 * 1000 && log.slots("web").is_empty());
        log.forget("db");
        assert_eq!(log.feed.lock().size(), 0);
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
