//! The only `unsafe` of this crate: system calls that have no safe wrapper, each behind one that is.

#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

mod child;
mod orphans;
mod pidfd;
mod readiness;

pub(crate) use child::{Begun, ChildPlan, Identity, PlannedLimit, SpawnError, Stdio, begin};
pub(crate) use orphans::{is_child_signal_ignored, is_ignored, own_child};
pub use orphans::{reap_strangers, restore_child_signal};
pub(crate) use pidfd::{has_ended, pidfd_open, pidfd_signal, reap};
pub(crate) use readiness::watch_readable;
