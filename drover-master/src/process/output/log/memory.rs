//! Memory that the keeper holds, with the text of what is kept: the next master has it, however this one ends.
//!
//! ```text
//!  ┌─────────┬────────┬───────────────────────┬─┬──────────────────────────┬────────────
//!  │ version │ chunks │ how much of each chunk │…│ record │ record │ room   │ record │ …
//!  │         │ used   │ is whole records       │ │                          │
//!  └─────────┴────────┴───────────────────────┴─┴──────────────────────────┴────────────
//! ```
//!
//! A chunk has records of one slot. A record counts once its chunk's word says so, which comes last: one that was cut off by a kill is not
//! there. What is forgotten takes its chunk's word away with it.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use memchr::memrchr;

use super::record::{HEAD, LaidRecord, RecordHead, records};
use crate::keeper::{Hold, Holds};
use crate::sys::{CHUNK, ChunkWriter, MemoryShape, SharedMemory};

/// Where it is held.
const NAME: &str = "output/log";

/// Tells that the memory is of this kind, and how it is laid out. Another layout gets another number.
const VERSION: u64 = 0x6472_6c6f_6773_0001;

/// The size of a chunk, in bytes. A slot has one that is not full, and one of which the older half is forgotten: larger ones would hold more
/// of that than of lines where there are a thousand slots, and with smaller ones more lines are laid down in parts.
pub(super) const LOG_CHUNK: usize = 16 * 1024;

const SHAPE: MemoryShape = MemoryShape { words: CHUNK / 8, chunks: CHUNKS, chunk: LOG_CHUNK };

/// How many chunks there are: all that is kept fills 1,024 if they are full, and each slot has one that is not. A piece that finds no chunk
/// is kept in this process alone.
const CHUNKS: usize = CHUNK / 8 - FIRST_CHUNK;

/// Words of all.
mod head {
    pub(super) const VERSION: usize = 0;
    /// The number of the first chunk that was never used.
    pub(super) const CHUNKS: usize = 1;
}

const FIRST_CHUNK: usize = 64;

/// The memory.
#[derive(Debug)]
pub(super) struct LogMemory {
    memory: Arc<SharedMemory>,
    /// It was told that there are not enough chunks.
    is_told: AtomicBool,
    _hold: Hold,
}

/// What an earlier master has kept in one chunk.
#[derive(Debug)]
pub(super) struct LeftChunk {
    pub writer: ChunkWriter,
    pub records: Vec<LaidRecord>,
}

impl LeftChunk {
    /// Whether more can be written behind its records.
    pub(super) fn is_open(&self) -> bool {
        let end = self.records.last().map_or(0, |last| last.text.end);
        self.writer.room() > 0 && end == self.writer.length()
    }

    pub(super) fn text(&self, record: &LaidRecord) -> Bytes {
        self.writer.bytes(record.text.clone())
    }

    /// The name of a record's app.
    pub(super) fn app(&self, record: &LaidRecord) -> Option<String> {
        String::from_utf8(self.writer.bytes(record.name.clone()).into()).ok()
    }
}

impl LogMemory {
    /// That of an earlier master, with what is in it, or a new one. None without a keeper. Blocks while some megabytes are looked through.
    ///
    /// # Errors
    ///
    /// No memory can be made.
    pub(super) fn held_by(holds: &Holds) -> io::Result<Option<(Arc<Self>, Vec<LeftChunk>)>> {
        if holds.keeper().is_none() {
            return Ok(None);
        }
        let left = holds.take(NAME).and_then(|memory| {
            // Let go of, unless it is held again.
            let hold = holds.hold(NAME, memory.as_fd());
            let told = |error: &io::Error| {
                tracing::warn!(target: "drover::output", %error, "what `drover logs` has shown before is lost");
            };
            Some((Arc::new(opened(memory).inspect_err(told).ok()?), hold))
        });
        let ((memory, hold), chunks) = match left {
            Some((memory, hold)) => {
                let chunks = left_chunks(&memory);
                ((memory, hold), chunks)
            }
            None => {
                let memory = Arc::new(begun()?);
                let hold = holds.hold(NAME, memory.as_fd());
                ((memory, hold), Vec::new())
            }
        };
        Ok(Some((Arc::new(Self { memory, is_told: AtomicBool::new(false), _hold: hold }), chunks)))
    }

    /// An empty chunk; none if there is none.
    pub(super) fn take(&self) -> Option<ChunkWriter> {
        let Some(chunk) = self.memory.take() else {
            if !self.is_told.swap(true, Ordering::Relaxed) {
                tracing::warn!(target: "drover::output", "no room, as very many slots print or readers are slow: some of what `drover logs` shows is lost if this master is killed");
            }
            return None;
        };
        self.set_length(chunk.index(), 0);
        self.memory.raise(head::CHUNKS, chunk.index() as u64 + 1);
        Some(chunk)
    }

    /// So many bytes of a chunk are whole records.
    pub(super) fn set_length(&self, chunk: usize, length: usize) {
        self.memory.store(FIRST_CHUNK + chunk, length as u64);
    }

    /// How many bytes of a chunk are.
    pub(super) fn length(&self, chunk: usize) -> u64 {
        self.memory.load(FIRST_CHUNK + chunk)
    }

    #[cfg(test)]
    pub(super) fn make_strange(&self) {
        self.memory.store(head::VERSION, VERSION + 1);
    }

    /// Nothing in a chunk is to be found by another master.
    pub(super) fn forget(&self, chunk: usize) {
        self.set_length(chunk, 0);
    }
}

fn begun() -> io::Result<SharedMemory> {
    let memory = SharedMemory::create("drover-log", SHAPE)?;
    memory.store(head::VERSION, VERSION);
    Ok(memory)
}

/// What an earlier master has left.
fn opened(memory: OwnedFd) -> io::Result<SharedMemory> {
    let memory = SharedMemory::open(memory, SHAPE)?;
    if memory.load(head::VERSION) != VERSION {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is laid out by another version"));
    }
    Ok(memory)
}

fn left_chunks(memory: &Arc<SharedMemory>) -> Vec<LeftChunk> {
    let used = usize::try_from(memory.load(head::CHUNKS)).map_or(CHUNKS, |used| used.min(CHUNKS));
    let chunks = (0..used).filter_map(|index| {
        let length = usize::try_from(memory.load(FIRST_CHUNK + index)).ok().filter(|length| *length > 0)?;
        let mut writer = memory.take_left(index)?;
        writer.keep(length);
        let records = records(&writer.bytes(0..writer.length())).collect();
        Some(LeftChunk { writer, records })
    });
    chunks.collect()
}

/// Lays down what a slot prints.
#[derive(Debug)]
pub(super) struct SlotWriter {
    memory: Arc<LogMemory>,
    open: Option<ChunkWriter>,
}

/// Text that was laid down, and does not count yet.
#[derive(Debug)]
pub(super) struct Laid {
    pub text: Bytes,
    /// How many lines it has.
    pub lines: u64,
    chunks: PieceChunks,
    /// The chunks, how much of each was whole records before, and how much is once it counts.
    ends: Vec<(usize, usize, usize)>,
}

/// Where a piece lies in memory that outlives this process.
#[derive(Debug)]
pub(super) enum PieceChunks {
    /// It does not.
    None,
    One(usize),
    /// In parts, the chunks of which are held.
    Parts(Vec<(usize, Bytes)>),
}

impl PieceChunks {
    pub(super) fn indices(&self) -> impl Iterator<Item = usize> {
        let (one, parts) = match self {
            Self::None => (None, &[][..]),
            Self::One(index) => (Some(*index), &[][..]),
            Self::Parts(parts) => (None, &parts[..]),
        };
        one.into_iter().chain(parts.iter().map(|(index, _)| *index))
    }
}

impl Laid {
    /// It counts from now on. Where it is.
    pub(super) fn commit(self, memory: &LogMemory) -> PieceChunks {
        // All else in one of them was forgotten meanwhile, and is not to be found again.
        if self.ends.iter().any(|(chunk, before, _)| memory.length(*chunk) != *before as u64) {
            return PieceChunks::None;
        }
        for (chunk, _, length) in self.ends {
            memory.set_length(chunk, length);
        }
        self.chunks
    }
}

impl SlotWriter {
    /// One who goes on in a chunk, or begins a new one.
    pub(super) const fn new(memory: Arc<LogMemory>, open: Option<ChunkWriter>) -> Self {
        Self { memory, open }
    }

    /// Lays down as many of these lines, from the first on, as one chunk has room for. None: no chunk is free.
    pub(super) fn lay(
        &mut self,
        app: &str,
        lines: &[u8],
        head: impl Fn(&[u8]) -> RecordHead,
    ) -> Option<Laid> {
        let around = HEAD + app.len();
        if app.is_empty() || around > LOG_CHUNK / 2 {
            return None;
        }
        // What was in it may have been forgotten meanwhile, and is not to be found again.
        self.open.take_if(|open| self.memory.length(open.index()) != open.length() as u64);
        let there = self.open.as_ref().and_then(|open| fits(lines, open.room().checked_sub(around)?));
        // Of the beginning of them little is worth a piece of its own.
        let fitting = match there.filter(|part| *part == lines.len() || *part >= LOG_CHUNK / 4) {
            Some(part) => Some(part),
            None => {
                self.open = Some(self.memory.take()?);
                fits(lines, LOG_CHUNK - around)
            }
        };
        let Some(part) = fitting else {
            let line = lines.split(|byte| *byte == b'\n').next().unwrap_or_default();
            return self.lay_long(app, line, &head(line));
        };
        let text = &lines[..part];
        let open = self.open.as_mut()?;
        let (head, before) = (head(text), open.length());
        let text = laid_down(open, app, text, &head);
        let (index, lines) = (open.index(), head.count);
        Some(Laid {
            text,
            lines,
            chunks: PieceChunks::One(index),
            ends: vec![(index, before, open.length())],
        })
    }

    /// Lays down a line that is too long for a chunk, as several records.
    fn lay_long(&mut self, app: &str, line: &[u8], head: &RecordHead) -> Option<Laid> {
        let (mut parts, mut ends, mut rest) = (Vec::new(), Vec::new(), line);
        for number in 0.. {
            let open = self.open.as_mut()?;
            let part;
            (part, rest) = rest.split_at(rest.len().min(open.room() - HEAD - app.len()));
            let (goes_on, before) = (!rest.is_empty(), open.length());
            let bytes = laid_down(open, app, part, &RecordHead { part: number, goes_on, ..*head });
            parts.push((open.index(), bytes));
            ends.push((open.index(), before, open.length()));
            if !goes_on {
                let (text, chunks) = (Bytes::copy_from_slice(line), PieceChunks::Parts(parts));
                return Some(Laid { text, lines: head.count, chunks, ends });
            }
            self.open = Some(self.memory.take()?);
        }
        None
    }
}

/// How much of the lines fits into so much room: all, or up to the last end of a line in it, without that.
fn fits(lines: &[u8], room: usize) -> Option<usize> {
    if lines.len() <= room {
        return Some(lines.len());
    }
    memrchr(b'\n', &lines[..=room])
}

fn laid_down(open: &mut ChunkWriter, app: &str, text: &[u8], head: &RecordHead) -> Bytes {
    open.write(&head.bytes(app.len(), text.len()));
    open.write(app.as_bytes());
    open.write(text);
    open.bytes(open.length() - text.len()..open.length())
}
