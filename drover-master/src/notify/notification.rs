//! What a worker tells by its notification socket, as the driver gets it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::machine::worker::Notice;

/// One thing that a worker told.
#[derive(Debug)]
pub(crate) enum Notification {
    /// Something about its life.
    Notice(Notice),
    /// A process of its tree is what does the work.
    MainProcess {
        /// Its number, for people.
        pid: u32,
        /// Itself.
        pidfd: OwnedFd,
    },
    /// These are to be kept for the slot's next worker.
    Keep {
        /// What they are called.
        name: String,
        /// Whether they are let go of when they have been hung up.
        is_polled: bool,
        /// Themselves.
        fds: Vec<OwnedFd>,
    },
    /// What is kept by this name is not needed any more.
    LetGo {
        /// The name.
        name: String,
    },
    /// Closed once everything before it has been worked off, which is what its other end waits for.
    Barrier(OwnedFd),
    /// A datagram, or a part of it, that was not taken.
    Refused {
        /// Why.
        trouble: Arc<str>,
    },
}
