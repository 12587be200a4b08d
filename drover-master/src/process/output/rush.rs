//! A worker that prints very many short pieces, as one that writes its log line by line without a buffer: to be woken for each of them
//! costs the master ten times what it costs to read them, and slows the worker. So its pipe is no longer waited for, but looked into
//! every millisecond, and is larger meanwhile.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use tokio::time::Instant;

use super::lines::PIECE;

/// What is shorter is a short piece, in bytes: a page, in which the kernel takes what is written at once.
const SHORT: usize = 4096;

/// So many short pieces within [`WINDOW`] are a rush: five thousand in a second, to be woken for each of which costs more than to look.
const PIECES: u32 = 50;
const WINDOW: Duration = Duration::from_millis(10);

/// How often is looked into the pipe. The runtime's clock ticks no faster.
pub(super) const EACH: Duration = Duration::from_millis(1);

/// After so many looks in vain the rush is over.
const IN_VAIN: u32 = 20;

/// The size of a pipe meanwhile, in bytes: what anybody may have by default (`/proc/sys/fs/pipe-max-size`), and what the quickest of
/// such workers prints in four looks.
const LARGE: i32 = 1024 * 1024;

/// How many pipes may be large at once: a quarter of what one user may have (`/proc/sys/fs/pipe-user-pages-soft`), beyond which new
/// pipes are tiny. Further ones stay as they are, and their workers wait for a look more often.
const LARGE_AT_ONCE: usize = 16;

static LARGE_ONES: AtomicUsize = AtomicUsize::new(0);

/// Counts pieces, and notices a rush.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    pieces: u32,
}

impl Pace {
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, pieces: 0 }
    }

    /// Whether it is a rush, with this piece.
    pub(super) fn rushes(&mut self, now: Instant, length: usize) -> bool {
        if length >= SHORT || now.duration_since(self.since) > WINDOW {
            *self = Self::new(now);
        }
        self.pieces += u32::from(length < SHORT);
        self.pieces >= PIECES
    }
}

/// A pipe that is looked into. It does not block.
#[derive(Debug)]
pub(super) struct Rush {
    pipe: File,
    size: usize,
    larger: Option<Larger>,
    buffer: Vec<u8>,
    in_vain: u32,
}

/// What one look found.
#[derive(Debug)]
pub(super) enum Look<'b> {
    /// So much, and there may be more.
    Bytes(&'b [u8]),
    /// Nothing, yet.
    Empty,
    /// Nothing, for a while: it is to be waited for again.
    Over,
    /// Nothing will come any more.
    Ended,
}

impl Rush {
    pub(super) fn new(pipe: OwnedFd) -> Self {
        let larger = Larger::make(&pipe);
        let size = fcntl(pipe.as_fd(), FcntlArg::F_GETPIPE_SZ).ok().and_then(|size| size.try_into().ok());
        Self { pipe: pipe.into(), size: size.unwrap_or(PIECE), larger, buffer: vec![0; PIECE], in_vain: 0 }
    }

    /// Half of what the pipe takes: whoever finds that much has no time to wait.
    pub(super) const fn half(&self) -> usize {
        self.size / 2
    }

    pub(super) fn look(&mut self) -> io::Result<Look<'_>> {
        match self.pipe.read(&mut self.buffer) {
            Ok(0) => Ok(Look::Ended),
            Ok(count) => {
                self.in_vain = 0;
                Ok(Look::Bytes(&self.buffer[..count]))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.in_vain += 1;
                Ok(if self.in_vain >= IN_VAIN { Look::Over } else { Look::Empty })
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Look::Empty),
            Err(error) => Err(error),
        }
    }

    /// The pipe, as large as it was.
    pub(super) fn over(self) -> OwnedFd {
        if let Some(Larger { before }) = &self.larger {
            // If it can't be, it stays large: a matter of memory alone.
            let _ = fcntl(self.pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(*before));
        }
        self.pipe.into()
    }
}

/// One of the pipes that may be large.
#[derive(Debug)]
struct Larger {
    before: i32,
}

impl Larger {
    fn make(pipe: &OwnedFd) -> Option<Self> {
        let before = fcntl(pipe.as_fd(), FcntlArg::F_GETPIPE_SZ).ok().filter(|before| *before < LARGE)?;
        let claim = |count| (count < LARGE_AT_ONCE).then_some(count + 1);
        LARGE_ONES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).ok()?;
        let larger = Self { before };
        fcntl(pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(LARGE)).is_ok().then_some(larger)
    }
}

impl Drop for Larger {
    fn drop(&mut self) {
        LARGE_ONES.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn only_many_short_pieces_in_a_short_time_are_a_rush() {
        let begin = Instant::now();
        let rushes = |pieces: u32, length: usize, apart: Duration| {
            let mut pace = Pace::new(begin);
            (1..=pieces).any(|number| pace.rushes(begin + apart * number, length))
        };
        assert!(rushes(PIECES, 100, Duration::from_micros(10)));
        assert!(!rushes(PIECES - 1, 100, Duration::from_micros(10)));
        assert!(!rushes(PIECES * 9, 100, WINDOW / (PIECES - 2)), "slower");
        assert!(!rushes(PIECES * 9, SHORT, Duration::from_micros(10)), "longer");
    }

    #[test]
    fn a_pipe_is_large_for_a_rush_and_gives_everything_it_has() {
        let (read, write) = io::pipe().unwrap();
        let size = |pipe: &OwnedFd| fcntl(pipe.as_fd(), FcntlArg::F_GETPIPE_SZ).unwrap();
        let read = OwnedFd::from(read);
        fcntl(&read, FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).unwrap();
        let before = size(&read);
        let mut rush = Rush::new(read);
        assert!(rush.half() >= PIECE / 2);
        (&write).write_all(b"said").unwrap();
        assert!(matches!(rush.look().unwrap(), Look::Bytes(b"said")));
        for _ in 1..IN_VAIN {
            assert!(matches!(rush.look().unwrap(), Look::Empty));
        }
        assert!(matches!(rush.look().unwrap(), Look::Over));
        drop(write);
        assert!(matches!(rush.look().unwrap(), Look::Ended));
        assert_eq!(size(&rush.over()), before);
    }
}
