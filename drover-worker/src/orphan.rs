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

use std::io;
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

/// The thread calls the kernel and no code of the app; the least that a thread may have is enough.
const STACK_BYTES: usize = 64 * 1024;

/// The shortest default, so that limits of zero do not end a worker at once.
const SHORTEST_DEFAULT: Duration = Duration::from_secs(1);

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

/// Starts the thread.
pub(crate) fn watch(connection: Arc<UnixStream>, leaving: Leaving, timeout: Duration) -> io::Result<()> {
    // EPOLLRDHUP tells of the end even while frames are unread; EPOLLHUP and EPOLLERR are always told.
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&*connection, EpollEvent::new(EpollFlags::EPOLLRDHUP, 0))?;
    thread::Builder::new().name("drover-orphan".to_owned()).stack_size(STACK_BYTES).spawn(move || {
        await_end(&epoll);
        drop((epoll, connection));
        if leaving.is_announced() {
            return;
        }
        // A receive that nobody answers is a sleep without spurious wakeups, and one that knows "for ever".
        let (_nobody, silence) = mpsc::sync_channel::<()>(0);
        let _timed_out = silence.recv_timeout(timeout);
        sys::exit_now_with_group(EXIT_CODE);
    })?;
    Ok(())
}

/// Blocks until the connection has ended, or can't be watched any more.
fn await_end(epoll: &Epoll) {
    let mut events = [EpollEvent::empty()];
    while let Ok(0) | Err(Errno::EINTR) = epoll.wait(&mut events, EpollTimeout::NONE) {}
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
