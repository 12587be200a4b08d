//! A private directory for the sockets of one run.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A directory of one's own; dropped, it is removed with what is in it.
#[derive(Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    /// Makes one that nobody else may enter.
    pub(super) fn make() -> io::Result<Self> {
        let base = std::env::temp_dir();
        let mut number = 0u32;
        loop {
            let path = base.join(format!("drover-conform-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nothing can be done about it here; the verdict stands.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
