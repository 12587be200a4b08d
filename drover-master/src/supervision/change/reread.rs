//! Reading again what is to be run.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::Description;

/// Whoever reads what is to be run, again.
pub trait Reread: fmt::Debug + Send + Sync {
    /// Reads a file, or the one that it was read from first. It may wait for the disk: it has a thread of its own.
    ///
    /// # Errors
    ///
    /// Every mistake, as it is to be shown to the user; with colours if `coloured`.
    fn reread(&self, file: Option<&Path>, coloured: bool) -> Result<Reading, String>;

    /// The file that everything was read from first, by its absolute path, as control clients are told. Default: none. It is
    /// called by the runtime's own thread, so it must not wait.
    fn file(&self) -> Option<&Path> {
        None
    }
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The file.
    pub file: PathBuf,
    /// What it says.
    pub description: Description,
}
