//! Memory that outlives the process: of a file without a name (`memfd_create(2)`), of which somebody else holds a descriptor.
//!
//! The front of it is words, each read and written as a whole. The rest is chunks, each of which one writer has at a time: what was read
//! into one is not written again before all who may look at it have let go.

#[cfg(test)]
pub(crate) mod kill;

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit};

/// As much as is read from a pipe at once, in bytes: a pipe's buffer (`pipe(7)`). The largest size of a chunk, and a multiple of the page
/// size, which may itself be 64 KiB.
pub(crate) const CHUNK: usize = 64 * 1024;

/// How many chunks that nobody has keep their pages, for the next who takes one: half a megabyte of the largest.
const KEPT: usize = 8;

/// What a memory has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryShape {
    /// At the front of it; a multiple of [`CHUNK`] in bytes.
    pub words: usize,
    pub chunks: usize,
    /// The size of each chunk, in bytes.
    pub chunk: usize,
}

impl MemoryShape {
    const fn front(self) -> usize {
        self.words * size_of::<u64>()
    }

    const fn length(self) -> usize {
        self.front() + self.chunks * self.chunk
    }
}

/// Words, and chunks behind them; pages are there once something was written to them.
pub(crate) struct SharedMemory {
    address: NonNull<u8>,
    shape: MemoryShape,
    free: Mutex<FreeChunks>,
    file: File,
}

// SAFETY: words are atomic, and a chunk is written by the one `ChunkWriter` that has it.
unsafe impl Send for SharedMemory {}
// SAFETY: as above.
unsafe impl Sync for SharedMemory {}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("SharedMemory").field("shape", &self.shape).finish()
    }
}

/// Which chunks nobody has.
#[derive(Debug, Default)]
struct FreeChunks {
    /// With their pages, and without.
    kept: Vec<usize>,
    bare: Vec<usize>,
    /// By their numbers, as far as some were ever taken.
    is_taken: Vec<bool>,
}

impl SharedMemory {
    /// All zeros. The words fill whole pages.
    pub(crate) fn create(name: &str, shape: MemoryShape) -> io::Result<Self> {
        let length = shape.length();
        // Beyond it the kernel would end the process (SIGXFSZ, `ftruncate(2)`).
        if getrlimit(Resource::RLIMIT_FSIZE)?.0 < length as u64 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let file = File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC)?);
        file.set_len(length as u64)?;
        Self::map(file, shape)
    }

    /// What another process has made like this, and left. Only one process may have it at a time.
    pub(crate) fn open(file: OwnedFd, shape: MemoryShape) -> io::Result<Self> {
        let file = File::from(file);
        if file.metadata()?.len() != shape.length() as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it has another size"));
        }
        Self::map(file, shape)
    }

    fn map(file: File, shape: MemoryShape) -> io::Result<Self> {
        assert!(shape.front().is_multiple_of(CHUNK) && shape.chunk <= CHUNK, "the words fill whole pages");
        let length = shape.length();
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_NORESERVE);
        // SAFETY: a new mapping, at a place that the kernel chooses.
        let address = unsafe { libc::mmap(ptr::null_mut(), length, access, flags, file.as_raw_fd(), 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let address = NonNull::<u8>::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        // A core dump would make every page, and a line would cost a huge one.
        for advice in [libc::MADV_DONTDUMP, libc::MADV_NOHUGEPAGE] {
            // SAFETY: it changes nothing that can be read or written.
            unsafe { libc::madvise(address.as_ptr().cast(), length, advice) };
        }
        Ok(Self { address, shape, free: Mutex::default(), file })
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at < self.shape.words, "word {at} of {}", self.shape.words);
        // SAFETY: within the mapping, aligned, and never accessed otherwise.
        unsafe { AtomicU64::from_ptr(self.address.as_ptr().cast::<u64>().add(at)) }
    }

    pub(crate) fn load(&self, at: usize) -> u64 {
        self.word(at).load(Ordering::SeqCst)
    }

    pub(crate) fn store(&self, at: usize, value: u64) {
        if step() {
            // A kill leaves the stores up to it, in the order of the program.
            self.word(at).store(value, Ordering::SeqCst);
        }
    }

    /// Adds to what is there.
    pub(crate) fn add(&self, at: usize, count: u64) {
        if step() {
            self.word(at).fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Stores a value if it is larger than what is there.
    pub(crate) fn raise(&self, at: usize, value: u64) {
        if step() {
            self.word(at).fetch_max(value, Ordering::SeqCst);
        }
    }

    /// Takes a chunk that nobody has; none if there is none.
    pub(crate) fn take(self: &Arc<Self>) -> Option<ChunkWriter> {
        let mut free = self.lock();
        let index = match free.kept.pop().or_else(|| free.bare.pop()) {
            Some(index) => index,
            None => {
                let next = free.is_taken.iter().position(|taken| !taken).unwrap_or(free.is_taken.len());
                if next == self.shape.chunks {
                    return None;
                }
                next
            }
        };
        free.mark(index);
        Some(ChunkWriter::of(self, index))
    }

    /// Takes a chunk that the process before has left something in; none if somebody has it. Before any other is taken.
    pub(crate) fn take_left(self: &Arc<Self>, index: usize) -> Option<ChunkWriter> {
        let mut free = self.lock();
        if index >= self.shape.chunks || free.is_taken.get(index) == Some(&true) {
            return None;
        }
        free.mark(index);
        Some(ChunkWriter::of(self, index))
    }

    fn give_back(&self, index: usize) {
        if !step() {
            return;
        }
        let mut free = self.lock();
        if free.kept.len() < KEPT {
            return free.kept.push(index);
        }
        let MemoryShape { chunk, .. } = self.shape;
        let (begin, length) = ((self.shape.front() + index * chunk) as i64, chunk as i64);
        let how = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        // Otherwise it keeps its pages.
        let _ = fallocate(&self.file, how, begin, length);
        free.bare.push(index);
    }

    fn lock(&self) -> MutexGuard<'_, FreeChunks> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FreeChunks {
    fn mark(&mut self, index: usize) {
        if self.is_taken.len() <= index {
            self.is_taken.resize(index + 1, false);
        }
        self.is_taken[index] = true;
    }
}

impl AsFd for SharedMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: whoever looks at a chunk has an `Arc` of this, and words are lent by it.
        unsafe { libc::munmap(self.address.as_ptr().cast(), self.shape.length()) };
    }
}

/// A chunk that somebody has. It is given back with the last who looks at it.
#[derive(Debug)]
struct SharedChunk {
    memory: Arc<SharedMemory>,
    index: usize,
    /// It is not given back.
    is_left: AtomicBool,
}

impl SharedChunk {
    fn size(&self) -> usize {
        self.memory.shape.chunk
    }

    fn address(&self) -> *mut u8 {
        let at = self.memory.shape.front() + self.index * self.size();
        // SAFETY: its index is one of the mapping's.
        unsafe { self.memory.address.as_ptr().add(at) }
    }
}

impl Drop for SharedChunk {
    fn drop(&mut self) {
        if !self.is_left.load(Ordering::Relaxed) {
            self.memory.give_back(self.index);
        }
    }
}

/// The only one who writes to a chunk, from its front to its end.
#[derive(Debug)]
pub(crate) struct ChunkWriter {
    chunk: Arc<SharedChunk>,
    /// So much of it is written, and stays as it is.
    length: usize,
}

impl ChunkWriter {
    fn of(memory: &Arc<SharedMemory>, index: usize) -> Self {
        let is_left = AtomicBool::new(false);
        Self { chunk: Arc::new(SharedChunk { memory: Arc::clone(memory), index, is_left }), length: 0 }
    }

    /// Leaves it as it is for the process after this one.
    pub(crate) fn leave(self) {
        self.chunk.is_left.store(true, Ordering::Relaxed);
    }

    pub(crate) fn index(&self) -> usize {
        self.chunk.index
    }

    pub(crate) const fn length(&self) -> usize {
        self.length
    }

    /// How much is not written yet.
    pub(crate) fn room(&self) -> usize {
        self.chunk.size() - self.length
    }

    /// Fills a part of what is not written yet.
    pub(crate) fn fill(&mut self, part: Range<usize>, byte: u8) {
        assert!(self.length <= part.start && part.start <= part.end && part.end <= self.chunk.size());
        // SAFETY: within the chunk, and nobody looks at what is not written.
        unsafe { ptr::write_bytes(self.chunk.address().add(part.start), byte, part.len()) };
    }

    /// Where the last byte other than this one ends, in a part of what is not written yet.
    pub(crate) fn end_of_other(&self, part: Range<usize>, byte: u8) -> Option<usize> {
        assert!(self.length <= part.start && part.start <= part.end && part.end <= self.chunk.size());
        // SAFETY: within the chunk; this is its only writer, and does not write meanwhile.
        let bytes = unsafe { std::slice::from_raw_parts(self.chunk.address().add(part.start), part.len()) };
        bytes.iter().rposition(|other| *other != byte).map(|at| part.start + at + 1)
    }

    /// Takes what the process before has written for written.
    pub(crate) fn keep(&mut self, length: usize) {
        self.length = self.length.max(length.min(self.chunk.size()));
    }

    /// Writes behind what is written as much as there is room for. How much that was.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        if step() {
            // SAFETY: within the chunk, nobody looks at what is not written, and a slice of others does not lie in it.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.chunk.address().add(self.length), count) };
        }
        self.length += count;
        count
    }

    /// Reads at most so much, behind what is written.
    pub(crate) fn read(&mut self, from: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        let most = most.min(self.room());
        if !step() {
            return Ok(0);
        }
        // SAFETY: within the chunk, and nobody looks at what is not written.
        let read =
            unsafe { libc::read(from.as_raw_fd(), self.chunk.address().add(self.length).cast(), most) };
        let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
        self.length += read;
        Ok(read)
    }

    /// A part of what is written. It holds the chunk.
    pub(crate) fn bytes(&self, part: Range<usize>) -> Bytes {
        assert!(part.start <= part.end && part.end <= self.length);
        Bytes::from_owner(ChunkPart { chunk: Arc::clone(&self.chunk), part })
    }
}

/// Written bytes of a chunk.
struct ChunkPart {
    chunk: Arc<SharedChunk>,
    part: Range<usize>,
}

impl AsRef<[u8]> for ChunkPart {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: it is written, so that nobody writes it until the chunk is given back, which this prevents.
        unsafe { std::slice::from_raw_parts(self.chunk.address().add(self.part.start), self.part.len()) }
    }
}

/// Whether the process goes on to do what comes next; in tests it may be killed before.
#[cfg(not(test))]
pub(crate) const fn step() -> bool {
    true
}

#[cfg(test)]
pub(crate) use self::kill::step;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const WORDS: usize = CHUNK / 8;

    const fn shape(chunks: usize) -> MemoryShape {
        MemoryShape { words: WORDS, chunks, chunk: CHUNK }
    }

    #[test]
    fn what_was_written_is_there_for_who_opens_it_again() {
        let memory = Arc::new(SharedMemory::create("test", shape(4)).unwrap());
        memory.store(3, 7);
        memory.raise(3, 5);
        assert_eq!((memory.load(3), memory.load(4)), (7, 0));
        let (read, mut write) = io::pipe().unwrap();
        write.write_all(b"some words").unwrap();
        let mut chunk = memory.take().unwrap();
        chunk.fill(0..100, 0xff);
        assert_eq!(chunk.read(read.as_fd(), 100).unwrap(), 10);
        assert_eq!(chunk.bytes(5..10), b"words"[..]);
        let again = memory.as_fd().try_clone_to_owned().unwrap();
        drop((chunk, memory));
        let memory = Arc::new(SharedMemory::open(again, shape(4)).unwrap());
        assert_eq!(memory.load(3), 7);
        let mut chunk = memory.take_left(0).unwrap();
        assert!(memory.take_left(0).is_none());
        assert_eq!(chunk.end_of_other(0..100, 0xff), Some(10));
        chunk.keep(10);
        assert_eq!(chunk.bytes(0..10), b"some words"[..]);
        let other = memory.as_fd().try_clone_to_owned().unwrap();
        assert!(SharedMemory::open(other, shape(5)).is_err());
    }

    #[test]
    fn a_chunk_is_given_back_with_the_last_who_looks_at_it_and_few_keep_their_pages() {
        let memory = Arc::new(SharedMemory::create("test", shape(2 * KEPT)).unwrap());
        let mut chunks: Vec<_> = std::iter::from_fn(|| memory.take()).collect();
        assert_eq!(chunks.len(), 2 * KEPT);
        let mut numbers: Vec<_> = chunks.iter().map(ChunkWriter::index).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..2 * KEPT), "each has its own");
        for chunk in &mut chunks {
            chunk.fill(0..CHUNK, 1);
        }
        let resident = || {
            use std::os::unix::fs::MetadataExt as _;
            memory.file.metadata().unwrap().blocks() as usize * 512
        };
        assert!(resident() >= 2 * KEPT * CHUNK);
        let mut last = chunks.pop().unwrap();
        last.keep(10);
        let bytes = last.bytes(0..10);
        drop(chunks);
        assert!(resident() <= (KEPT + 1) * CHUNK + WORDS * 8, "{}", resident());
        let taken: Vec<_> = std::iter::from_fn(|| memory.take()).collect();
        assert_eq!(taken.len(), 2 * KEPT - 1);
        drop(last);
        assert!(memory.take().is_none(), "somebody looks at it");
        assert_eq!(bytes, [1; 10][..]);
        drop(bytes);
        assert!(memory.take().is_some());
    }
}
