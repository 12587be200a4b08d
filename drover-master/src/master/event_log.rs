//! Everything that happens, numbered; the last of it kept for those who come late.
//!
//! Readers pull: each has its own place in the log, and no reader costs memory or makes the master wait. One that is slower
//! than events come is told how many it missed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

use crate::machine::fleet::{EventKind, FleetEvent};
use crate::machine::ids::{Generation, SlotIndex, WorkerId};
use crate::machine::phase::Phase;

/// How many events are kept: some 20 for each life of a worker, so the recent history of a few hundred lives, in some 2 MB
/// and what their last words take.
const KEPT: usize = 4096;

/// How many bytes of last words are kept with them, in the exits. Some 20 KiB an exit at the worst, one or two as a rule: then
/// no event is forgotten for it.
const KEPT_WORDS: usize = 8 * 1024 * 1024;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number: rises by one, without gaps, over all apps that share the log.
    pub seq: u64,
    /// Wall clock, for display only.
    pub time: SystemTime,
    /// The app.
    pub app: Arc<str>,
    /// The worker it happened to; none for the app as a whole.
    pub worker: Option<Occurrence>,
    /// The phase after it, of the worker or the app.
    pub phase: Phase,
    /// What happened.
    pub kind: EventKind,
}

/// Which worker an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// Its slot.
    pub slot: SlotIndex,
    /// Its generation.
    pub generation: Generation,
    /// The worker; none if the event is about the empty slot.
    pub id: Option<WorkerId>,
    /// Its process.
    pub pid: Option<u32>,
}

impl Event {
    /// The event's name in JSON, such as `restart_scheduled`.
    pub fn name(&self) -> &'static str {
        self.kind.name(self.phase)
    }

    /// How many bytes of last words it holds.
    fn words(&self) -> usize {
        match &self.kind {
            EventKind::Exited { exit } => exit.stderr_tail.iter().map(String::len).sum(),
            _ => 0,
        }
    }
}

/// The log. A clone is the same log; several masters may write to one.
#[derive(Debug, Clone)]
pub struct EventLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    kept: Mutex<Kept>,
    /// The number of the newest event.
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Arc<Event>>,
    last_seq: u64,
    /// The size of the last words in all of them.
    words: usize,
}

impl Kept {
    fn push(&mut self, event: Arc<Event>) {
        self.words += event.words();
        self.events.push_back(event);
        while self.events.len() > KEPT || self.words > KEPT_WORDS {
            let Some(oldest) = self.events.pop_front() else { return };
            self.words -= oldest.words();
        }
    }
}

impl EventLog {
    /// An empty log.
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared { kept: Mutex::default(), newest: watch::Sender::new(0) }) }
    }

    /// The number of the newest event; 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.lock().last_seq
    }

    /// Events after this number; 0 for all that are kept.
    pub fn since(&self, seq: u64) -> EventStream {
        EventStream { shared: Arc::clone(&self.shared), newest: self.shared.newest.subscribe(), read: seq }
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
            app: Arc::clone(app),
            worker,
            phase: event.phase,
            kind: event.kind,
        });
        kept.push(Arc::clone(&event));
        self.shared.newest.send_replace(kept.last_seq);
        event
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.shared.lock()
    }
}

impl Default for EventLog {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader's place in the log.
#[derive(Debug)]
pub struct EventStream {
    shared: Arc<Shared>,
    newest: watch::Receiver<u64>,
    /// The number of the last event that was read, or missed.
    read: u64,
}

/// Events that were gone before they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{count} events were missed; the next is number {next_seq}")]
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
        loop {
            self.newest.borrow_and_update();
            if let Some(next) = self.try_next() {
                return next;
            }
            // The sender lives in `shared`, which this stream holds.
            if self.newest.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The next event, if there is one already.
    pub fn try_next(&mut self) -> Option<Result<Arc<Event>, Missed>> {
        let kept = self.shared.lock();
        let oldest = kept.events.front()?.seq;
        if self.read >= kept.last_seq {
            return None;
        }
        if self.read + 1 < oldest {
            let missed = Missed { count: oldest - 1 - self.read, next_seq: oldest };
            self.read = oldest - 1;
            // Whoever asks for all that is kept has missed nothing.
            if missed.count < missed.next_seq - 1 {
                return Some(Err(missed));
            }
        }
        self.read += 1;
        let event = Arc::clone(&kept.events[(self.read - oldest) as usize]);
        Some(Ok(event))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::machine::exit::{Exit, ExitReason, Usage};

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
            detail: None,
        });
        publish(&log, 1);
        for _ in 0..KEPT - 1 {
            let kind = EventKind::Exited { exit: Arc::clone(&exit) };
            log.publish(&"web".into(), FleetEvent { worker: None, phase: Phase::ShutDown, kind });
        }
        let kept = log.lock().events.len();
        assert_eq!(kept, KEPT_WORDS / (20 * 1024));
        assert_eq!(log.lock().words, kept * 20 * 1024);
        // Without words there is room for all again.
        publish(&log, KEPT);
        assert_eq!(log.lock().events.len(), KEPT);
        assert_eq!(log.lock().words, 0);
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
