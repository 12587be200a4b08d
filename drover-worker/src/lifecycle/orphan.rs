//! No worker outlives its master.
//!
//! A thread of its own waits for the end of the connection and then gives the process a bounded time. It needs
//! neither the async runtime, which the app may block, nor any lock, which a stuck thread may hold.
//!
//! ```text
//!  connected ──── the connection ends ───► ShutDown was said? ── yes ──► the thread ends
//!                                                 │ no
//!                                                 └── orphan_timeout ──► the group is killed, else _exit(70)
//! ```
//!
//! The same thread hears of a SIGTERM that somebody else than the master has sent, and tells why a process that said ShutDown is still there.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::sys;

/// The exit code of a worker whose master is gone, where it leads no group: `EX_SOFTWARE` of sysexits.h.
const EXIT_CODE: i32 = 70;

/// The thread calls the kernel; for a signal, also the traces of the app. Only what is used of it costs memory.
const STACK_BYTES: usize = 256 * 1024;

/// The shortest default, so that limits of zero do not end a worker at once.
const SHORTEST_DEFAULT: Duration = Duration::from_secs(1);

/// How long a process may live on after ShutDown and the end of its connection without a word about it.
const WORDLESS: Duration = Duration::from_secs(1);

/// What an event of the epoll is about.
const CONNECTION: u64 = 0;
const BELL: u64 = 1;

/// Whether the worker has said ShutDown, after which the end of the connection is expected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leaving(Arc<AtomicBool>);

impl Leaving {
    pub(crate) fn announce(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_announced(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The time a worker has to drain and to leave: what the master would have waited, at least 1 s.
pub(crate) fn default_timeout(drain_ms: u64, quit_ms: u64) -> Duration {
    Duration::from_millis(drain_ms.saturating_add(quit_ms)).max(SHORTEST_DEFAULT)
}

/// Starts the thread. `rung` is called when `bell`, if there is one, is readable. A process that `is_own_master`, as in a test, may well
/// live on after ShutDown.
pub(crate) fn watch(
    connection: Arc<UnixStream>,
    leaving: Leaving,
    timeout: Duration,
    is_own_master: bool,
    bell: Option<BorrowedFd<'static>>,
    rung: impl Fn() + Send + 'static,
) -> io::Result<()> {
    // EPOLLRDHUP tells of the end even while frames are unread; EPOLLHUP and EPOLLERR are always told.
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&*connection, EpollEvent::new(EpollFlags::EPOLLRDHUP, CONNECTION))?;
    if let Some(bell) = bell {
        // Told once: nobody reads it.
        epoll.add(bell, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, BELL))?;
    }
    thread::Builder::new().name("drover-orphan".to_owned()).stack_size(STACK_BYTES).spawn(move || {
        await_end(&epoll, &rung);
        drop((epoll, connection, rung));
        if leaving.is_announced() {
            if !is_own_master {
                sleep(WORDLESS);
                tell_what_keeps_it();
            }
            return;
        }
        sleep(timeout);
        sys::exit_now_with_group(EXIT_CODE);
    })?;
    Ok(())
}

/// Blocks until the connection has ended, or can't be watched any more.
fn await_end(epoll: &Epoll, rung: &impl Fn()) {
    let mut events = [EpollEvent::empty()];
    loop {
        match epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(1..) if events[0].data() == BELL => rung(),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) | Err(_) => return,
        }
    }
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
