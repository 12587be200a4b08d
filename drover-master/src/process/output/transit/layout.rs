//! Where what is in the memory. A later version that needs more of it has another [`VERSION`], and does not look into an older one.

use std::ops::Range;

use super::stream::Taker;
use crate::sys::{CHUNK, MemoryShape};

/// Tells that the memory is of this kind, and how it is laid out.
pub(super) const VERSION: u64 = 0x6472_6f76_6572_0002;

/// How many streams there may be at once, of two for each worker: of more the rest goes on without protection.
pub(super) const STREAMS: usize = 16 * 1024;

/// How many chunks there are, of 64 KiB. A stream in which a line has begun has one, and one that waits for a slow sink as many as that
/// lets wait; only pages that were written to are there.
pub(super) const CHUNKS: usize = 16 * 1024;

/// How many writers of log files there may be at once, one for each app. What more of them write is protected but for the moment of
/// the write itself.
pub(super) const FILES: usize = 256;

/// How many entries a write to a log file may have at most: as many texts as the kernel takes at once (IOV_MAX, `writev(2)`).
pub(in crate::process::output) const ENTRIES_OF_FILE: usize = 1024;

/// How many entries a write to the master's own output may have at most.
pub(in crate::process::output) const ENTRIES_OF_OWN: usize = 64;

/// Words of all.
pub(super) mod head {
    pub(in super::super) const VERSION: usize = 0;
    /// The numbers of the first stream, and of the first chunk, that was never used.
    pub(in super::super) const STREAMS: usize = 1;
    pub(in super::super) const CHUNKS: usize = 2;
    pub(in super::super) const FILES: usize = 3;
}

/// Words of the write to the master's own output.
pub(super) mod own {
    pub(in super::super) const PHASE: usize = 64;
    /// Which of both streams.
    pub(in super::super) const STREAM: usize = 65;
    pub(in super::super) const LENGTH: usize = 66;
    /// How long the file was before, and which it is.
    pub(in super::super) const OFFSET: usize = 67;
    pub(in super::super) const DEVICE: usize = 68;
    pub(in super::super) const INODE: usize = 69;
    pub(in super::super) const COUNT: usize = 70;
    /// Chunks with what is to be written to a file.
    pub(in super::super) const CHUNKS: usize = 72;
    pub(in super::super) const MOST_CHUNKS: usize = 8;
    /// Two words each: the stream's number, and the place.
    pub(in super::super) const ENTRIES: usize = 80;
}

/// Words of a stream, from its first.
pub(super) mod stream {
    /// Whether it is in use; it is set last, and taken away first.
    pub(in super::super) const IN_USE: usize = 0;
    pub(in super::super) const WORKER: usize = 1;
    /// The slot, and above it which of both streams.
    pub(in super::super) const SLOT: usize = 2;
    pub(in super::super) const GENERATION: usize = 3;
    pub(in super::super) const PID: usize = 4;
    /// How many bytes were read, at least: see [`FILLED`].
    pub(in super::super) const READ: usize = 5;
    /// Up to where the memory was filled with [`FREE`](super::FREE) for the read that is under way.
    pub(in super::super) const FILLED: usize = 6;
    /// Up to where lines were handed on, as a place.
    pub(in super::super) const HANDED: usize = 7;
    /// Up to where each of the takers has it, as a place.
    pub(in super::super) const DONE: usize = 8;
    pub(in super::super) const NAME_LENGTH: usize = 12;
    pub(in super::super) const NAME: usize = 13;
    pub(in super::super) const NAME_WORDS: usize = 16;
}

/// Words of a writer of log files, from its first.
pub(super) mod file {
    /// Whether a write is under way.
    pub(in super::super) const IS_WRITING: usize = 0;
    pub(in super::super) const OFFSET: usize = 1;
    pub(in super::super) const DEVICE: usize = 2;
    pub(in super::super) const INODE: usize = 3;
    pub(in super::super) const COUNT: usize = 4;
    pub(in super::super) const PATH_LENGTH: usize = 5;
    pub(in super::super) const PATH: usize = 8;
    /// A path has 4,095 bytes at most (PATH_MAX).
    pub(in super::super) const PATH_WORDS: usize = 512;
    /// Two words each: the stream's number and, above it, where the entry ends among the bytes of the write; and the place.
    pub(in super::super) const ENTRIES: usize = PATH + PATH_WORDS;
    pub(in super::super) const WORDS: usize = 3072;
}

const _: () = assert!(stream::DONE + Taker::ALL.len() <= stream::NAME_LENGTH, "each taker has a word");

const HEAD_WORDS: usize = 512;
const STREAM_WORDS: usize = 32;
const CHUNK_WORDS: usize = 2;

/// How many words there are, in whole chunks.
const WORDS: usize =
    (HEAD_WORDS + FILES * file::WORDS + STREAMS * STREAM_WORDS + CHUNKS * CHUNK_WORDS).next_multiple_of(8192);

pub(super) const SHAPE: MemoryShape = MemoryShape { words: WORDS, chunks: CHUNKS, chunk: CHUNK };

/// What the memory before a read is filled with: a byte that no text in UTF-8 has.
pub(super) const FREE: u8 = 0xff;

pub(super) const fn file_at(index: usize) -> usize {
    HEAD_WORDS + index * file::WORDS
}

pub(super) const fn stream_at(index: usize) -> usize {
    HEAD_WORDS + FILES * file::WORDS + index * STREAM_WORDS
}

/// Two words: the stream that a chunk is of, from 1, or 0; and the number of its first byte in that.
pub(super) const fn chunk_at(index: usize) -> usize {
    HEAD_WORDS + FILES * file::WORDS + STREAMS * STREAM_WORDS + index * CHUNK_WORDS
}

/// Bytes as words, the last filled up with zeros.
pub(super) fn as_words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks(8).map(|part| {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        u64::from_le_bytes(word)
    })
}

/// The first of so many words as so many bytes; none if there are not so many.
pub(super) fn as_bytes(length: u64, words: Range<usize>, load: impl Fn(usize) -> u64) -> Option<Vec<u8>> {
    let length = usize::try_from(length).ok().filter(|length| *length <= words.len() * 8)?;
    let mut bytes: Vec<u8> = words.take(length.div_ceil(8)).flat_map(|at| load(at).to_le_bytes()).collect();
    bytes.truncate(length);
    Some(bytes)
}
