//! The master's end of `sd_notify(3)`: a datagram socket a worker, or the descriptor that s6 calls notification fd.
//!
//! ```text
//!  worker ──datagram──► socket of its own ──► ear: whose? what? ──Heard──► driver ──Notice──► the worker's machine
//!                                                                            └──► store of its slot, main process
//! ```
//!
//! Only bytes and descriptors are carried here. What they mean for the worker's life, its machine says. Why it is so stands in
//! `docs/design/notify.md`.

mod ear;
mod hearing;
mod kept;
mod kinship;
mod message;
mod place;
#[cfg(test)]
mod sleeper;
mod store;

use std::os::fd::OwnedFd;
use std::sync::Arc;

pub(crate) use ear::{Ear, Source, Whose, hear};
pub(crate) use hearing::Refusals;
pub(crate) use kinship::is_in_group;
pub(crate) use place::{NotifyPath, NotifyPlace};
pub(crate) use store::FdStore;

use crate::machine::worker::Notice;

/// One thing that a worker told.
#[derive(Debug)]
pub(crate) enum Heard {
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
