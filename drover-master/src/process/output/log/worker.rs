//! Keeps what one worker prints.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use super::super::lines::{LineBlock, count_ends};
use super::super::{Stream, StreamPlace};
use super::memory::{Laid, SlotWriter};
use super::record::RecordHead;
use super::{AppLog, NewPiece, Printer};

/// Where the output of one worker is kept.
#[derive(Debug)]
pub(crate) struct WorkerLog {
    log: AppLog,
    from: Printer,
    orders: Arc<AtomicU64>,
    /// Lays it down where it outlives this process; none: it does not.
    writer: Option<Arc<Mutex<SlotWriter>>>,
    /// Up to where an earlier master has kept it, of both streams.
    reached: [StreamPlace; 2],
}

impl AppLog {
    /// Where the output of one of its workers is kept.
    pub(crate) fn by(self, from: Printer) -> WorkerLog {
        let mut kept = self.feed.lock();
        let orders = Arc::clone(&kept.orders);
        let memory = kept.memory.clone();
        let ring = kept.rings.get_mut(&self.app).filter(|ring| ring.number == self.ring);
        let (writer, reached) = match (ring, memory) {
            (Some(ring), Some(memory)) => {
                let new = || Arc::new(Mutex::new(SlotWriter::new(memory, None)));
                let writer = Arc::clone(ring.writers.entry(from.slot).or_insert_with(new));
                (Some(writer), ring.reached.get(&from).copied().unwrap_or_default())
            }
            _ => Default::default(),
        };
        drop(kept);
        WorkerLog { log: self, from, orders, writer, reached }
    }
}

impl WorkerLog {
    /// Whether it outlives this process.
    pub(in crate::process::output) const fn is_protected(&self) -> bool {
        self.writer.is_some()
    }

    /// Up to where an earlier master has kept it.
    pub(in crate::process::output) const fn reached(&self, stream: Stream) -> StreamPlace {
        self.reached[stream as usize]
    }

    /// Keeps lines that were read at once, as they are shown to people.
    pub(in crate::process::output) fn keep(&self, stream: Stream, time: SystemTime, lines: &LineBlock) {
        let mut rest = lines.shown();
        let mut writer = self.writer.as_deref().map(lock);
        loop {
            let order = self.orders.fetch_add(1, Ordering::Relaxed) + 1;
            let head = |part: &[u8]| RecordHead {
                order,
                from: self.from,
                stream,
                time,
                count: count_ends(part) + 1,
                end: lines.place_without(rest.len() - part.len()),
                part: 0,
                goes_on: false,
            };
            let laid = writer.as_mut().and_then(|writer| writer.lay(&self.log.app, &rest, head));
            let (text, count) = match &laid {
                Some(Laid { text, lines, .. }) => (text.clone(), *lines),
                // It is kept longer than anything else may be in the memory that it was read into.
                None if writer.is_some() => (Bytes::copy_from_slice(&rest), count_ends(&rest) + 1),
                None => (rest.clone(), count_ends(&rest) + 1),
            };
            let length = text.len();
            let piece = NewPiece { from: self.from, stream, time, order, count, text, laid };
            self.log.push(piece);
            if length == rest.len() {
                return;
            }
            // Without the end of its last line.
            rest = rest.slice(length + 1..);
        }
    }
}

fn lock(writer: &Mutex<SlotWriter>) -> MutexGuard<'_, SlotWriter> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}
