//! What is kept of the output: by app, and in it by slot, so that a chatty worker pushes out its own lines and no other's.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use super::super::{Stream, StreamPlace};
use super::Piece;
use super::memory::{LogMemory, PieceChunks, SlotWriter};
use crate::ids::{SlotIndex, WorkerId};
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
    /// Up to where an earlier master has kept the output of workers that may go on.
    pub reached: HashMap<(WorkerId, usize), StreamPlace>,
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

    /// Keeps a piece in the ring of its app, which there is, and forgets what is too much.
    pub(super) fn push(&mut self, piece: Piece) {
        let (app, slot) = (Arc::clone(&piece.app), piece.from.slot);
        let Some(ring) = self.rings.get_mut(&app) else { return };
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
            self.forget_oldest(&app, slot);
        }
        while self.size > KEPT
            && let Some((_, app, slot)) = self.by_size.last().cloned()
        {
            self.forget_oldest(&app, slot);
        }
    }

    /// The app is gone. What it had.
    pub(super) fn forget(&mut self, app: &str) -> Option<Ring> {
        let ring = self.rings.remove(app)?;
        self.tallies.forget(app);
        self.size -= ring.slots.values().map(|share| share.size).sum::<usize>();
        self.by_size.retain(|(_, of, _)| &**of != app);
        if let Some(memory) = &self.memory {
            ring.pieces
                .values()
                .flat_map(|piece| piece.chunks.indices())
                .for_each(|chunk| memory.forget(chunk));
        }
        Some(ring)
    }

    fn size_of(&self, app: &str, slot: SlotIndex) -> usize {
        self.rings.get(app).and_then(|ring| ring.slots.get(&slot)).map_or(0, |share| share.size)
    }

    fn forget_oldest(&mut self, app: &Arc<str>, slot: SlotIndex) {
        let Some(ring) = self.rings.get_mut(app) else { return };
        let Some(share) = ring.slots.get_mut(&slot) else { return };
        self.by_size.remove(&(share.size, Arc::clone(app), slot));
        let oldest = share.pieces.pop_front().and_then(|first| ring.pieces.remove(&first));
        if let (Some(memory), Some(oldest)) = (&self.memory, &oldest) {
            // The next one may begin in the last chunk of this one.
            let next = share.pieces.front().and_then(|first| ring.pieces.get(first));
            let stays = next.and_then(|next| next.chunks.indices().next());
            let gone = oldest.chunks.indices().filter(|chunk| Some(*chunk) != stays);
            gone.for_each(|chunk| memory.forget(chunk));
        }
        let cost = oldest.map_or(0, |piece| cost(&piece));
        share.size -= cost;
        self.size -= cost;
        if share.pieces.is_empty() {
            ring.slots.remove(&slot);
            ring.writers.remove(&slot);
        } else {
            self.by_size.insert((share.size, Arc::clone(app), slot));
        }
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

impl Ring {
    /// Up to where an earlier master has kept what a worker has printed to a stream.
    pub(super) fn reached(&self, worker: WorkerId, stream: Stream) -> StreamPlace {
        self.reached.get(&(worker, stream as usize)).copied().unwrap_or_default()
    }

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
