//! What workers that notify their master are held to, and how programs reload that do it by themselves.

use crate::signal::Signal;
/// Which processes of a worker may speak for it by `sd_notify(3)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum NotifyAccess {
    /// The process that the master has made, and the one that it names by `MAINPID`. A `systemd-notify`, or any process of its user that
    /// has exited meanwhile, may say `READY=1` and `STATUS=`, so that a script can.
    #[default]
    Main,
    /// Every process of its tree. A helper that says `STOPPING=1` ends the worker, and one that says `WATCHDOG=1` hides that it hangs.
    All,
}

/// The signal by which a worker reads its configuration again, and stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReloadSignal {
    /// The signal, such as SIGHUP. Sent to the worker's process alone, and to its main process if it has named another.
    pub signal: Signal,
    /// Whether it says that it is through (`RELOADING=1`, then `READY=1`), within `start.timeout`. Without, a worker that lives
    /// when the signal is sent has reloaded as far as the master can know. Only with [`Protocol::Notify`](super::Protocol::Notify).
    pub waits: bool,
}

/// The lowest number that a notification descriptor may have beside so many listeners: below are the standard streams and those.
pub(super) fn lowest_notify_fd(listeners: usize) -> u32 {
    3_u32.saturating_add(u32::try_from(listeners).unwrap_or(u32::MAX))
}
