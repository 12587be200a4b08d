//! Lines of an app that wait for the thread that writes them somewhere: to its files, or to the journal. A worker waits a moment at most,
//! until there is room; then its lines are lost, and counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use super::lines::LineBlock;
use super::lost::{LostBy, LostLines};
use super::transit::Receipt;
use super::{Printer, Stream};
use crate::ids::SlotIndex;

/// What an entry costs besides its text.
const OVERHEAD: usize = size_of::<LogEntry>();

/// How long a worker waits for a disk or a journal that takes nothing at all: the pause of a busy one, and no time for a service to stand still.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Lines that were read at once.
#[derive(Debug)]
pub(super) struct LogEntry {
    pub from: Printer,
    pub stream: Stream,
    pub time: SystemTime,
    /// The lines, each with its end.
    pub text: Bytes,
    /// Given once they are written, or lost.
    pub receipt: Option<Receipt>,
}

/// What is to be written next.
#[derive(Debug)]
pub(super) struct Batch<W> {
    pub wish: Arc<W>,
    pub entries: Vec<LogEntry>,
    /// How many lines of each slot found no room behind them.
    pub lost: BTreeMap<SlotIndex, u64>,
    pub time: SystemTime,
    /// Whether what is written to is opened again before.
    pub reopens: bool,
    /// The number of its last entry.
    pub until: u64,
}

/// `W` is where and how they are to be written.
#[derive(Debug)]
pub(super) struct Queue<W> {
    app: Arc<str>,
    /// How many bytes may wait.
    most: usize,
    lost: LostLines,
    waiting: Mutex<WaitingLines<W>>,
    /// There is something to do.
    work: Condvar,
    /// There is room.
    room: Notify,
    /// The number of the last entry that has been written.
    written: watch::Sender<u64>,
}

#[derive(Debug)]
struct WaitingLines<W> {
    wish: Arc<W>,
    entries: Vec<LogEntry>,
    size: usize,
    lost: BTreeMap<SlotIndex, u64>,
    /// Somebody has waited for room in vain: until something is written, nobody waits.
    is_stuck: bool,
    reopens: bool,
    /// How many entries there ever were.
    count: u64,
    /// Who may still bring something.
    holders: usize,
    has_ended: bool,
}

impl<W: Clone + PartialEq> Queue<W> {
    /// An empty one, with one who holds it.
    pub(super) fn new(app: Arc<str>, wish: W, most: usize, lost_by: LostBy) -> Self {
        let waiting = WaitingLines {
            wish: Arc::new(wish),
            entries: Vec::new(),
            size: 0,
            lost: BTreeMap::new(),
            is_stuck: false,
            reopens: false,
            count: 0,
            holders: 1,
            has_ended: false,
        };
        Self {
            lost: LostLines::of(&app, lost_by),
            app,
            most,
            waiting: Mutex::new(waiting),
            work: Condvar::new(),
            room: Notify::new(),
            written: watch::Sender::new(0),
        }
    }

    pub(super) fn app(&self) -> Arc<str> {
        Arc::clone(&self.app)
    }

    /// Whether it is that of this app, goes to the same place, and its thread still goes on; then one more holds it, and it is written
    /// as is wished now.
    pub(super) fn join(&self, app: &str, wish: &W, is_same_place: impl FnOnce(&W) -> bool) -> bool {
        let mut waiting = self.lock();
        let joins = !waiting.has_ended && *self.app == *app && is_same_place(&waiting.wish);
        if joins {
            waiting.holders += 1;
            if *waiting.wish != *wish {
                // Files may have other names now.
                waiting.reopens = true;
                waiting.wish = Arc::new(wish.clone());
            }
        }
        joins
    }

    pub(super) fn hold(&self) {
        self.lock().holders += 1;
    }

    pub(super) fn let_go(&self) {
        self.lock().holders -= 1;
        self.work.notify_one();
    }

    pub(super) fn reopen(&self) {
        self.lock().reopens = true;
        self.work.notify_one();
    }

    /// Adds lines, as soon as there is room for them.
    pub(super) async fn put(
        &self,
        from: Printer,
        stream: Stream,
        time: SystemTime,
        lines: &LineBlock,
        receipt: Option<Receipt>,
    ) {
        let text = lines.ended();
        loop {
            let room = self.room.notified();
            {
                let mut waiting = self.lock();
                if waiting.size == 0 || waiting.size + text.len() + OVERHEAD <= self.most {
                    waiting.size += text.len() + OVERHEAD;
                    waiting.count += 1;
                    waiting.entries.push(LogEntry { from, stream, time, text, receipt });
                    if waiting.entries.len() == 1 {
                        self.work.notify_one();
                    }
                    return;
                }
                if waiting.is_stuck {
                    *waiting.lost.entry(from.slot).or_default() += lines.count();
                    self.lost.add(lines.count());
                    // With it goes the protection of what waits here already, which nobody knows when it will be written: the memory of
                    // it is bounded like this.
                    receipt.into_iter().for_each(Receipt::give);
                    return;
                }
            }
            // `notify_waiters` reaches everybody who has called `notified` before it.
            if tokio::time::timeout(PATIENCE, room).await.is_err() {
                self.lock().is_stuck = true;
            }
        }
    }

    /// What there is to write; waits for it. None: nothing more comes.
    pub(super) fn take(&self) -> Option<Batch<W>> {
        let mut waiting = self.lock();
        while waiting.entries.is_empty() && waiting.lost.is_empty() && !waiting.reopens {
            if waiting.holders == 0 {
                waiting.has_ended = true;
                return None;
            }
            waiting = self.work.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let batch = Batch {
            wish: Arc::clone(&waiting.wish),
            entries: std::mem::take(&mut waiting.entries),
            lost: std::mem::take(&mut waiting.lost),
            time: SystemTime::now(),
            reopens: std::mem::take(&mut waiting.reopens),
            until: waiting.count,
        };
        waiting.size = 0;
        waiting.is_stuck = false;
        drop(waiting);
        self.room.notify_waiters();
        Some(batch)
    }

    /// Everything up to this entry is written, or counted.
    pub(super) fn is_written(&self, until: u64) {
        self.written.send_replace(until);
    }

    /// Resolves once everything so far has been written.
    pub(super) async fn written(&self) {
        let wanted = self.lock().count;
        let mut written = self.written.subscribe();
        // The sender lives in the queue.
        let _ = written.wait_for(|until| *until >= wanted).await;
    }

    fn lock(&self) -> MutexGuard<'_, WaitingLines<W>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
