//! A worker that prints very many short pieces, as one that writes its log line by line without a buffer: to be woken for each of them
//! costs the master ten times what it costs to read them, and slows the worker. So its pipe is no longer waited for, but looked into
//! every millisecond, and is larger meanwhile.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use nix::fcntl::{FcntlArg, fcntl};
use tokio::time::Instant;

use super::lines::PIECE;
use super::transit::{PipeBytes, TransitStream};

/// What is shorter is a short piece, in bytes: a page, in which the kernel takes what is written at once.
const SHORT: usize = 4096;

/// So many short pieces within [`WINDOW`] are a rush: five thousand in a second, to be woken for each of which costs more than to look.
const PIECES: u32 = 50;
const WINDOW: Duration = Duration::from_millis(10);

/// How often is looked into the pipe. The runtime's clock ticks no faster.
pub(super) const EACH: Duration = Duration::from_millis(1);

/// When more than half of so many looks were in vain, the rush is over: to be woken for each piece costs no more then. A worker that
/// falls silent is looked after for half of them, twenty milliseconds, in which one that only had to wait for a processor goes on.
const LOOKS: u32 = 40;

/// After so long it is tried whether it still is a rush, by waiting for each piece again: of what a full pipe holds nobody can tell the
/// length of the pieces, and long ones are read faster by waiting. A worker that rushes on costs fifty wakeups more in it.
const TRIAL: Duration = Duration::from_secs(1);

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

/// Counts looks, and notices when too many are in vain.
#[derive(Debug, Default)]
struct LookCount {
    all: u32,
    in_vain: u32,
}

impl LookCount {
    /// Whether the rush is over, with this look.
    fn is_over(&mut self, has_found: bool) -> bool {
        self.all += 1;
        self.in_vain += u32::from(!has_found);
        let is_over = self.in_vain > LOOKS / 2;
        if self.all == LOOKS {
            *self = Self::default();
        }
        is_over
    }
}

/// A pipe that is looked into. It does not block.
#[derive(Debug)]
pub(super) struct Rush {
    pipe: File,
    size: usize,
    larger: Option<LargePipe>,
    /// What is read into, if that is not memory that outlives the process.
    buffer: Vec<u8>,
    since: Instant,
    looks: LookCount,
}

/// What one look found.
#[derive(Debug)]
pub(super) enum Look {
    /// So much.
    Bytes(PipeBytes),
    /// Nothing, yet.
    Empty,
    /// Nothing, for a while: it is to be waited for again.
    Over,
    /// Nothing will come any more.
    Ended,
}

impl Rush {
    /// A pipe that may still be large from a rush before.
    pub(super) fn new(pipe: OwnedFd, larger: Option<LargePipe>, now: Instant) -> Self {
        let larger = larger.or_else(|| LargePipe::make(&pipe));
        let size = fcntl(pipe.as_fd(), FcntlArg::F_GETPIPE_SZ).ok().and_then(|size| size.try_into().ok());
        let size = size.unwrap_or(PIECE);
        let looks = LookCount::default();
        Self { pipe: pipe.into(), size, larger, buffer: Vec::new(), since: now, looks }
    }

    /// Half of what the pipe takes: whoever finds that much has no time to wait.
    pub(super) const fn half(&self) -> usize {
        self.size / 2
    }

    /// Whether it is time to try whether it still is one.
    pub(super) fn is_on_trial(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= TRIAL
    }

    /// Reads into the memory of the stream, if it has any.
    pub(super) fn look(&mut self, way: Option<&TransitStream>) -> io::Result<Look> {
        let read = match way {
            Some(way) => way.read(self.pipe.as_fd()),
            None => self.read().map(Some),
        };
        match read {
            // No room yet: the caller looks again.
            Ok(None) => Ok(Look::Empty),
            Ok(Some(read)) if read.bytes.is_empty() => Ok(Look::Ended),
            Ok(Some(read)) => {
                self.looks.is_over(true);
                Ok(Look::Bytes(read))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Ok(if self.looks.is_over(false) { Look::Over } else { Look::Empty })
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Look::Empty),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self) -> io::Result<PipeBytes> {
        self.buffer.resize(PIECE, 0);
        let count = self.pipe.read(&mut self.buffer)?;
        Ok(PipeBytes { bytes: Bytes::copy_from_slice(&self.buffer[..count]), is_all: count < PIECE })
    }

    /// The pipe, as large as it was; or large still, as it holds more than that now (EBUSY, `fcntl(2)`).
    pub(super) fn over(mut self) -> (OwnedFd, Option<LargePipe>) {
        let is_smaller =
            |larger: &mut LargePipe| fcntl(&self.pipe, FcntlArg::F_SETPIPE_SZ(larger.before)).is_ok();
        drop(self.larger.take_if(is_smaller));
        (self.pipe.into(), self.larger)
    }
}

/// One of the pipes that may be large, and is.
#[derive(Debug)]
pub(super) struct LargePipe {
    before: i32,
}

impl LargePipe {
    fn make(pipe: &OwnedFd) -> Option<Self> {
        let before = fcntl(pipe.as_fd(), FcntlArg::F_GETPIPE_SZ).ok().filter(|before| *before < LARGE)?;
        let claim = |count| (count < LARGE_AT_ONCE).then_some(count + 1);
        LARGE_ONES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).ok()?;
        let larger = Self { before };
        fcntl(pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(LARGE)).is_ok().then_some(larger)
    }
}

impl Drop for LargePipe {
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
        assert!(!rushes(PIECES * 9, PIECE, Duration::from_micros(10)), "as much as a pipe holds");
        // A longer one among the short ones begins anew.
        let mut pace = Pace::new(begin);
        let mut lengths = (0..PIECES * 9).map(|number| if number % (PIECES - 1) == 0 { SHORT } else { 100 });
        assert!(!lengths.any(|length| pace.rushes(begin, length)));
        // A burst of fewer, again and again, as of one that prints little.
        let mut pace = Pace::new(begin);
        let mut bursts = (0..PIECES * 9).map(|number| begin + WINDOW * 2 * (number / (PIECES - 1)));
        assert!(!bursts.any(|now| pace.rushes(now, 100)));
    }

    #[test]
    fn a_pipe_is_large_for_a_rush_and_gives_everything_it_has() {
        let (read, write) = io::pipe().unwrap();
        let size = |pipe: &OwnedFd| fcntl(pipe.as_fd(), FcntlArg::F_GETPIPE_SZ).unwrap();
        let read = OwnedFd::from(read);
        fcntl(&read, FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).unwrap();
        let before = size(&read);
        let begin = Instant::now();
        let mut rush = Rush::new(read, None, begin);
        assert!(rush.half() >= PIECE / 2);
        (&write).write_all(b"said").unwrap();
        assert!(matches!(rush.look(None).unwrap(), Look::Bytes(read) if read.bytes == "said" && read.is_all));
        for _ in 0..LOOKS / 2 {
            assert!(matches!(rush.look(None).unwrap(), Look::Empty));
        }
        assert!(matches!(rush.look(None).unwrap(), Look::Over));
        assert!(!rush.is_on_trial(begin + TRIAL / 2) && rush.is_on_trial(begin + TRIAL));
        let (read, larger) = rush.over();
        assert!(size(&read) == before && larger.is_none());
        // One that holds more than it would take stays large, for the next rush too.
        let mut rush = Rush::new(read, None, begin);
        if rush.half() * 2 > usize::try_from(before).unwrap() {
            (&write).write_all(&vec![b'x'; rush.half() * 2]).unwrap();
            let (read, larger) = rush.over();
            assert!(size(&read) > before && larger.is_some());
            rush = Rush::new(read, larger, begin);
            while let Look::Bytes(_) = rush.look(None).unwrap() {}
        }
        drop(write);
        assert!(matches!(rush.look(None).unwrap(), Look::Ended));
        let (read, larger) = rush.over();
        assert!(size(&read) == before && larger.is_none());
    }

    #[test]
    fn a_rush_is_over_when_most_looks_are_in_vain() {
        let looks_until_over = |finds: &dyn Fn(u32) -> bool| {
            let mut looks = LookCount::default();
            (0..LOOKS * 100).position(|number| looks.is_over(finds(number)))
        };
        let half = LOOKS as usize / 2;
        assert_eq!(looks_until_over(&|_| false), Some(half), "silence");
        assert_eq!(looks_until_over(&|_| true), None, "without a pause");
        assert_eq!(looks_until_over(&|number| number % 2 == 0), None, "every second look");
        assert!(looks_until_over(&|number| number % 3 == 0).unwrap() < LOOKS as usize, "every third");
        assert!(
            looks_until_over(&|number| number % 15 == 0).unwrap() < LOOKS as usize,
            "a line now and then"
        );
        let pause_after_rush = |number| !(200..200 + LOOKS).contains(&number);
        assert!((201..240).contains(&looks_until_over(&pause_after_rush).unwrap()));
    }
}
