//! Compresses old log files, on a thread that gets what time is left over. Without the feature `compress` they stay as they are.

use std::path::PathBuf;
#[cfg(feature = "compress")]
use std::thread;
use std::thread::JoinHandle;

#[cfg(feature = "compress")]
use super::gzip::compress;
#[cfg(feature = "compress")]
use crate::sys::priority;

/// At most one file at a time; the next rotation waits for it, as the file would get another name.
#[derive(Debug, Default)]
pub(super) struct Compressor(Option<JoinHandle<()>>);

impl Compressor {
    pub(super) fn is_idle(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Begins with a file that was rotated.
    #[cfg(feature = "compress")]
    pub(super) fn begin(&mut self, rotated: Option<PathBuf>) {
        let Some(path) = rotated else { return };
        // The encoder is made on the stack.
        let thread = thread::Builder::new().name("drover-gzip".into()).stack_size(2 * 1024 * 1024);
        let spawned = thread.spawn(move || {
            priority::lower();
            if let Err(error) = compress(&path) {
                tracing::error!(target: "drover::output", %error, "`{}` can't be compressed, and stays", path.display());
            }
        });
        // Without a thread it stays as it is.
        self.0 = spawned.ok();
    }

    #[cfg(not(feature = "compress"))]
    pub(super) fn begin(&mut self, _: Option<PathBuf>) {
        self.0 = None;
    }
}
