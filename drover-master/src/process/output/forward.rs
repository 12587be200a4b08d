//! Writes to the master's own stdout and stderr, on a thread of its own: a terminal may block a write for as long as it
//! likes, and neither the driver nor a signal waits for it.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::Stream;
use super::aside::Aside;
use super::lines::PIECE;
use super::sinks::flush_sinks;
use super::tended::Tending;
use super::{files, logfile};

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
    Write(Stream, Vec<u8>),
    /// Look at what was said aside, and whether the files are to be opened again.
    Look,
    /// Tell when all before this has been written.
    Tell(oneshot::Sender<()>),
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
        let _ = queue.send(Job::Write(stream, bytes)).await;
        return;
    }
    for piece in bytes.chunks(PIECE) {
        let _ = queue.send(Job::Write(stream, piece.to_vec())).await;
    }
}

/// Writes lines as [`write_output`] does, also one that is longer than a piece as a whole.
pub(super) async fn write_lines(stream: Stream, bytes: Vec<u8>) {
    let Some(queue) = queue() else { return };
    if bytes.len() <= PIECE {
        let _ = queue.send(Job::Write(stream, bytes)).await;
    } else if let (Ok(room), Ok(place)) = (LONG.acquire().await, queue.reserve().await) {
        // Given back by the thread.
        room.forget();
        place.send(Job::Write(stream, bytes));
    }
}

/// Says something on this process's own stderr, and never waits: what does not fit into the buffer, 1 MiB, is lost, and a line says
/// how much it was. For what comes from the runtime's own thread: traces, remarks, panics.
pub fn say_aside(text: &[u8]) {
    let Some(queue) = queue() else { return };
    // A full queue is no matter: the thread looks at what was said aside before each of its jobs.
    ASIDE.keep(text, || queue.try_send(Job::Look).is_ok());
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
    let flushed = async {
        if queue.send(Job::Tell(tell)).await.is_ok() {
            let _ = written.await;
        }
    };
    // A terminal that is stopped does not keep the process.
    let _ = tokio::time::timeout(within, flushed).await;
}

/// Has the files that stdout and stderr are, and those of apps, opened again, each by the thread that writes to it.
pub(crate) fn reopen_files() {
    APPS_HAVE_FILES.store(logfile::reopen_log_files() > 0, Ordering::Relaxed);
    let Some(queue) = queue() else { return };
    REOPEN.store(true, Ordering::Relaxed);
    // A full queue is no matter, as above.
    let _ = queue.try_send(Job::Look);
}

static REOPEN: AtomicBool = AtomicBool::new(false);

static APPS_HAVE_FILES: AtomicBool = AtomicBool::new(false);

static QUEUE: OnceLock<Option<mpsc::Sender<Job>>> = OnceLock::new();

static ASIDE: Aside = Aside::new();

fn queue() -> Option<&'static mpsc::Sender<Job>> {
    QUEUE.get_or_init(start_thread).as_ref()
}

fn start_thread() -> Option<mpsc::Sender<Job>> {
    let (queue, mut jobs) = mpsc::channel(WAITING);
    let run = move || {
        let (mut stdout, mut stderr) = (Losses::default(), Losses::default());
        let mut tending = Tending::default();
        let mut next = None;
        while let Some(job) = next.take().or_else(|| jobs.blocking_recv()) {
            if REOPEN.swap(false, Ordering::Relaxed) || tending.rotates() {
                reopen(&mut stdout, &mut stderr);
            }
            put_aside(&mut tending, &mut stderr);
            match job {
                Job::Write(stream, mut bytes) => {
                    let is_long = bytes.len() > PIECE;
                    next = gather(&mut jobs, stream, &mut bytes);
                    let bytes = tending.stamped(stream, &bytes);
                    match stream {
                        Stream::Stdout => {
                            let written = write(&mut io::stdout().lock(), &bytes);
                            stdout.note(stream, written);
                        }
                        Stream::Stderr => put(&bytes, &mut stderr),
                    }
                    if is_long {
                        LONG.add_permits(1);
                    }
                }
                Job::Look => {}
                Job::Tell(teller) => {
                    stdout.tell(Stream::Stdout);
                    stderr.tell(Stream::Stderr);
                    // What was just told.
                    put_aside(&mut tending, &mut stderr);
                    let _ = teller.send(());
                }
            }
        }
    };
    thread::Builder::new().name("drover-output".into()).stack_size(256 * 1024).spawn(run).ok().map(|_| queue)
}

/// Adds what waits behind it for the same stream, which costs one write then: the end of a hundred workers is told by 200 lines.
/// The answer is what comes next, if that is something else.
fn gather(jobs: &mut mpsc::Receiver<Job>, stream: Stream, bytes: &mut Vec<u8>) -> Option<Job> {
    while bytes.len() < TOGETHER {
        match jobs.try_recv().ok()? {
            Job::Write(other, more) if other == stream && bytes.len() + more.len() <= TOGETHER => {
                bytes.extend_from_slice(&more);
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

fn put_aside(tending: &mut Tending, losses: &mut Losses) {
    let said = ASIDE.take();
    if !said.is_empty() {
        put(&tending.stamped(Stream::Stderr, &said), losses);
    }
}

fn put(bytes: &[u8], losses: &mut Losses) {
    let written = write(&mut io::stderr().lock(), bytes);
    losses.note(Stream::Stderr, written);
}

/// What a stream did not take. It is warned about at the first time, and at the end it is told how much it was in all: a full
/// disk would else be warned about for every line.
#[derive(Debug, Default)]
struct Losses {
    bytes: usize,
    told: usize,
}

/// How many bytes were not written, and why.
type Lost = (usize, io::Error);

impl Losses {
    fn note(&mut self, stream: Stream, written: Result<(), Lost>) {
        match written {
            Ok(()) => {}
            // A pager that was quit: whoever closed it wants no more, and it is not a reason to end workers.
            Err((_, error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err((bytes, error)) => {
                let is_first = self.bytes == 0;
                self.bytes = self.bytes.saturating_add(bytes);
                if is_first {
                    self.told = self.bytes;
                    tracing::warn!(target: "drover::output", %error, bytes, "{stream:?} takes nothing; output is lost");
                }
            }
        }
    }

    fn tell(&mut self, stream: Stream) {
        if self.bytes > self.told {
            self.told = self.bytes;
            tracing::warn!(target: "drover::output", bytes = self.bytes, "output to {stream:?} was lost");
        }
    }
}

/// Writes everything. A stream that a parent shares and made non-blocking (`O_NONBLOCK` belongs to the open file, not to the
/// descriptor, `fcntl(2)`) says EAGAIN when it is full: then this thread waits for it, as it would in `write(2)`.
fn write(stream: &mut (impl Write + AsFd), bytes: &[u8]) -> Result<(), Lost> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(0) => return Err((rest.len(), io::ErrorKind::WriteZero.into())),
            Ok(written) => rest = &rest[written..],
            Err(error) => wait(stream.as_fd(), error).map_err(|error| (rest.len(), error))?,
        }
    }
    // What the standard library keeps back is a begun line.
    let begun = bytes.rsplit(|byte| *byte == b'\n').next().map_or(0, <[u8]>::len).max(1);
    while let Err(error) = stream.flush() {
        wait(stream.as_fd(), error).map_err(|error| (begun, error))?;
    }
    Ok(())
}

/// Waits for what an error says, if it is one that passes.
fn wait(stream: BorrowedFd<'_>, error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock => {
            match poll(&mut [PollFd::new(stream, PollFlags::POLLOUT)], PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_stream_that_does_not_block_is_waited_for_and_loses_nothing() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let text: Vec<u8> = (0..4_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let expected = text.clone();
        // Through the standard library's buffer, as stdout.
        let writer = thread::spawn(move || {
            let written = write(&mut Buffered(io::LineWriter::new(&mut ours)), &text);
            written.map_err(|(_, error)| error)
        });
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).unwrap();
        writer.join().unwrap().unwrap();
        assert!(got == expected, "{} of {} bytes", got.len(), expected.len());
    }

    #[test]
    fn lines_that_wait_are_written_together_in_their_order_and_none_is_cut() {
        let (queue, mut jobs) = mpsc::channel(WAITING);
        let line = |name: &str, length: usize| format!("{name:x<0$}\n", length - 1).into_bytes();
        let (mut short, long) = (line("a", 40), line("b", 3000));
        for job in [
            Job::Write(Stream::Stderr, line("c", 40)),
            Job::Write(Stream::Stderr, long.clone()),
            Job::Write(Stream::Stderr, long.clone()),
            Job::Write(Stream::Stdout, line("d", 40)),
            Job::Write(Stream::Stderr, line("e", 40)),
            Job::Look,
        ] {
            assert!(queue.try_send(job).is_ok());
        }
        let mut gathered = |stream, bytes: &mut Vec<u8>| gather(&mut jobs, stream, bytes);
        let Some(Job::Write(Stream::Stderr, mut next)) = gathered(Stream::Stderr, &mut short) else {
            panic!()
        };
        assert_eq!(short, [line("a", 40), line("c", 40), long.clone()].concat());
        let Some(Job::Write(Stream::Stdout, mut other)) = gathered(Stream::Stderr, &mut next) else {
            panic!()
        };
        assert_eq!(next, long);
        let Some(Job::Write(Stream::Stderr, mut last)) = gathered(Stream::Stdout, &mut other) else {
            panic!()
        };
        assert!(matches!(gathered(Stream::Stderr, &mut last), Some(Job::Look)));
        assert!(gathered(Stream::Stderr, &mut last).is_none());
        assert_eq!((other, last), (line("d", 40), line("e", 40)));
    }

    #[test]
    fn what_a_stream_did_not_take_is_counted_and_a_reader_that_left_is_not_a_loss() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let mut losses = Losses::default();
        losses.note(Stream::Stdout, write(&mut ours, b"to nobody"));
        assert_eq!(losses.bytes, 0);
        let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        losses.note(Stream::Stdout, write(&mut full, b"lost"));
        losses.note(Stream::Stdout, write(&mut full, b"too"));
        assert_eq!((losses.bytes, losses.told), (7, 4));
        losses.tell(Stream::Stdout);
        assert_eq!(losses.told, 7);
    }

    struct Buffered<'a>(io::LineWriter<&'a mut UnixStream>);

    impl Write for Buffered<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }

    impl AsFd for Buffered<'_> {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.get_ref().as_fd()
        }
    }
}
