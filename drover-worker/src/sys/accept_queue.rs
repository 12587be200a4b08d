//! An epoll that holds one listening socket, awaited through tokio.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

/// The kernel's queue of those who wait for connections, seen from one of them.
#[derive(Debug)]
pub(crate) struct AcceptQueue(AsyncFd<Inner>);

/// Never given out, so that nobody can close or replace the descriptor.
#[derive(Debug)]
struct Inner(Epoll);

impl AsRawFd for Inner {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

impl AcceptQueue {
    /// An epoll without a socket.
    pub(crate) fn new() -> io::Result<Self> {
        let inner = Inner(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        // SAFETY: `inner` owns its open descriptor and closes it only when dropped, which is when the `AsyncFd` drops
        // it; it is private, never replaced, and `as_raw_fd` always names that descriptor.
        let registered = unsafe { AsyncFd::register_with_interest(inner, Interest::READABLE) };
        Ok(Self(registered?))
    }

    /// Begins to wait, behind all others.
    pub(crate) fn join(&self, socket: impl AsFd) -> io::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE, 0);
        Ok(self.0.get_ref().0.add(socket, event)?)
    }

    /// Ceases to wait.
    pub(crate) fn leave(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(self.0.get_ref().0.delete(socket)?)
    }

    /// Waits until there may be a connection.
    pub(crate) async fn readable(&self) -> io::Result<Readiness<'_>> {
        Ok(Readiness(self.0.readable().await?))
    }
}

/// The sign that there may be a connection. It stays until it is cleared.
#[derive(Debug)]
pub(crate) struct Readiness<'a>(AsyncFdReadyGuard<'a, Inner>);

impl Readiness<'_> {
    /// Forgets the sign, unless a newer one has come.
    pub(crate) fn clear(&mut self) {
        self.0.clear_ready();
    }
}
