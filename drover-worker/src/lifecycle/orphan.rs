//! No worker outlives its last master.
//!
//! A thread of its own waits for the end of the connection and then gives the process a bounded time. It needs
//! neither the async runtime, which the app may block, nor any lock, which a stuck thread may hold.
//!
//! ```text
//!  connected ──── the connection ends ───► ShutDown was said? ── yes ──► the thread ends
//!      ▲                                          │ no
//!      │                                          ├── orphan_timeout ──────────────────► the group is killed, else _exit(70)
//!      │                                          └── twice as long, if somebody holds the master's socket: the same
//!      └── there is another connection ───────────┘
//! ```
//!
//! Only a runtime that runs connects, so one that is blocked has the short time. The thread sleeps on when it is told of either: it looks
//! when its time is over.
//!
//! The same thread hears of a SIGTERM that somebody else than the master has sent, and tells why a process that said ShutDown is still there.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
// On a thread without a runtime this is the clock of the system.
use tokio::time::Instant;

use crate::sys;

/// The exit code of a worker whose master is gone, where it leads no group: `EX_SOFTWARE` of sysexits.h.
const EXIT_CODE: i32 = 70;

/// The thread calls the kernel; for a signal, also the traces of the app. Only what is used of it costs memory.
const STACK_BYTES: usize = 256 * 1024;

/// The shortest default, so that limits of zero do not end a worker at once.
const SHORTEST_DEFAULT: Duration = Duration::from_secs(1);

/// How long a process may live on after ShutDown and the end of its connection without a word about it.
const WORDLESS: Duration = Duration::from_secs(1);

/// What an event of the epoll is about: this, or the number of a connection.
const BELL: u64 = 0;

/// The first connection.
const FIRST: u64 = 1;

/// Whether the worker has said ShutDown, after which the end of the connection is expected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leaving(Arc<AtomicBool>);

impl Leaving {
    pub(crate) fn announce(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_announced(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The time a worker has to drain and to leave: what the master would have waited, at least 1 s.
pub(crate) fn default_timeout(drain_ms: u64, quit_ms: u64) -> Duration {
    Duration::from_millis(drain_ms.saturating_add(quit_ms)).max(SHORTEST_DEFAULT)
}

/// What the thread watches, and the words of the runtime to it. The thread takes no lock.
#[derive(Debug)]
pub(crate) struct OrphanWatch {
    epoll: Epoll,
    /// A second handle on the connection of today. Kept until there is another, so that its end is not missed.
    connection: Mutex<UnixStream>,
    /// The number of that connection: the end of an earlier one says nothing any more.
    number: AtomicU64,
    /// The number of the connection after whose end somebody was found to hold the master's socket.
    held_after: AtomicU64,
    /// In milliseconds; that of the last Welcome.
    timeout: AtomicU64,
}

/// When which connection has ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    number: u64,
    at: Instant,
}

impl OrphanWatch {
    /// Starts the thread. `rung` is called when `bell`, if there is one, is readable. A process that `is_own_master`, as in a test, may well
    /// live on after ShutDown.
    pub(crate) fn start(
        connection: impl AsFd,
        leaving: Leaving,
        timeout: Duration,
        is_own_master: bool,
        bell: Option<BorrowedFd<'static>>,
        rung: impl Fn() + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let connection = UnixStream::from(connection.as_fd().try_clone_to_owned()?);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&connection, the_end_of(FIRST))?;
        if let Some(bell) = bell {
            // Told once: nobody reads it.
            epoll.add(bell, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, BELL))?;
        }
        let watch = Arc::new(Self {
            epoll,
            connection: Mutex::new(connection),
            number: AtomicU64::new(FIRST),
            held_after: AtomicU64::new(0),
            timeout: AtomicU64::new(millis(timeout)),
        });
        let watched = Arc::clone(&watch);
        let thread = thread::Builder::new().name("drover-orphan".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(move || match watched.await_the_last_end(&leaving, &rung) {
            Last::Expected => {
                drop((watched, rung));
                if !is_own_master {
                    sleep(WORDLESS);
                    tell_what_keeps_it();
                }
            }
            Last::TimeIsOver => sys::exit_now_with_group(EXIT_CODE),
        })?;
        Ok(watch)
    }

    /// Ends the connection of today. The thread may learn of it later.
    pub(crate) fn end_connection(&self) {
        // Fails only if the master was faster to close.
        let _closed_already = self.connection().shutdown(Shutdown::Both);
    }

    /// Somebody holds the master's socket, so there may be another master: after this end the process has twice the time.
    pub(crate) fn socket_is_held(&self) {
        self.held_after.store(self.number.load(Ordering::Acquire), Ordering::Release);
    }

    /// There is another connection: no end of an earlier one counts.
    pub(crate) fn connected_again(&self, connection: impl AsFd, timeout: Duration) -> io::Result<()> {
        let connection = UnixStream::from(connection.as_fd().try_clone_to_owned()?);
        self.timeout.store(millis(timeout), Ordering::Release);
        let number = self.number.load(Ordering::Acquire) + 1;
        // Before the thread can hear of its end.
        self.number.store(number, Ordering::Release);
        self.epoll.add(&connection, the_end_of(number))?;
        *self.connection() = connection;
        Ok(())
    }

    fn connection(&self) -> MutexGuard<'_, UnixStream> {
        self.connection.lock().expect("never poisoned: nothing inside panics")
    }

    /// Blocks until a connection has ended that no other follows in time.
    fn await_the_last_end(&self, leaving: &Leaving, rung: &impl Fn()) -> Last {
        let mut ended = None;
        let mut events = [EpollEvent::empty()];
        loop {
            let deadline = self.deadline(ended);
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Last::TimeIsOver;
            }
            match self.epoll.wait(&mut events, left.map_or(EpollTimeout::NONE, timeout)) {
                Ok(1..) if events[0].data() == BELL => rung(),
                Ok(1..) => {
                    let number = events[0].data();
                    if number == self.number.load(Ordering::Acquire) {
                        if leaving.is_announced() {
                            return Last::Expected;
                        }
                        ended = Some(Ended { number, at: Instant::now() });
                    }
                }
                Ok(0) | Err(Errno::EINTR) => {}
                Err(_) => {
                    // The connection can't be watched: as if it had ended.
                    sleep(Duration::from_millis(self.timeout.load(Ordering::Acquire)));
                    return Last::TimeIsOver;
                }
            }
        }
    }

    /// Until when the process may live after this end; `None`: as long as it likes.
    fn deadline(&self, ended: Option<Ended>) -> Option<Instant> {
        let Ended { number, at } = ended?;
        if number != self.number.load(Ordering::Acquire) {
            return None;
        }
        let times = if self.held_after.load(Ordering::Acquire) == number { 2 } else { 1 };
        let timeout = self.timeout.load(Ordering::Acquire).saturating_mul(times);
        at.checked_add(Duration::from_millis(timeout))
    }
}

/// What becomes of the process after the end of its last connection.
enum Last {
    /// It has said ShutDown.
    Expected,
    TimeIsOver,
}

/// EPOLLRDHUP tells of the end even while frames are unread; EPOLLHUP and EPOLLERR are always told. Once: it stays ended.
fn the_end_of(number: u64) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLONESHOT, number)
}

/// Rounded up, so that the time is over when it has passed. What does not fit takes several waits.
fn timeout(left: Duration) -> EpollTimeout {
    let millis = left.as_nanos().div_ceil(1_000_000);
    EpollTimeout::try_from(i32::try_from(millis).unwrap_or(i32::MAX)).unwrap_or(EpollTimeout::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A receive that nobody answers is a sleep without spurious wakeups, and one that knows "for ever".
fn sleep(duration: Duration) {
    let (_nobody, silence) = mpsc::sync_channel::<()>(0);
    let _timed_out = silence.recv_timeout(duration);
}

/// On stderr and not as a trace, because what takes traces is gone by now as a rule; the master shows it among the last words.
fn tell_what_keeps_it() {
    let line = format!(
        "drover-worker: the process is still there {WORDLESS:?} after it said ShutDown: something blocks its end, such as a task of \
         spawn_blocking, which the end of a runtime waits for. The master ends it by SIGTERM when its time to leave (5 s by default) has passed.\n"
    );
    // Nobody may be there to read it.
    let _unheard = io::stderr().write_all(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_counts_from_the_end_of_the_last_connection_and_is_twice_as_long_where_somebody_holds_the_socket()
     {
        let hour = Duration::from_secs(3600);
        let (first, master) = UnixStream::pair().unwrap();
        let watch = OrphanWatch::start(&first, Leaving::default(), hour, true, None, || {}).unwrap();
        let at = Instant::now();
        let ended = |number| Some(Ended { number, at });
        assert_eq!(watch.deadline(None), None);
        assert_eq!(watch.deadline(ended(1)), Some(at + hour));
        watch.socket_is_held();
        assert_eq!(watch.deadline(ended(1)), Some(at + hour * 2));

        let (second, successor) = UnixStream::pair().unwrap();
        watch.connected_again(&second, hour * 3).unwrap();
        assert_eq!(watch.deadline(ended(1)), None, "of an earlier connection");
        assert_eq!(watch.deadline(ended(2)), Some(at + hour * 3), "that of the new master");
        watch.connected_again(&second, Duration::MAX).unwrap();
        watch.socket_is_held();
        assert_eq!(watch.deadline(ended(3)), at.checked_add(Duration::from_millis(u64::MAX)));
        drop((master, successor));
    }

    #[test]
    fn the_default_is_what_the_master_would_have_waited_but_never_nothing() {
        for (drain_ms, quit_ms, expected) in [
            (30_000, 10_000, Duration::from_secs(40)),
            (0, 0, SHORTEST_DEFAULT),
            (300, 200, SHORTEST_DEFAULT),
            (u64::MAX, 5, Duration::from_millis(u64::MAX)),
        ] {
            assert_eq!(default_timeout(drain_ms, quit_ms), expected);
        }
    }
}
