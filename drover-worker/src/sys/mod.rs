//! System calls that have no safe wrapper. The only unsafe code of the crate.

mod accept;
mod exit;
mod socket;
mod terminate;

pub(crate) use accept::accept;
pub(crate) use exit::{exit_now, exit_now_with_group};
pub(crate) use socket::{SocketKind, adopt, close_on_exec, socket_kind};
pub(crate) use terminate::{follow_master, terminate_bell};
