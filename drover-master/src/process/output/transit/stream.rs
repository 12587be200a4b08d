//! One stream of a worker: what was read of it, until everybody who is to have it has it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::layout::{self, FREE};
use super::place::StreamPlace;
use super::shared::TransitShared;
use crate::sys::{CHUNK, ChunkWriter};

/// A read may find much, and where the last one did not, it is prepared for a page. What is prepared has to be there.
const LITTLE: usize = 4096;

/// A chunk with less room than this is not read into where much may come: many short reads would be slower.
const ROOM: usize = CHUNK / 4;

/// Who is to have what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::process::output) enum Taker {
    /// The master's own stdout and stderr, or who takes lines in their place.
    Own,
    Files,
    Journal,
    /// The log for those who ask later, where that outlives this process too.
    Log,
}

impl Taker {
    pub(in crate::process::output) const ALL: [Self; 4] = [Self::Own, Self::Files, Self::Journal, Self::Log];
}

/// One stream. While it is there, what a successor needs of it is in the memory.
#[derive(Debug)]
pub(in crate::process::output) struct TransitStream {
    shared: Arc<TransitShared>,
    index: usize,
    takers: Vec<Taker>,
    kept: Mutex<KeptBytes>,
    /// Nothing more comes, and the place may be another's once everybody has everything.
    has_ended: AtomicBool,
}

/// What one read has brought.
#[derive(Debug)]
pub(in crate::process::output) struct PipeBytes {
    pub bytes: Bytes,
    /// Nothing more was there.
    pub is_all: bool,
}

/// What somebody is still to have.
#[derive(Debug)]
pub(super) struct KeptBytes {
    /// Oldest first, each with the number of its first byte. The last one is read into.
    pub chunks: VecDeque<(u64, ChunkWriter)>,
    /// How many bytes were read.
    pub read: u64,
    /// Up to where the last chunk is filled.
    pub filled: u64,
    /// How much is read at once.
    pub most: usize,
}

impl Default for KeptBytes {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), read: 0, filled: 0, most: LITTLE }
    }
}

impl KeptBytes {
    /// Those of the process before: the chunks with the numbers of their first bytes, and what it has noted.
    pub(super) fn left(mut chunks: Vec<(u64, ChunkWriter)>, mut read: u64, filled: u64) -> Self {
        chunks.sort_by_key(|(begin, _)| *begin);
        let begins: Vec<u64> = chunks.iter().map(|(begin, _)| *begin).collect();
        for (at, (begin, chunk)) in chunks.iter_mut().enumerate() {
            let part = |to: u64| usize::try_from(to.saturating_sub(*begin)).map_or(CHUNK, |to| to.min(CHUNK));
            match begins.get(at + 1) {
                Some(next) => chunk.keep(part(*next)),
                None => {
                    chunk.keep(part(read));
                    // It was killed after a read and before it could note that.
                    if let Some(end) =
                        chunk.end_of_other(chunk.length()..part(filled).max(chunk.length()), FREE)
                    {
                        chunk.keep(end);
                        read = *begin + end as u64;
                    }
                }
            }
        }
        Self { chunks: chunks.into(), read, filled: filled.max(read), most: LITTLE }
    }
}

impl TransitStream {
    pub(super) fn new(shared: Arc<TransitShared>, index: usize, takers: Vec<Taker>, kept: KeptBytes) -> Self {
        Self { shared, index, takers, kept: Mutex::new(kept), has_ended: AtomicBool::new(false) }
    }

    const fn word(&self, of: usize) -> usize {
        layout::stream_at(self.index) + of
    }

    #[cfg(test)]
    pub(super) const fn index(&self) -> usize {
        self.index
    }

    pub(super) const fn shared(&self) -> &Arc<TransitShared> {
        &self.shared
    }

    /// Reads what the pipe has, which does not block; nothing at its end. None: there is no room for it now.
    pub(in crate::process::output) fn read(&self, pipe: BorrowedFd<'_>) -> io::Result<Option<PipeBytes>> {
        let memory = &self.shared.memory;
        let mut kept = self.lock();
        let KeptBytes { chunks, read, filled, most } = &mut *kept;
        let wanted = if *most == LITTLE { 1 } else { ROOM };
        if chunks.back().is_none_or(|(_, chunk)| CHUNK - chunk.length() < wanted) {
            let Some(chunk) = memory.take() else { return Ok(None) };
            // The bytes between are not filled in this one.
            *filled = *read;
            memory.store(self.word(layout::stream::FILLED), *filled);
            memory.raise(layout::head::CHUNKS, chunk.index() as u64 + 1);
            memory.store(layout::chunk_at(chunk.index()) + 1, *read);
            memory.store(layout::chunk_at(chunk.index()), self.index as u64 + 1);
            chunks.push_back((*read, chunk));
        }
        let Some((_, chunk)) = chunks.back_mut() else { return Ok(None) };
        let begin = chunk.length();
        let length = (*most).min(CHUNK - begin);
        let is_filled = begin + usize::try_from(*filled - *read).unwrap_or_default();
        if is_filled < begin + length {
            chunk.fill(is_filled..begin + length, FREE);
            *filled = *read + length as u64;
            memory.store(self.word(layout::stream::FILLED), *filled);
        }
        let count = chunk.read(pipe, length)?;
        *read += count as u64;
        memory.store(self.word(layout::stream::READ), *read);
        *most = match count {
            _ if count == length => CHUNK,
            _ if count < LITTLE => LITTLE,
            _ => *most,
        };
        Ok(Some(PipeBytes { bytes: chunk.bytes(begin..begin + count), is_all: count < length }))
    }

    /// The first byte that is still there.
    pub(in crate::process::output) fn place_left(&self) -> StreamPlace {
        let kept = self.lock();
        StreamPlace::at(kept.chunks.front().map_or(kept.read, |(begin, _)| *begin), false)
    }

    /// Up to where it was read.
    pub(in crate::process::output) fn place_read(&self) -> StreamPlace {
        StreamPlace::at(self.lock().read, false)
    }

    /// Up to where lines were handed on.
    pub(in crate::process::output) fn hand_on(&self, to: StreamPlace) {
        self.shared.memory.raise(self.word(layout::stream::HANDED), to.word());
    }

    /// Up to where lines were handed on by the process before, to these.
    pub(in crate::process::output) fn handed(&self, takers: &[Taker]) -> StreamPlace {
        let noted = StreamPlace::of_word(self.shared.memory.load(self.word(layout::stream::HANDED)));
        takers.iter().map(|taker| self.done(*taker)).fold(noted, StreamPlace::max)
    }

    /// Up to where one has it.
    pub(in crate::process::output) fn done(&self, taker: Taker) -> StreamPlace {
        StreamPlace::of_word(self.shared.memory.load(self.word(layout::stream::DONE) + taker as usize))
    }

    /// The bytes from a place on, up to another.
    pub(in crate::process::output) fn left(&self, from: StreamPlace, to: StreamPlace) -> Vec<Bytes> {
        let (from, to) = (from.bytes(), to.bytes());
        let kept = self.lock();
        let parts = kept.chunks.iter().filter_map(|(begin, chunk)| {
            let within = |at: u64| {
                usize::try_from(at.saturating_sub(*begin)).map_or(CHUNK, |at| at.min(chunk.length()))
            };
            let part = within(from)..within(to);
            (!part.is_empty()).then(|| chunk.bytes(part))
        });
        parts.collect()
    }

    /// What somebody writes who is to have it, up to a place.
    pub(in crate::process::output) fn receipt(self: &Arc<Self>, taker: Taker, end: StreamPlace) -> Receipt {
        Receipt { stream: Arc::clone(self), taker, end }
    }

    /// One has it up to a place.
    pub(in crate::process::output) fn reach(&self, taker: Taker, end: StreamPlace) {
        self.shared.memory.raise(self.word(layout::stream::DONE) + taker as usize, end.word());
    }

    /// Lets go of what everybody has.
    pub(in crate::process::output) fn let_go(&self) {
        let mut kept = self.lock();
        let settled = self.takers.iter().map(|taker| self.done(*taker).bytes()).min().unwrap_or(u64::MAX);
        while let Some((_, chunk)) = kept.chunks.front() {
            let end = kept.chunks.get(1).map_or(kept.read, |(next, _)| *next);
            if end > settled {
                break;
            }
            self.shared.memory.store(layout::chunk_at(chunk.index()), 0);
            kept.chunks.pop_front();
        }
    }

    /// Nothing more comes.
    pub(in crate::process::output) fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, KeptBytes> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TransitStream {
    fn drop(&mut self) {
        let chunks = std::mem::take(&mut self.kept.get_mut().unwrap_or_else(PoisonError::into_inner).chunks);
        if self.has_ended.load(Ordering::Relaxed) {
            // Whoever has not got it by now will not.
            for (_, chunk) in &chunks {
                self.shared.memory.store(layout::chunk_at(chunk.index()), 0);
            }
            self.shared.give_back(self.index);
        } else {
            // This process ends, and another goes on with what is in them: nobody else may have them.
            chunks.into_iter().for_each(|(_, chunk)| chunk.leave());
        }
    }
}

/// That somebody is to write bytes of a stream, and says so when that is done.
#[derive(Debug)]
pub(in crate::process::output) struct Receipt {
    stream: Arc<TransitStream>,
    taker: Taker,
    end: StreamPlace,
}

impl Receipt {
    /// Everything up to its place is written, or lost for good.
    pub(in crate::process::output) fn give(self) {
        self.stream.reach(self.taker, self.end);
        self.stream.let_go();
    }

    /// What it stands for is written but for so many bytes.
    pub(in crate::process::output) fn reaches(&self, left: usize) {
        let place = StreamPlace::at(self.end.bytes().saturating_sub(left as u64), self.end.is_continued());
        self.stream.reach(self.taker, place);
    }

    /// Which stream, and up to where: what a successor needs to know that it is done.
    pub(super) fn words(&self) -> [u64; 2] {
        [self.stream.index as u64, self.end.word()]
    }

    pub(in crate::process::output) fn stream(&self) -> &Arc<TransitStream> {
        &self.stream
    }
}
