//! What is on its way from the pipes of workers to where it is written, in memory that the keeper holds: a master that is killed loses none of
//! it, and its successor goes on where it was.
//!
//! ```text
//!  pipe ──read(2)──► chunks of the stream ──lines──► the master's own output │ log files │ the journal │ the log
//!                    READ: so much was read            DONE: so much is written, of each of them
//!                    HANDED: up to here it was cut into lines
//! ```
//!
//! A successor takes what was read from the place on that each of them has, and hands it to that one alone; what had only begun it goes on with.
//! Two moments need more than a note behind them:
//!
//! - between a read and its note: what is read into was filled with a byte that no text has, so that the end of what was read is seen. Of
//!   output that is not text, bytes 0xFF at the end of what was read in that very moment are lost.
//! - between a write and its note: see [`OwnOutlet`] and [`FileWrites`]. Of an entry of the journal only the kernel knows
//!   whether it was sent, so it is noted before: one line may be lost there, and none is doubled. Whoever counts lines, or is woken by
//!   one, is served better so; and what is missing is in the master's own output.

mod file;
mod layout;
mod own;
mod place;
mod shared;
mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

pub(super) use self::file::FileWrites;
pub(super) use self::layout::{ENTRIES_OF_FILE, ENTRIES_OF_OWN};
pub(super) use self::own::OwnOutlet;
pub(super) use self::place::StreamPlace;
use self::shared::TransitShared;
pub(super) use self::stream::{PipeBytes, Receipt, Taker, TransitStream};
use super::{Printer, Stream};
use crate::keeper::{Hold, Holds};
use crate::sys::SharedMemory;

const MEMORY: &str = "output/memory";
const PIPE: [&str; 2] = ["output/read", "output/write"];

/// What is on its way. The default is none: then everything is as without a keeper. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct OutputTransit(Option<Arc<HeldTransit>>);

#[derive(Debug)]
struct HeldTransit {
    shared: Arc<TransitShared>,
    _holds: Vec<Hold>,
}

impl OutputTransit {
    /// Goes on with what an earlier master had on its way, or begins; with the outlet for what goes to the master's own output. Without a keeper
    /// nothing is protected; nor is anything where no such memory can be made, of which the log tells.
    ///
    /// Blocks for a disk if a log file was being written. Once in a process.
    pub(super) fn of(holds: &Holds) -> (Self, Option<OwnOutlet>) {
        if !holds.are_protected() {
            return Default::default();
        }
        let taken = (holds.take(MEMORY), holds.take(PIPE[0]), holds.take(PIPE[1]));
        let gone_on = match taken {
            (Some(memory), Some(read), Some(write)) => {
                let told = |error: &io::Error| {
                    tracing::error!(target: "drover::output", %error, "output that was on its way is lost");
                };
                gone_on(memory, read, write).inspect_err(told).ok()
            }
            _ => None,
        };
        match gone_on.map_or_else(begun, Ok) {
            Ok((shared, outlet, [read, write])) => {
                let holds = vec![
                    holds.hold(MEMORY, shared.memory.as_fd()),
                    holds.hold(PIPE[0], read.as_fd()),
                    holds.hold(PIPE[1], write.as_fd()),
                ];
                (Self(Some(Arc::new(HeldTransit { shared, _holds: holds }))), Some(outlet))
            }
            Err(error) => {
                tracing::warn!(target: "drover::output", %error, "no memory for output that is on its way; a crash loses it");
                Default::default()
            }
        }
    }

    /// What is on its way of one worker; none if nothing is protected.
    pub(crate) fn by(&self, from: Printer) -> Option<WorkerTransit> {
        self.0.is_some().then(|| WorkerTransit { transit: self.clone(), from })
    }

    /// Who has printed what an earlier master had on its way and nobody has gone on with. A reader of theirs, without pipes, writes it.
    pub(crate) fn unclaimed(&self, app: &str) -> Vec<Printer> {
        self.0.as_ref().map_or_else(Vec::new, |held| held.shared.unclaimed(app))
    }
}

/// What is on its way of one worker.
#[derive(Debug, Clone)]
pub(crate) struct WorkerTransit {
    transit: OutputTransit,
    from: Printer,
}

impl WorkerTransit {
    /// One of its streams, from where an earlier master was with it. None: it is not protected, as there are too many, or nobody takes it.
    pub(super) fn stream(&self, app: &str, stream: Stream, takers: Vec<Taker>) -> Option<Arc<TransitStream>> {
        let held = self.transit.0.as_ref().filter(|_| !takers.is_empty())?;
        held.shared.stream(app, self.from, stream, takers).map(Arc::new)
    }
}

type TransitParts = (Arc<TransitShared>, OwnOutlet, [OwnedFd; 2]);

fn begun() -> io::Result<TransitParts> {
    let memory = SharedMemory::create("drover-output", layout::SHAPE)?;
    let (read, write) = io::pipe()?;
    let pipe = [OwnedFd::from(read), OwnedFd::from(write)];
    let shared = Arc::new(TransitShared::new(memory));
    let outlet = OwnOutlet::new(Arc::clone(&shared), pipe[0].try_clone()?, pipe[1].try_clone()?)?;
    Ok((shared, outlet, pipe))
}

fn gone_on(memory: OwnedFd, read: OwnedFd, write: OwnedFd) -> io::Result<TransitParts> {
    let memory = SharedMemory::open(memory, layout::SHAPE)?;
    let shared = TransitShared::left(memory)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is laid out by another version"))?;
    let shared = Arc::new(shared);
    let mut outlet = OwnOutlet::new(Arc::clone(&shared), read.try_clone()?, write.try_clone()?)?;
    outlet.settle()?;
    file::settle_writes(&shared);
    Ok((shared, outlet, [read, write]))
}

/// For tests of whole processes.
#[cfg(test)]
pub(super) mod protected_again {
    use super::*;

    /// A new memory, and both ends of its pipe.
    pub(in super::super) fn memory() -> [OwnedFd; 3] {
        let (shared, _, [read, write]) = begun().unwrap();
        [shared.memory.as_fd().try_clone_to_owned().unwrap(), read, write]
    }

    pub(in super::super) fn go_on(
        memory: OwnedFd,
        read: OwnedFd,
        write: OwnedFd,
    ) -> (OutputTransit, OwnOutlet) {
        let (shared, outlet, _) = gone_on(memory, read, write).unwrap();
        (OutputTransit(Some(Arc::new(HeldTransit { shared, _holds: Vec::new() }))), outlet)
    }
}
