//! Writes to the master's own stdout and stderr such that a successor knows how much of it was written.
//!
//! The bytes go into a pipe that the keeper holds, and the kernel moves them on from there (`splice(2)`): what is still in that pipe is not
//! written, and everything else is. A file that is written at its end can't be spliced to; of that its content tells the same.
//!
//! ```text
//!  IDLE ──► LOADING ──► MOVING ──► IDLE          what a successor does:  LOADING  empties the pipe; its lines come again
//!   │                     └──► PLAIN ──► IDLE                            MOVING   moves the rest
//!   └─────► APPENDING ─────────────────► IDLE                            APPENDING  compares the end of the file, and writes the rest
//!                                                                        PLAIN    takes it for written
//! ```

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};

use super::super::Stream;
use super::super::writing::{Lost, wait, write};
use super::layout::{ENTRIES_OF_OWN, own};
use super::shared::TransitShared;
use super::stream::{Receipt, Taker};
use crate::sys::{ChunkWriter, step};

/// The size of the pipe, in bytes: the longest line with what stands before it.
const ROOM: i32 = 512 * 1024;

const IDLE: u64 = 0;
const LOADING: u64 = 1;
const MOVING: u64 = 2;
const APPENDING: u64 = 3;
const PLAIN: u64 = 4;

/// For the one thread that writes.
#[derive(Debug)]
pub(in crate::process::output) struct OwnOutlet {
    shared: Arc<TransitShared>,
    read: File,
    load: File,
    room: usize,
    /// What the process before has left for this one to write.
    left: Option<(Stream, LeftBytes)>,
}

/// What was under way.
#[derive(Debug)]
enum LeftBytes {
    /// It is in the pipe.
    InPipe,
    /// It is in these, and belongs into this file, from so many bytes on.
    OfFile { chunks: Vec<ChunkWriter>, length: usize, offset: u64, same: [u64; 2] },
}

impl OwnOutlet {
    /// With both ends of a pipe.
    pub(super) fn new(shared: Arc<TransitShared>, read: OwnedFd, load: OwnedFd) -> nix::Result<Self> {
        for end in [&read, &load] {
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        // With less, long lines are not protected.
        let _ = fcntl(&load, FcntlArg::F_SETPIPE_SZ(ROOM));
        let room = usize::try_from(fcntl(&load, FcntlArg::F_GETPIPE_SZ)?).unwrap_or_default();
        Ok(Self { shared, read: read.into(), load: load.into(), room, left: None })
    }

    /// Settles what was under way when the process before was killed. Before anybody takes a chunk; what is to be written is written by
    /// [`resume`](Self::resume).
    pub(super) fn settle(&mut self) -> io::Result<()> {
        let load = |word| self.shared.memory.load(word);
        let stream = if load(own::STREAM) == Stream::Stdout as u64 { Stream::Stdout } else { Stream::Stderr };
        let phase = load(own::PHASE);
        if matches!(phase, MOVING | APPENDING | PLAIN) {
            let count = usize::try_from(load(own::COUNT)).map_or(0, |count| count.min(ENTRIES_OF_OWN));
            for at in (0..count).map(|at| own::ENTRIES + 2 * at) {
                self.shared.raise_done(Taker::Own, [load(at), load(at + 1)]);
            }
        }
        self.left = match phase {
            MOVING => Some((stream, LeftBytes::InPipe)),
            APPENDING => {
                let chunks = (own::CHUNKS..own::CHUNKS + own::MOST_CHUNKS).filter_map(|at| {
                    let index = usize::try_from(load(at)).ok()?.checked_sub(1)?;
                    self.shared.memory.take_left(index)
                });
                let (chunks, length) =
                    (chunks.collect(), usize::try_from(load(own::LENGTH)).unwrap_or_default());
                let (offset, same) = (load(own::OFFSET), [load(own::DEVICE), load(own::INODE)]);
                Some((stream, LeftBytes::OfFile { chunks, length, offset, same }))
            }
            _ => None,
        };
        if self.left.is_none() {
            self.empty()?;
        }
        Ok(())
    }

    /// The stream of which something is left to write.
    pub(in crate::process::output) fn left(&self) -> Option<Stream> {
        self.left.as_ref().map(|(stream, _)| *stream)
    }

    /// Writes what is left.
    pub(in crate::process::output) fn resume(
        &mut self,
        target: &mut (impl Write + AsFd),
    ) -> Result<(), Lost> {
        let written = match self.left.take() {
            None => return Ok(()),
            Some((_, LeftBytes::InPipe)) => self.move_on(target, usize::MAX),
            Some((_, LeftBytes::OfFile { mut chunks, length, offset, same })) => {
                let bytes = kept(&mut chunks, length);
                let written = match appended(target.as_fd(), &bytes, offset, same) {
                    Ok(count) => written(target, &bytes[count..]),
                    // It can't be told, or is another file: then it is taken for written.
                    Err(_) => Ok(()),
                };
                self.shared.memory.store(own::PHASE, IDLE);
                // Until then a successor would look into them.
                drop(chunks);
                return written;
            }
        };
        self.shared.memory.store(own::PHASE, IDLE);
        written
    }

    /// Writes everything, and gives the receipts as soon as that is certain.
    pub(in crate::process::output) fn put(
        &mut self,
        stream: Stream,
        target: &mut (impl Write + AsFd),
        bytes: &[u8],
        receipts: Vec<Receipt>,
    ) -> Result<(), Lost> {
        let memory = Arc::clone(&self.shared.memory);
        let store = |word, value| memory.store(word, value);
        store(own::STREAM, stream as u64);
        store(own::LENGTH, bytes.len() as u64);
        store(own::COUNT, receipts.len().min(ENTRIES_OF_OWN) as u64);
        for (at, receipt) in receipts.iter().take(ENTRIES_OF_OWN).enumerate() {
            let [index, place] = receipt.words();
            store(own::ENTRIES + 2 * at, index);
            store(own::ENTRIES + 2 * at + 1, place);
        }
        let give = || receipts.into_iter().for_each(Receipt::give);
        // Until the end of the write a successor would look into them.
        let chunks;
        let written = if let Some(same) = appended_to(target.as_fd()) {
            chunks = self.keep(bytes, same);
            // Without them it is taken for written from here on.
            store(own::PHASE, if chunks.is_some() { APPENDING } else { PLAIN });
            give();
            written(target, bytes)
        } else if bytes.len() <= self.room && self.load(bytes) {
            store(own::PHASE, MOVING);
            give();
            self.move_on(target, bytes.len())
        } else {
            store(own::PHASE, PLAIN);
            give();
            written(target, bytes)
        };
        self.shared.memory.store(own::PHASE, IDLE);
        written
    }

    /// Puts everything into the pipe, which is empty and large enough. Whether it could.
    fn load(&mut self, bytes: &[u8]) -> bool {
        self.shared.memory.store(own::PHASE, LOADING);
        let is_loaded = !step() || self.load.write(bytes).is_ok_and(|count| count == bytes.len());
        is_loaded || {
            let _ = self.empty();
            false
        }
    }

    /// Moves at most so much of what is in the pipe on, and waits for a target that is slow.
    fn move_on(&mut self, target: &mut (impl Write + AsFd), mut most: usize) -> Result<(), Lost> {
        while most > 0 && step() {
            let flags = SpliceFFlags::SPLICE_F_NONBLOCK;
            match splice(&self.read, None, target.as_fd(), None, most.min(self.room), flags) {
                Ok(0) => break,
                Ok(count) => most -= count,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if self.is_empty() => break,
                Err(error) => {
                    let waited = wait(target.as_fd(), error.into());
                    let Err(error) = waited else { continue };
                    // A terminal of an old kernel, say. From here on it is taken for written.
                    self.shared.memory.store(own::PHASE, PLAIN);
                    let mut rest = Vec::new();
                    let _ = self.read.read_to_end(&mut rest);
                    return match error.raw_os_error() {
                        Some(libc::EINVAL) => written(target, &rest),
                        _ => Err((rest.len(), error)),
                    };
                }
            }
        }
        Ok(())
    }

    /// Whether nothing is in the pipe.
    fn is_empty(&self) -> bool {
        let mut ready = [nix::poll::PollFd::new(self.read.as_fd(), nix::poll::PollFlags::POLLIN)];
        nix::poll::poll(&mut ready, nix::poll::PollTimeout::ZERO) == Ok(0)
    }

    /// Takes everything out of the pipe.
    fn empty(&mut self) -> io::Result<()> {
        if step() {
            match io::copy(&mut self.read, &mut io::sink()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                emptied => drop(emptied?),
            }
        }
        Ok(())
    }

    /// Keeps what is to be written to the end of a file. None: there is no room for it.
    fn keep(&self, bytes: &[u8], (offset, [device, inode]): (u64, [u64; 2])) -> Option<Vec<ChunkWriter>> {
        let (mut chunks, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() && chunks.len() < own::MOST_CHUNKS {
            let mut chunk = self.shared.memory.take()?;
            rest = &rest[chunk.write(rest)..];
            chunks.push(chunk);
        }
        let store = |word, value| self.shared.memory.store(word, value);
        for at in 0..own::MOST_CHUNKS {
            store(own::CHUNKS + at, chunks.get(at).map_or(0, |chunk| chunk.index() as u64 + 1));
        }
        store(own::OFFSET, offset);
        store(own::DEVICE, device);
        store(own::INODE, inode);
        rest.is_empty().then_some(chunks)
    }
}

fn written(target: &mut (impl Write + AsFd), bytes: &[u8]) -> Result<(), Lost> {
    if step() { write(target, bytes) } else { Ok(()) }
}

/// Of a file that is always written at its end: its length, and which it is.
fn appended_to(target: BorrowedFd<'_>) -> Option<(u64, [u64; 2])> {
    let flags = OFlag::from_bits_retain(fcntl(target, FcntlArg::F_GETFL).ok()?);
    let open =
        File::from(flags.contains(OFlag::O_APPEND).then(|| target.try_clone_to_owned().ok()).flatten()?);
    let there = open.metadata().ok().filter(|there| there.is_file())?;
    Some((there.len(), [there.dev(), there.ino()]))
}

/// The bytes of these.
fn kept(chunks: &mut [ChunkWriter], length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in chunks {
        chunk.keep(length - bytes.len());
        bytes.extend_from_slice(&chunk.bytes(0..chunk.length()));
    }
    bytes
}

/// How many of the bytes the file has from there on. Others may have written behind them.
fn appended(target: BorrowedFd<'_>, bytes: &[u8], offset: u64, same: [u64; 2]) -> io::Result<usize> {
    // It may be open for writing only.
    let open = File::open(format!("/proc/self/fd/{}", target.as_raw_fd()))?;
    let there = open.metadata()?;
    if [there.dev(), there.ino()] != same {
        return Err(io::Error::other("it is another file"));
    }
    let mut found = vec![0; bytes.len()];
    let mut length = 0;
    while length < found.len() {
        match open.read_at(&mut found[length..], offset + length as u64)? {
            0 => break,
            count => length += count,
        }
    }
    Ok(bytes.iter().zip(&found[..length]).take_while(|(ours, theirs)| ours == theirs).count())
}

const _: () = assert!(own::ENTRIES + 2 * ENTRIES_OF_OWN <= 512);
