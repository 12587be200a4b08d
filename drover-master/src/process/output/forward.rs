//! Writes to the master's own stdout and stderr, on a thread of its own: a terminal may block a write for as long as it
//! likes, and neither the driver nor a signal waits for it.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::aside::Aside;
use super::lines::PIECE;
use super::lost::count_lost_by;
use super::sinks::flush_sinks;
use super::standing::{StandingLine, StandingWriter};
use super::tended::Tending;
use super::transit::{ENTRIES_OF_OWN, OutputTransit, OwnOutlet, Receipt};
use super::writing::{Losses, Lost, write};
use super::{Stream, files, logfile};
use crate::keeper::Holds;

/// How many writes may wait; each is at most a [`PIECE`] or a long line, so at most 4 MiB and those. Readers of pipes wait when it is full.
const WAITING: usize = 64;

/// How many lines that are longer than a [`PIECE`] may wait beside those: 2 MiB. They are written whole, as whoever reads JSON line by
/// line can't use the half of one with another worker's line in it.
const LONG_WAITING: usize = 8;

/// How much that waits goes into one write, in bytes: what a pipe takes as a whole (PIPE_BUF, `pipe(7)`), so that what others write to it
/// can't come into the middle of a line.
const TOGETHER: usize = 4096;

static LONG: Semaphore = Semaphore::const_new(LONG_WAITING);

enum Job {
    /// With the receipt of the last byte, if there is one.
    Write(Stream, Vec<u8>, Option<Receipt>),
    /// Look at what was said aside, and whether the files are to be opened again.
    Look,
    /// Tell when all before this has been written.
    Tell(Box<dyn FnOnce() + Send>),
}

/// Writes bytes to this process's own stdout or stderr, in order with the forwarded output of workers, and without blocking
/// the runtime: waits only while the writing thread is behind. More than 64 KiB is handed over in pieces of that size, and
/// other output may come between them. Without a thread (none could be made) the bytes are lost: output never holds up a
/// worker's life.
///
/// # Cancel safety
///
/// A dropped future may have handed on nothing, or the first pieces; a piece is not written in part.
pub async fn write_output(stream: Stream, bytes: Vec<u8>) {
    let Some(queue) = queue() else { return };
    if bytes.capacity() <= PIECE {
        let _ = queue.send(Job::Write(stream, bytes, None)).await;
        return;
    }
    for piece in bytes.chunks(PIECE) {
        let _ = queue.send(Job::Write(stream, piece.to_vec(), None)).await;
    }
}

/// Goes on with what the process before was writing, and from now on protects what is written with a receipt.
pub(crate) fn protect_output(holds: &Holds) -> OutputTransit {
    count_lost_by(holds.tallies());
    let (transit, outlet) = OutputTransit::of(holds);
    if let Some(outlet) = outlet {
        write_by(outlet);
    }
    transit
}

pub(super) fn write_by(outlet: OwnOutlet) {
    *OUTLET.lock().unwrap_or_else(PoisonError::into_inner) = Some(outlet);
    if let Some(queue) = queue() {
        // A full queue does no harm: the thread looks before each of its jobs.
        let _ = queue.try_send(Job::Look);
    }
}

/// Writes lines, or what was read, as [`write_output`] does, also what is longer than a piece as a whole.
pub(super) async fn write_whole(stream: Stream, bytes: Vec<u8>, receipt: Option<Receipt>) {
    let Some(queue) = queue() else { return receipt.into_iter().for_each(Receipt::give) };
    if bytes.len() <= PIECE {
        let _ = queue.send(Job::Write(stream, bytes, receipt)).await;
    } else if let (Ok(room), Ok(place)) = (LONG.acquire().await, queue.reserve().await) {
        // Given back by the thread.
        room.forget();
        place.send(Job::Write(stream, bytes, receipt));
    }
}

/// Says something on this process's own stderr, and never waits: what does not fit into the buffer, 1 MiB, is lost, and a line says
/// how much it was. For what comes from the runtime's own thread: traces, remarks, panics.
pub fn say_aside(text: &[u8]) {
    let Some(queue) = queue() else { return };
    // A full queue does no harm: the thread looks at what was said aside before each of its jobs.
    ASIDE.keep(text, || queue.try_send(Job::Look).is_ok());
}

/// Has a line stand below everything else on this process's own stderr, a terminal, from now on; none takes it away without a trace.
/// Never waits. The line has no line break, and fits into a row. It is written on a change, but no more than ten times a second; where it
/// came too soon, or had to make room for other lines, it is written when it is wanted the next time.
pub fn keep_standing(line: Option<String>) {
    // Without one no thread is needed for it.
    let queue = if line.is_some() { queue() } else { QUEUE.get().and_then(Option::as_ref) };
    let Some(queue) = queue else { return };
    STANDING.want(line, || queue.try_send(Job::Look).is_ok());
}

/// Whether what is written to this process's stdout or stderr is thrown away by the kernel, so that it need not be made. A stream that
/// is not a file stays what it was at first.
pub(super) fn goes_nowhere(stream: Stream) -> bool {
    static NOWHERE: OnceLock<[bool; 2]> = OnceLock::new();
    let nowhere = NOWHERE.get_or_init(|| {
        let Ok(null) = nix::sys::stat::stat("/dev/null") else { return [false; 2] };
        let is_null = |fd: BorrowedFd<'_>| {
            nix::sys::stat::fstat(fd).is_ok_and(|open| {
                open.st_rdev == null.st_rdev && open.st_mode & libc::S_IFMT == libc::S_IFCHR
            })
        };
        [is_null(io::stdout().as_fd()), is_null(io::stderr().as_fd())]
    });
    nowhere[stream as usize]
}

/// Waits until everything handed over so far has been written, at most for `within`. Call it before the process ends.
///
/// # Cancel safety
///
/// A dropped future changes nothing.
pub async fn flush_output(within: Duration) {
    flush_sinks(within).await;
    let Some(Some(queue)) = QUEUE.get() else { return };
    let (tell, written) = oneshot::channel();
    let tell = Box::new(|| {
        let _ = tell.send(());
    });
    let flushed = async {
        if queue.send(Job::Tell(tell)).await.is_ok() {
            let _ = written.await;
        }
    };
    // A terminal that is stopped does not keep the process.
    let _ = tokio::time::timeout(within, flushed).await;
}

/// The same for a program that has nothing else to do: blocks until everything has been written, or the queue is found full.
pub fn settle_output(within: Duration) {
    let Some(Some(queue)) = QUEUE.get() else { return };
    let (tell, written) = std::sync::mpsc::sync_channel(1);
    let tell = Box::new(move || {
        let _ = tell.send(());
    });
    if queue.try_send(Job::Tell(tell)).is_ok() {
        let _ = written.recv_timeout(within);
    }
}

/// Has the files that stdout and stderr are, and those of apps, opened again, each by the thread that writes to it.
pub(crate) fn reopen_files() {
    APPS_HAVE_FILES.store(logfile::reopen_log_files() > 0, Ordering::Relaxed);
    let Some(queue) = queue() else { return };
    REOPEN.store(true, Ordering::Relaxed);
    // A full queue does no harm, as above.
    let _ = queue.try_send(Job::Look);
}

/// For the thread that writes.
static OUTLET: Mutex<Option<OwnOutlet>> = Mutex::new(None);

static REOPEN: AtomicBool = AtomicBool::new(false);

static APPS_HAVE_FILES: AtomicBool = AtomicBool::new(false);

static QUEUE: OnceLock<Option<mpsc::Sender<Job>>> = OnceLock::new();

static ASIDE: Aside = Aside::new();

static STANDING: StandingLine = StandingLine::new();

fn queue() -> Option<&'static mpsc::Sender<Job>> {
    QUEUE.get_or_init(start_thread).as_ref()
}

fn start_thread() -> Option<mpsc::Sender<Job>> {
    let (queue, mut jobs) = mpsc::channel(WAITING);
    let run = move || {
        let mut written = OwnWriter::default();
        let mut next = None;
        while let Some(job) = next.take().or_else(|| jobs.blocking_recv()) {
            if REOPEN.swap(false, Ordering::Relaxed) || written.tending.rotates() {
                reopen(&mut written.stdout, &mut written.stderr);
            }
            if let Some(outlet) = OUTLET.lock().unwrap_or_else(PoisonError::into_inner).take() {
                written.resume(outlet);
            }
            written.put(Stream::Stderr, &ASIDE.take(), Vec::new());
            match job {
                Job::Write(stream, mut bytes, receipt) => {
                    let is_long = bytes.len() > PIECE;
                    let mut receipts = Vec::from_iter(receipt);
                    next = gather(&mut jobs, stream, &mut bytes, &mut receipts);
                    written.put(stream, &bytes, receipts);
                    if is_long {
                        LONG.add_permits(1);
                    }
                }
                Job::Look => {}
                Job::Tell(tell) => {
                    written.stdout.tell(Stream::Stdout);
                    written.stderr.tell(Stream::Stderr);
                    // What was just told.
                    written.put(Stream::Stderr, &ASIDE.take(), Vec::new());
                    written.stand();
                    tell();
                }
            }
            written.stand();
        }
    };
    thread::Builder::new().name("drover-output".into()).stack_size(256 * 1024).spawn(run).ok().map(|_| queue)
}

/// Adds what waits behind it for the same stream, which costs one write then: the end of a hundred workers is told by 200 lines.
/// The answer is what comes next, if that is something else.
fn gather(
    jobs: &mut mpsc::Receiver<Job>,
    stream: Stream,
    bytes: &mut Vec<u8>,
    receipts: &mut Vec<Receipt>,
) -> Option<Job> {
    while bytes.len() < TOGETHER && receipts.len() < ENTRIES_OF_OWN {
        match jobs.try_recv().ok()? {
            Job::Write(other, more, receipt) if other == stream && bytes.len() + more.len() <= TOGETHER => {
                bytes.extend_from_slice(&more);
                receipts.extend(receipt);
            }
            other => return Some(other),
        }
    }
    None
}

fn reopen(stdout: &mut Losses, stderr: &mut Losses) {
    let reopened = files::reopen();
    if reopened.is_empty() && !APPS_HAVE_FILES.load(Ordering::Relaxed) {
        tracing::warn!(target: "drover::output", "SIGUSR1 opens log files again; neither stdout nor stderr is one, and no app has any");
    }
    for stream in reopened {
        match stream {
            // What the file before did not take is told in the one after it, and counted anew.
            Ok(Stream::Stdout) => std::mem::take(stdout).tell(Stream::Stdout),
            Ok(Stream::Stderr) => std::mem::take(stderr).tell(Stream::Stderr),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(target: "drover::output", cause, "{error}");
            }
        }
    }
}

/// What the thread knows of both streams.
#[derive(Debug, Default)]
struct OwnWriter {
    stdout: Losses,
    stderr: Losses,
    tending: Tending,
    standing: StandingWriter,
    /// Protects what has a receipt.
    outlet: Option<OwnOutlet>,
}

impl OwnWriter {
    /// Writes what the process before was writing.
    fn resume(&mut self, mut outlet: OwnOutlet) {
        match outlet.left() {
            Some(Stream::Stdout) => self.stdout.note(Stream::Stdout, outlet.resume(&mut io::stdout().lock())),
            Some(Stream::Stderr) => self.stderr.note(Stream::Stderr, outlet.resume(&mut io::stderr().lock())),
            None => {}
        }
        self.outlet = Some(outlet);
    }

    fn put(&mut self, stream: Stream, bytes: &[u8], receipts: Vec<Receipt>) {
        if bytes.is_empty() {
            return receipts.into_iter().for_each(Receipt::give);
        }
        let erase = self.standing.before(&STANDING, stream, bytes);
        if !erase.is_empty() {
            // A terminal that is gone takes nothing else either, which is told below.
            let _ = write(&mut io::stderr().lock(), erase);
        }
        let bytes = self.tending.stamped(stream, bytes);
        match stream {
            Stream::Stdout => {
                let written = put(&mut self.outlet, stream, &mut io::stdout().lock(), &bytes, receipts);
                self.stdout.note(stream, written);
            }
            Stream::Stderr => {
                let written = put(&mut self.outlet, stream, &mut io::stderr().lock(), &bytes, receipts);
                self.stderr.note(stream, written);
            }
        }
    }

    /// Writes the line that stands below all this, if there is something new about it.
    fn stand(&mut self) {
        if let Some(line) = self.standing.after(&STANDING, Instant::now()) {
            let _ = write(&mut io::stderr().lock(), &line);
        }
    }
}

fn put(
    outlet: &mut Option<OwnOutlet>,
    stream: Stream,
    target: &mut (impl Write + AsFd),
    bytes: &[u8],
    receipts: Vec<Receipt>,
) -> Result<(), Lost> {
    match outlet {
        Some(outlet) if !receipts.is_empty() => outlet.put(stream, target, bytes, receipts),
        _ => {
            receipts.into_iter().for_each(Receipt::give);
            write(target, bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_wait_are_written_together_in_their_order_and_none_is_cut() {
        let (queue, mut jobs) = mpsc::channel(WAITING);
        let line = |name: &str, length: usize| format!("{name:x<0$}\n", length - 1).into_bytes();
        let (mut short, long) = (line("a", 40), line("b", 3000));
        for job in [
            Job::Write(Stream::Stderr, line("c", 40), None),
            Job::Write(Stream::Stderr, long.clone(), None),
            Job::Write(Stream::Stderr, long.clone(), None),
            Job::Write(Stream::Stdout, line("d", 40), None),
            Job::Write(Stream::Stderr, line("e", 40), None),
            Job::Look,
        ] {
            assert!(queue.try_send(job).is_ok());
        }
        let mut gathered = |stream, bytes: &mut Vec<u8>| gather(&mut jobs, stream, bytes, &mut Vec::new());
        let Some(Job::Write(Stream::Stderr, mut next, None)) = gathered(Stream::Stderr, &mut short) else {
            panic!()
        };
        assert_eq!(short, [line("a", 40), line("c", 40), long.clone()].concat());
        let Some(Job::Write(Stream::Stdout, mut other, None)) = gathered(Stream::Stderr, &mut next) else {
            panic!()
        };
        assert_eq!(next, long);
        let Some(Job::Write(Stream::Stderr, mut last, None)) = gathered(Stream::Stdout, &mut other) else {
            panic!()
        };
        assert!(matches!(gathered(Stream::Stderr, &mut last), Some(Job::Look)));
        assert!(gathered(Stream::Stderr, &mut last).is_none());
        assert_eq!((other, last), (line("d", 40), line("e", 40)));
    }
}
