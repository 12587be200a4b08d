//! The worker that notifies.

use crate::config::NotifyAccess;

/// The worker at the other end of a socket or a pipe, and who may speak for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notifier {
    /// The worker's process.
    pub pid: u32,
    /// The user it runs as.
    pub uid: u32,
    /// Which of its processes may speak for it.
    pub access: NotifyAccess,
}
