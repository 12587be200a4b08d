//! Everything that happens, numbered; the last of it kept for those who come late.
//!
//! Readers pull: each has its own place in the log, and no reader costs memory or makes the master wait. One that is slower
//! than events come is told how many it missed.
//!
//! Apps that share a log share its room: what is forgotten is the oldest of the app that has most in it, so one that crashes all
//! the time wipes out its own history and no other.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, MutexGuard};
use std::time::SystemTime;

use super::event::{Event, Occurrence};
use super::event_memory::EventMemory;
use crate::feed::{Feed, FeedReader};
use crate::keeper::Holds;
use crate::machine::fleet::FleetEvent;

/// How many events are kept: some 20 for each life of a worker, so the recent history of a few hundred lives, in some 2 MB
/// and what their last words take.
const KEPT: usize = 4096;

/// How many bytes of last words are kept with them, in the exits. Some 20 KiB an exit at the worst, one or two as a rule: then
/// no event is forgotten for it.
const KEPT_WORDS: usize = 8 * 1024 * 1024;

/// The log. A clone is the same log; several masters may write to one.
#[derive(Debug, Clone)]
pub struct EventLog {
    feed: Arc<Feed<Events>>,
}

#[derive(Debug, Default)]
struct Events {
    /// In the order of their numbers, with gaps where some were forgotten.
    events: VecDeque<Arc<Event>>,
    last_seq: u64,
    /// What of it is whose.
    shares: HashMap<Arc<str>, LogShare>,
    /// The size of the last words in all of them.
    words: usize,
    /// Where they are written down for another master.
    memory: Option<EventMemory>,
}

/// What one app has in the log.
#[derive(Debug, Clone, Copy, Default)]
struct LogShare {
    events: usize,
    words: usize,
}

impl Events {
    fn push(&mut self, event: Arc<Event>) {
        let words = event.words();
        self.words += words;
        let share = self.shares.entry(Arc::clone(&event.app)).or_default();
        *share = LogShare { events: share.events + 1, words: share.words + words };
        self.events.push_back(event);
        while self.events.len() > KEPT {
            self.forget_of(|share| share.events, |_| true);
        }
        while self.words > KEPT_WORDS {
            self.forget_of(|share| share.words, |event| event.words() > 0);
        }
    }

    /// Forgets the oldest of the app that has most of something: of those that have any of it.
    fn forget_of(&mut self, size: impl Fn(LogShare) -> usize, has: impl Fn(&Event) -> bool) {
        let largest = self.shares.iter().max_by_key(|(_, share)| size(**share));
        let Some(app) = largest.map(|(app, _)| Arc::clone(app)) else { return };
        let Some(at) = self.events.iter().position(|event| event.app == app && has(event)) else { return };
        let Some(event) = self.events.remove(at) else { return };
        let words = event.words();
        self.words -= words;
        if let Some(share) = self.shares.get_mut(&app) {
            *share = LogShare { events: share.events - 1, words: share.words - words };
            if share.events == 0 {
                self.shares.remove(&app);
            }
        }
    }
}

impl Events {
    fn write_down(&mut self, event: &Event) {
        let Some(memory) = &mut self.memory else { return };
        let is_written = memory.add(event).and_then(|()| match memory.is_long() {
            true => memory.renew(event.seq - 1, self.events.iter().rev()).and_then(|()| memory.add(event)),
            false => Ok(()),
        });
        if let Err(error) = is_written {
            tracing::error!(target: "drover::keeper", %error, "events can't be written down for another master any more");
            self.memory = None;
        }
    }
}

impl EventLog {
    /// Has events written down for another master, and goes on after those of an earlier one.
    pub(crate) fn keep(&self, holds: &Holds) {
        let Some((memory, last, events)) = EventMemory::open(holds) else { return };
        let mut kept = self.lock();
        for event in events {
            kept.push(event);
        }
        kept.last_seq = kept.last_seq.max(last);
        kept.memory = Some(memory);
    }

    /// An empty log.
    pub fn new() -> Self {
        Self { feed: Arc::default() }
    }

    /// The number of the newest event; 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.lock().last_seq
    }

    /// Events after this number; 0 for all that are kept.
    pub fn since(&self, seq: u64) -> EventStream {
        // Whoever asks for all that is kept has missed nothing of what came before.
        let missed_from = if seq == 0 { self.last_seq() } else { seq };
        EventStream { reader: self.feed.reader(), place: EventPlace { read: seq, missed_from } }
    }

    pub(crate) fn publish(&self, app: &Arc<str>, event: FleetEvent) -> Arc<Event> {
        let mut kept = self.lock();
        kept.last_seq += 1;
        let worker = event.worker.map(|(identity, pid)| Occurrence {
            slot: identity.slot,
            generation: identity.generation,
            id: Some(identity.id).filter(|id| id.0 != 0),
            pid,
        });
        let event = Arc::new(Event {
            seq: kept.last_seq,
            time: SystemTime::now(),
            at: tokio::time::Instant::now().into_std(),
            app: Arc::clone(app),
            worker,
            phase: event.phase,
            kind: event.kind,
        });
        kept.write_down(&event);
        kept.push(Arc::clone(&event));
        self.feed.announce(kept.last_seq);
        event
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.feed.lock()
    }
}

impl Default for EventLog {
    fn default() -> Self {
        Self::new()
    }
}

/// A reader's place in the log.
#[derive(Debug)]
pub struct EventStream {
    reader: FeedReader<Events>,
    place: EventPlace,
}

#[derive(Debug)]
struct EventPlace {
    /// The number of the last event that was read, or missed.
    read: u64,
    /// Gaps count as missed from this number on.
    missed_from: u64,
}

/// Events that were gone before they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{count} events were missed; the next is number {next_seq}")]
#[non_exhaustive]
pub struct Missed {
    /// How many.
    pub count: u64,
    /// The next one that is still there.
    pub next_seq: u64,
}

impl EventStream {
    /// The next event; waits for one.
    ///
    /// # Errors
    ///
    /// [`Missed`] if events were forgotten before they were read; the stream goes on after them.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next(&mut self) -> Result<Arc<Event>, Missed> {
        let Self { reader, place } = self;
        reader.next(|events| place.advance(events)).await
    }

    /// The next event, if there is one already.
    pub fn try_next(&mut self) -> Option<Result<Arc<Event>, Missed>> {
        let Self { reader, place } = self;
        place.advance(&reader.lock())
    }
}

impl EventPlace {
    fn advance(&mut self, kept: &Events) -> Option<Result<Arc<Event>, Missed>> {
        let next = kept.events.get(kept.events.partition_point(|event| event.seq <= self.read))?;
        let counted_from = self.read.max(self.missed_from.min(next.seq - 1));
        let count = next.seq - 1 - counted_from;
        if count > 0 {
            self.read = next.seq - 1;
            return Some(Err(Missed { count, next_seq: next.seq }));
        }
        self.read = next.seq;
        Some(Ok(Arc::clone(next)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::machine::exit::{Exit, ExitReason, Usage};
    use crate::machine::fleet::EventKind;
    use crate::machine::phase::Phase;

    fn publish(log: &EventLog, count: usize) {
        let app: Arc<str> = "web".into();
        for _ in 0..count {
            log.publish(
                &app,
                FleetEvent { worker: None, phase: Phase::Starting, kind: EventKind::AppStarting },
            );
        }
    }

    #[tokio::test]
    async fn a_late_reader_gets_what_is_kept_and_then_what_comes() {
        let log = EventLog::new();
        publish(&log, 3);
        let mut all = log.since(0);
        let mut news = log.since(log.last_seq());
        for seq in 1..=3 {
            assert_eq!(all.next().await.unwrap().seq, seq);
        }
        assert!(all.try_next().is_none());
        publish(&log, 1);
        assert_eq!(news.next().await.unwrap().seq, 4);
        assert_eq!(all.next().await.unwrap().seq, 4);
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_what_it_missed_and_goes_on() {
        let log = EventLog::new();
        publish(&log, 1);
        let mut slow = log.since(0);
        assert_eq!(slow.next().await.unwrap().seq, 1);
        publish(&log, KEPT + 10);
        assert_eq!(slow.next().await, Err(Missed { count: 10, next_seq: 12 }));
        assert_eq!(slow.next().await.unwrap().seq, 12);
        assert_eq!(log.since(0).next().await.unwrap().seq, 12);
    }

    #[tokio::test]
    async fn last_words_are_forgotten_before_they_fill_the_memory() {
        let log = EventLog::new();
        let exit = Arc::new(Exit {
            reason: ExitReason::NormalExit,
            during: Phase::Started,
            at: tokio::time::Instant::now().into_std(),
            uptime: Duration::ZERO,
            usage: Usage::default(),
            stderr_tail: vec!["x".repeat(1024); 20],
            asked_by: None,
            sent: None,
            detail: None,
        });
        publish(&log, 1);
        for _ in 0..KEPT - 1 {
            let kind = EventKind::Exited { exit: Arc::clone(&exit) };
            log.publish(&"web".into(), FleetEvent { worker: None, phase: Phase::ShutDown, kind });
        }
        // What has no words stays.
        let kept = log.lock().events.len() - 1;
        assert_eq!(kept, KEPT_WORDS / (20 * 1024));
        assert_eq!(log.lock().words, kept * 20 * 1024);
        // Without words there is room for all again.
        publish(&log, KEPT);
        assert_eq!(log.lock().events.len(), KEPT);
        assert_eq!(log.lock().words, 0);
    }

    #[tokio::test]
    async fn an_app_that_floods_wipes_out_its_own_history_and_no_other() {
        let log = EventLog::new();
        let starting = || FleetEvent { worker: None, phase: Phase::Starting, kind: EventKind::AppStarting };
        let (quiet, noisy): (Arc<str>, Arc<str>) = ("quiet".into(), "noisy".into());
        for _ in 0..3 {
            log.publish(&noisy, starting());
            log.publish(&quiet, starting());
        }
        let mut follower = log.since(2);
        for _ in 0..KEPT * 2 {
            log.publish(&noisy, starting());
        }
        let mut all = log.since(0);
        let kept: Vec<_> = std::iter::from_fn(|| all.try_next()).map(Result::unwrap).collect();
        assert_eq!(kept.len(), KEPT);
        assert_eq!(
            kept.iter().filter(|event| event.app == quiet).map(|event| event.seq).collect::<Vec<_>>(),
            [2, 4, 6]
        );
        // Who follows hears of each gap.
        assert_eq!(follower.next().await, Err(Missed { count: 1, next_seq: 4 }));
        assert_eq!(follower.next().await.unwrap().seq, 4);
        assert_eq!(log.lock().shares.values().map(|share| share.events).sum::<usize>(), KEPT);
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let log = EventLog::new();
        let mut reader = log.since(0);
        let waiting = tokio::spawn(async move { reader.next().await.unwrap().seq });
        tokio::task::yield_now().await;
        publish(&log, 1);
        assert_eq!(waiting.await.unwrap(), 1);
    }
}
