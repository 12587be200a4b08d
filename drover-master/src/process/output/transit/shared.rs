//! What all streams share: the memory, and which places in it are free.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::{Printer, Stream};
use super::layout::{self, as_bytes, as_words, head, stream};
use super::stream::{KeptBytes, Taker, TransitStream};
use crate::ids::{Generation, SlotIndex, WorkerId};
use crate::sys::{ChunkWriter, SharedMemory};

/// One memory for all workers of a process.
#[derive(Debug)]
pub(super) struct TransitShared {
    pub memory: Arc<SharedMemory>,
    places: Mutex<TransitPlaces>,
}

#[derive(Debug, Default)]
struct TransitPlaces {
    /// Streams that the process before has left.
    left: Vec<LeftStream>,
    streams: FreePlaces,
    files: FreePlaces,
}

/// Numbers that nobody has: those that were given back, and all from one on.
#[derive(Debug, Default)]
struct FreePlaces {
    returned: Vec<usize>,
    next: usize,
}

impl FreePlaces {
    fn take(&mut self, all: usize) -> Option<usize> {
        self.returned.pop().or_else(|| {
            let next = self.next;
            (next < all).then(|| self.next += 1)?;
            Some(next)
        })
    }
}

/// A stream that nobody has gone on with yet.
#[derive(Debug)]
struct LeftStream {
    index: usize,
    app: Vec<u8>,
    from: Printer,
    stream: Stream,
    chunks: Vec<(u64, ChunkWriter)>,
}

impl TransitShared {
    pub(super) fn new(memory: SharedMemory) -> Self {
        memory.store(head::VERSION, layout::VERSION);
        Self { memory: Arc::new(memory), places: Mutex::default() }
    }

    /// Of what the process before has left. None: it is of another kind.
    pub(super) fn left(memory: SharedMemory) -> Option<Self> {
        if memory.load(head::VERSION) != layout::VERSION {
            return None;
        }
        let memory = Arc::new(memory);
        let high =
            |word: usize, all: usize| usize::try_from(memory.load(word)).map_or(all, |high| high.min(all));
        let (streams, chunks) = (high(head::STREAMS, layout::STREAMS), high(head::CHUNKS, layout::CHUNKS));
        let mut kept: HashMap<u64, Vec<(u64, ChunkWriter)>> = HashMap::new();
        for chunk in 0..chunks {
            let of = memory.load(layout::chunk_at(chunk));
            if of > 0
                && let Some(writer) = memory.take_left(chunk)
            {
                kept.entry(of).or_default().push((memory.load(layout::chunk_at(chunk) + 1), writer));
            }
        }
        let mut places = TransitPlaces::default();
        places.streams.next = streams;
        places.files.next = high(head::FILES, layout::FILES);
        for index in (0..streams).rev() {
            let chunks = kept.remove(&(index as u64 + 1)).unwrap_or_default();
            match read_stream(&memory, index) {
                Some((app, from, stream)) => {
                    places.left.push(LeftStream { index, app, from, stream, chunks })
                }
                None => places.streams.returned.push(index),
            }
        }
        // Of streams that had ended.
        for (_, chunk) in kept.into_values().flatten() {
            memory.store(layout::chunk_at(chunk.index()), 0);
        }
        places.files.returned = (0..places.files.next).collect();
        Some(Self { memory, places: Mutex::new(places) })
    }

    /// The numbers of writers of log files, of which a write may have been under way.
    pub(super) fn files(&self) -> Vec<usize> {
        self.lock().files.returned.clone()
    }

    /// The stream of a worker: the one that is left, or a new one. None: there are too many.
    pub(super) fn stream(
        self: &Arc<Self>,
        app: &str,
        from: Printer,
        stream: Stream,
        takers: Vec<Taker>,
    ) -> Option<TransitStream> {
        let mut places = self.lock();
        let is_same =
            |left: &LeftStream| left.app == app.as_bytes() && left.from == from && left.stream == stream;
        if let Some(at) = places.left.iter().position(is_same) {
            let LeftStream { index, chunks, .. } = places.left.swap_remove(at);
            let at = layout::stream_at(index);
            let (read, filled) = (self.memory.load(at + stream::READ), self.memory.load(at + stream::FILLED));
            let kept = KeptBytes::left(chunks, read, filled);
            self.memory.store(at + stream::READ, kept.read);
            return Some(TransitStream::new(Arc::clone(self), index, takers, kept));
        }
        if app.len() > stream::NAME_WORDS * 8 {
            return None;
        }
        let index = places.streams.take(layout::STREAMS)?;
        drop(places);
        self.memory.raise(head::STREAMS, index as u64 + 1);
        write_stream(&self.memory, index, app, from, stream);
        Some(TransitStream::new(Arc::clone(self), index, takers, KeptBytes::default()))
    }

    /// Who printed what nobody has gone on with.
    pub(super) fn unclaimed(&self, app: &str) -> Vec<Printer> {
        let mut printers = Vec::new();
        for left in &self.lock().left {
            if left.app == app.as_bytes() && !printers.contains(&left.from) {
                printers.push(left.from);
            }
        }
        printers
    }

    pub(super) fn give_back(&self, index: usize) {
        self.memory.store(layout::stream_at(index) + stream::IN_USE, 0);
        self.lock().streams.returned.push(index);
    }

    /// The number of a writer of log files.
    pub(super) fn take_file(&self) -> Option<usize> {
        let index = self.lock().files.take(layout::FILES)?;
        self.memory.raise(head::FILES, index as u64 + 1);
        Some(index)
    }

    pub(super) fn give_back_file(&self, index: usize) {
        self.lock().files.returned.push(index);
    }

    /// Somebody has written a part of a stream, and the process was killed before it could note that.
    pub(super) fn raise_done(&self, taker: Taker, [index, place]: [u64; 2]) {
        if let Some(index) = usize::try_from(index).ok().filter(|index| *index < layout::STREAMS) {
            self.memory.raise(layout::stream_at(index) + stream::DONE + taker as usize, place);
        }
    }

    fn lock(&self) -> MutexGuard<'_, TransitPlaces> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_stream(memory: &SharedMemory, index: usize, app: &str, from: Printer, stream: Stream) {
    let at = layout::stream_at(index);
    for word in [stream::READ, stream::FILLED, stream::HANDED] {
        memory.store(at + word, 0);
    }
    for taker in Taker::ALL {
        memory.store(at + stream::DONE + taker as usize, 0);
    }
    memory.store(at + stream::WORKER, from.worker.0);
    memory.store(at + stream::SLOT, u64::from(from.slot.0) | (stream as u64) << 32);
    memory.store(at + stream::GENERATION, from.generation.0);
    memory.store(at + stream::PID, u64::from(from.pid));
    memory.store(at + stream::NAME_LENGTH, app.len() as u64);
    for (word, value) in as_words(app.as_bytes()).enumerate() {
        memory.store(at + stream::NAME + word, value);
    }
    memory.store(at + stream::IN_USE, 1);
}

/// None: there is none, or nothing that makes sense.
fn read_stream(memory: &SharedMemory, index: usize) -> Option<(Vec<u8>, Printer, Stream)> {
    let at = layout::stream_at(index);
    let load = |word| memory.load(at + word);
    if load(stream::IN_USE) != 1 {
        return None;
    }
    let name = as_bytes(load(stream::NAME_LENGTH), stream::NAME..stream::NAME + stream::NAME_WORDS, load)?;
    let slot = load(stream::SLOT);
    let from = Printer {
        slot: SlotIndex(slot as u32),
        generation: Generation(load(stream::GENERATION)),
        worker: WorkerId(load(stream::WORKER)),
        pid: u32::try_from(load(stream::PID)).ok()?,
    };
    let which = if slot >> 32 == Stream::Stdout as u64 { Stream::Stdout } else { Stream::Stderr };
    Some((name, from, which))
}
