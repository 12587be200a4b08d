//! Why there is no place for the worker socket.

use std::io;
use std::path::PathBuf;

use crate::listener::PATH_MAX;

/// What may stand behind the base in the path of a socket: the directory, the socket, and the mark it is made with.
pub(super) const LONGEST: usize = "/4294967295-ffffffff/worker.sock~".len();

/// Why there is no place for the worker socket: the environment's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// Somebody else could put things there.
    #[error("`{}` belongs to user {owner} or others may write there (mode {mode:o}); remove it, or set XDG_RUNTIME_DIR", path.display())]
    Unsafe {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Its mode.
        mode: u32,
    },
    /// No socket below it could be reached.
    #[error("`{}` has {} bytes, the directory of the worker socket may have {}; set XDG_RUNTIME_DIR to a shorter one", path.display(), path.as_os_str().len(), PATH_MAX - LONGEST)]
    TooLong {
        /// The directory.
        path: PathBuf,
    },
    /// The kernel says no.
    #[error("the directory `{}` for the worker socket can't be used; set XDG_RUNTIME_DIR to a directory of yours", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}
