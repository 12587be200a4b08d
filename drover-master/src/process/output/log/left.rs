//! Goes on with what an earlier master has kept.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};

use super::memory::{LeftChunk, LogMemory, PieceChunks, SlotWriter};
use super::record::RecordHead;
use super::{OutputLog, Piece};
use crate::ids::SlotIndex;
use crate::keeper::Holds;
use crate::sys::ChunkWriter;

/// A record of an earlier master, with where it lies.
#[derive(Debug)]
struct LeftRecord {
    app: Arc<str>,
    head: RecordHead,
    chunk: usize,
    text: Bytes,
}

impl OutputLog {
    /// What an earlier master has kept, and what comes from now on, such that another one can go on with it. Without a keeper, and where no
    /// such memory can be made, which is warned of, it is lost with this process. Blocks while some megabytes are looked through.
    pub(crate) fn held_by(holds: &Holds) -> Self {
        let log = Self::counted_by(holds.tallies());
        match LogMemory::held_by(holds) {
            Ok(Some((memory, left))) => log.go_on(memory, left),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(target: "drover::output", %error, "no memory for what `drover logs` shows; a crash loses it");
            }
        }
        log
    }

    pub(super) fn go_on(&self, memory: Arc<LogMemory>, left: Vec<LeftChunk>) {
        let chunks: Vec<usize> = left.iter().map(|chunk| chunk.writer.index()).collect();
        let (records, open) = sorted(left);
        let mut kept = self.feed.lock();
        kept.memory = Some(Arc::clone(&memory));
        // Torn lines count too: a new line of the same number would be taken for the rest of one.
        let newest = records.last().map_or(0, |last| last.head.order);
        kept.orders.fetch_max(newest, Ordering::Relaxed);
        drop(kept);
        let mut records = records.into_iter().peekable();
        while let Some(first) = records.next() {
            let mut parts = vec![first];
            while let Some(next) = records.next_if(|next| next.head.order == parts[0].head.order) {
                parts.push(next);
            }
            self.keep_again(parts);
        }
        let mut kept = self.feed.lock();
        for chunk in chunks.into_iter().filter(|chunk| !kept.chunks.contains_key(chunk)) {
            memory.forget(chunk);
        }
        for ((app, slot), writer) in open {
            if let Some(ring) = kept.rings.get_mut(&app) {
                let writer = SlotWriter::new(Arc::clone(&memory), Some(writer));
                ring.writers.insert(slot, Arc::new(Mutex::new(writer)));
            }
        }
    }

    /// Keeps a piece of these parts, unless one is missing.
    fn keep_again(&self, parts: Vec<LeftRecord>) {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return };
        let is_whole =
            !last.head.goes_on && parts.iter().zip(0..).all(|(part, number)| part.head.part == number);
        if !is_whole {
            return;
        }
        let (app, RecordHead { order, from, stream, time, count, end, .. }) =
            (Arc::clone(&first.app), first.head);
        let (text, chunks) = match &parts[..] {
            [one] => (one.text.clone(), PieceChunks::One(one.chunk)),
            parts => {
                let text: BytesMut = parts.iter().flat_map(|part| part.text.iter().copied()).collect();
                let held = parts.iter().map(|part| (part.chunk, part.text.clone())).collect();
                (text.freeze(), PieceChunks::Parts(held))
            }
        };
        let mut kept = self.feed.lock();
        kept.ring_of(&app);
        let Some(ring) = kept.rings.get_mut(&app) else { return };
        ring.reached.entry(from).or_default()[stream as usize] = end;
        let first = ring.lines;
        kept.push(Piece { app, from, stream, time, order, first, count, text, chunks });
    }
}

type OpenChunks = BTreeMap<(Arc<str>, SlotIndex), ChunkWriter>;

/// All records in their order, and of each slot the chunk in which it can go on.
fn sorted(left: Vec<LeftChunk>) -> (Vec<LeftRecord>, OpenChunks) {
    let (mut records, mut open) = (Vec::new(), BTreeMap::new());
    for chunk in left {
        let Some(last) = chunk.records.last() else { continue };
        let Some(app) = chunk.app(last).map(Arc::<str>::from) else { continue };
        let order = (last.head.order, last.head.part);
        let slot = (Arc::clone(&app), last.head.from.slot);
        records.extend(chunk.records.iter().map(|record| LeftRecord {
            app: Arc::clone(&app),
            head: record.head,
            chunk: chunk.writer.index(),
            text: chunk.text(record),
        }));
        // Nothing is added to a chunk behind which a newer one was begun: it would outlive what is newer than its first lines.
        if open.get(&slot).is_none_or(|(newest, _)| *newest < order) {
            open.insert(slot, (order, chunk.is_open().then_some(chunk.writer)));
        }
    }
    records.sort_by_key(|record| (record.head.order, record.head.part));
    (records, open.into_iter().filter_map(|(slot, (_, writer))| Some((slot, writer?))).collect())
}
