//! What is kept of the output: by app, and in it by slot, so that a chatty worker pushes out its own lines and no other's.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use super::super::StreamPlace;
use super::memory::{LogMemory, PieceChunks, SlotWriter};
use super::{Piece, Printer};
use crate::ids::SlotIndex;
use crate::keeper::{AppTallies, Tallies};

/// How many bytes of a slot's output are kept: some ten thousand lines, and less than a worker costs. What is older is in whatever
/// the master's own output goes to.
pub(super) const KEPT_OF_SLOT: usize = 1024 * 1024;

/// How many bytes are kept of all slots of all apps: of sixteen that print as much as they can, or of a thousand with a screen or
/// two of each. What goes is the oldest of the slot that has most.
pub(super) const KEPT: usize = 16 * 1024 * 1024;

/// What a piece costs besides its text: itself, its places in two tables, and what holds the text.
const OVERHEAD: usize = size_of::<Piece>() + 160;

/// Of every app that there is.
#[derive(Debug, Default)]
pub(super) struct Rings {
    pub rings: BTreeMap<Arc<str>, Ring>,
    pub tallies: Tallies,
    /// The memory in which texts outlive this process, if they do.
    pub memory: Option<Arc<LogMemory>>,
    /// The number of the newest piece, or of one that is not kept yet.
    pub orders: Arc<AtomicU64>,
    /// How many pieces lie in each chunk of that memory.
    pub chunks: HashMap<usize, u32>,
    /// How many rings there ever were.
    rings_made: u64,
    size: usize,
    /// Every slot with its size, the largest last.
    by_size: BTreeSet<(usize, Arc<str>, SlotIndex)>,
}

/// Of one app.
#[derive(Debug)]
pub(super) struct Ring {
    /// Tells it from that of an earlier app of the same name.
    pub number: u64,
    /// By the numbers of their first lines.
    pub pieces: BTreeMap<u64, Arc<Piece>>,
    /// How many lines there ever were here.
    pub lines: u64,
    /// What is counted of it.
    pub counts: AppTallies,
    /// Those who lay down what slots print.
    pub writers: BTreeMap<SlotIndex, Arc<Mutex<SlotWriter>>>,
    /// Up to where an earlier master has kept the output of workers that may go on, of both streams.
    pub reached: HashMap<Printer, [StreamPlace; 2]>,
    slots: BTreeMap<SlotIndex, SlotShare>,
}

/// What is a slot's of it.
#[derive(Debug, Default)]
struct SlotShare {
    /// Its pieces, oldest first.
    pieces: VecDeque<u64>,
    size: usize,
}

impl Rings {
    /// The number of the ring of an app, which is made if there is none.
    pub(super) fn ring_of(&mut self, app: &Arc<str>) -> u64 {
        let Self { rings, rings_made, tallies, .. } = self;
        let ring = rings.entry(Arc::clone(app)).or_insert_with(|| {
            *rings_made += 1;
            Ring {
                number: *rings_made,
                pieces: BTreeMap::new(),
                lines: 0,
                counts: tallies.of(app),
                writers: BTreeMap::new(),
                reached: HashMap::new(),
                slots: BTreeMap::new(),
            }
        });
        ring.number
    }

    /// Keeps a piece in the ring of its app, which there is, and forgets what is too much: that is the answer.
    pub(super) fn push(&mut self, piece: Piece) -> Vec<Arc<Piece>> {
        let mut gone = Vec::new();
        let (app, slot) = (Arc::clone(&piece.app), piece.from.slot);
        let Some(ring) = self.rings.get_mut(&app) else { return gone };
        piece.chunks.indices().for_each(|chunk| *self.chunks.entry(chunk).or_default() += 1);
        ring.lines += piece.count;
        let cost = cost(&piece);
        let share = ring.slots.entry(slot).or_default();
        self.by_size.remove(&(share.size, Arc::clone(&app), slot));
        share.size += cost;
        share.pieces.push_back(piece.first);
        self.size += cost;
        self.by_size.insert((share.size, Arc::clone(&app), slot));
        ring.pieces.insert(piece.first, Arc::new(piece));
        while self.size_of(&app, slot) > KEPT_OF_SLOT {
            gone.extend(self.forget_oldest(&app, slot));
        }
        while self.size > KEPT
            && let Some((_, app, slot)) = self.by_size.last().cloned()
        {
            gone.extend(self.forget_oldest(&app, slot));
        }
        gone
    }

    /// The app is gone. What it had.
    pub(super) fn forget(&mut self, app: &str) -> Option<Ring> {
        let ring = self.rings.remove(app)?;
        self.tallies.forget(app);
        self.size -= ring.slots.values().map(|share| share.size).sum::<usize>();
        self.by_size.retain(|(_, of, _)| &**of != app);
        ring.pieces.values().for_each(|piece| self.leave_chunks(piece));
        Some(ring)
    }

    fn size_of(&self, app: &str, slot: SlotIndex) -> usize {
        self.rings.get(app).and_then(|ring| ring.slots.get(&slot)).map_or(0, |share| share.size)
    }

    /// A piece that is kept no longer: a chunk in which none lies has nothing for another master.
    fn leave_chunks(&mut self, piece: &Piece) {
        for chunk in piece.chunks.indices() {
            let Some(pieces) = self.chunks.get_mut(&chunk) else { continue };
            *pieces -= 1;
            if *pieces == 0 {
                self.chunks.remove(&chunk);
                self.memory.iter().for_each(|memory| memory.forget(chunk));
            }
        }
    }

    fn forget_oldest(&mut self, app: &Arc<str>, slot: SlotIndex) -> Option<Arc<Piece>> {
        let ring = self.rings.get_mut(app)?;
        let share = ring.slots.get_mut(&slot)?;
        self.by_size.remove(&(share.size, Arc::clone(app), slot));
        let oldest = share.pieces.pop_front().and_then(|first| ring.pieces.remove(&first));
        let cost = oldest.as_deref().map_or(0, cost);
        share.size -= cost;
        self.size -= cost;
        if share.pieces.is_empty() {
            ring.slots.remove(&slot);
            // Whoever prints there still goes on with it.
            ring.writers.retain(|of, writer| *of != slot || Arc::strong_count(writer) > 1);
        } else {
            self.by_size.insert((share.size, Arc::clone(app), slot));
        }
        oldest.inspect(|oldest| self.leave_chunks(oldest))
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

impl Ring {
    /// The pieces of a slot, newest first.
    pub(super) fn newest_of(&self, slot: SlotIndex) -> impl Iterator<Item = &Arc<Piece>> {
        let pieces = self.slots.get(&slot).into_iter().flat_map(|share| share.pieces.iter().rev());
        pieces.filter_map(|first| self.pieces.get(first))
    }

    /// The slots of which something is kept.
    pub(super) fn slots(&self) -> impl Iterator<Item = SlotIndex> {
        self.slots.keys().copied()
    }
}

fn cost(piece: &Piece) -> usize {
    let text = piece.text.len();
    // One in parts is kept twice.
    text + if matches!(piece.chunks, PieceChunks::Parts(_)) { text } else { 0 } + OVERHEAD
}
