//! The only `unsafe` of this crate: system calls that have no safe wrapper, each behind one that is.

#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

mod child;
mod datagram;
mod file_lock;
mod inherited;
#[cfg(test)]
mod lease;
mod orphans;
mod pid_cells;
mod pidfd;
#[cfg(feature = "compress")]
pub(crate) mod priority;
mod readiness;
mod reuseport;
mod shared_memory;
mod signals;
mod split;
mod startup_pages;

pub(crate) use child::{
    Begun, Child, ChildPlan, ChildUser, DISCARD_WITHIN, EXEC_WITHIN, Forge, PlannedLimit, SpawnError, Stdio,
    begin,
};
pub(crate) use datagram::{Datagram, Sender, is_same_file, peek, receive};
pub(crate) use file_lock::lock_file;
pub(crate) use inherited::adopt;
#[cfg(test)]
pub(crate) use lease::{give_back, hold};
pub use orphans::reap_strangers;
pub(crate) use orphans::{MAKERS, in_the_making, own_child};
pub(crate) use pid_cells::{PidCell, highest_cell, pid_cells_memory, pids_in_cells, share_pid_cells};
pub(crate) use pidfd::{
    are_pidfds_known, ended, ended_child_of, group_signal, is_number_taken, pidfd_open, pidfd_signal, reap,
    stopped_by,
};
pub(crate) use readiness::{SharedFd, watch_both, watch_readable};
pub(crate) use reuseport::{choose_by, queued};
#[cfg(test)]
pub(crate) use shared_memory::kill;
pub(crate) use shared_memory::{CHUNK, ChunkWriter, MemoryShape, SharedMemory, step};
pub(crate) use signals::{ignore, is_child_signal_ignored, is_ignored, real_time_signals, restore_signal};
pub use signals::{restore_child_signal, unblock_signals};
pub(crate) use split::split;
pub use startup_pages::release_startup_pages;
pub(crate) use startup_pages::{release_all_file_pages, release_free_heap};
