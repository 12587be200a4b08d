//! Reading again what is to be run.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::Description;

/// Whoever reads what is to be run, again.
pub trait Reread: fmt::Debug + Send + Sync {
    /// Reads what is asked for. It may wait for the disk: it has a thread of its own.
    ///
    /// # Errors
    ///
    /// Every mistake, as it is to be shown to the user.
    fn reread(&self, asked: &RereadRequest) -> Result<Reading, String>;

    /// The file that everything was read from first, by its absolute path, as control clients are told. Default: none. It is
    /// called by the runtime's own thread, so it must not wait.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// The profile that was laid over that file. Default: none. Called as [`file`](Self::file) is.
    fn profile(&self) -> Option<&str> {
        None
    }
}

/// What is to be read again.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RereadRequest {
    /// The file; none: the one that everything was read from first.
    pub file: Option<PathBuf>,
    /// The profile to lay over it, empty for none; none: the one that was laid over the first file.
    pub profile: Option<String>,
    /// Whether mistakes are shown with colours.
    pub coloured: bool,
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The file.
    pub file: PathBuf,
    /// The profile that was laid over it.
    pub profile: Option<String>,
    /// What it says.
    pub description: Description,
}
