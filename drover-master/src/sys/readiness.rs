//! Readiness of a descriptor as a future.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A shared owner of a descriptor.
#[derive(Debug)]
pub(crate) struct SharedFd<T>(Arc<T>);

impl<T: AsFd> AsRawFd for SharedFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Watches for the descriptor to become readable, or to have room.
///
/// `T` as with [`watch_readable`].
pub(crate) fn watch_both<T: AsFd>(owner: Arc<T>) -> io::Result<AsyncFd<SharedFd<T>>> {
    // SAFETY: as there; `OwnedFd` is the only type used here.
    unsafe { AsyncFd::register_with_interest(SharedFd(owner), Interest::READABLE | Interest::WRITABLE) }
        .map_err(io::Error::from)
}

/// Watches for the descriptor to become readable.
///
/// `T` has to lend the same descriptor at every call, as an owner of one does.
pub(crate) fn watch_readable<T: AsFd>(owner: Arc<T>) -> io::Result<AsyncFd<SharedFd<T>>> {
    // SAFETY: `owner` keeps the descriptor open for the life of the AsyncFd, which holds it, and lends the same one each
    // time; `Tree`, `OwnedFd`, `TimerFd`, `Inotify` and the `Ends` of a watch, the only types used here, own theirs and never replace it.
    unsafe { AsyncFd::register_with_interest(SharedFd(owner), Interest::READABLE) }.map_err(io::Error::from)
}
