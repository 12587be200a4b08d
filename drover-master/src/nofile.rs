//! The limit of open files: raised for the master, which holds some of each worker's; unchanged for workers.

use std::io;
use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

static INHERITED: OnceLock<(u64, u64)> = OnceLock::new();

/// Raises this process's soft limit of open files to its hard limit; workers get the limit that was before.
///
/// For a program whose one purpose is to be a master. Each worker costs the master four descriptors: its pidfd, two
/// pipes and its connection.
///
/// # Errors
///
/// What `getrlimit(2)` or `setrlimit(2)` says; nothing is changed then.
pub fn raise_nofile() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard && INHERITED.set((soft, hard)).is_ok() {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}

/// Gives this process the limit that was before, for a program that is to raise it by itself.
pub(crate) fn restore_nofile() -> io::Result<()> {
    if let Some((soft, hard)) = inherited() {
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
    }
    Ok(())
}

/// What workers get, if the master's own was raised.
pub(crate) fn inherited() -> Option<(u64, u64)> {
    INHERITED.get().copied()
}
