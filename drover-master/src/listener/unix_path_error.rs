//! Why a path can't be used for a socket.

use std::io;
use std::path::PathBuf;

/// The longest path of a Unix socket, in bytes: `sun_path` holds 108 with the NUL (`unix(7)`).
pub(crate) const PATH_MAX: usize = 107;

/// Why a path can't be used for a socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnixPathError {
    /// Too long for a socket.
    #[error("the path `{}` has {} bytes, a socket's may have {PATH_MAX}; choose a shorter one", path.display(), path.as_os_str().len())]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// A live program holds it.
    #[error("`{}` is in use by {}; end that one or choose another path", path.display(), holder_of(*holder))]
    InUse {
        /// The path.
        path: PathBuf,
        /// The process that has locked it, if that is known.
        holder: Option<u32>,
    },
    /// Something else stands there.
    #[error("`{}` exists and is not a socket; it is left alone, choose another path", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The kernel says no.
    #[error("`{}` can't be used", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// Who holds a path, for people.
fn holder_of(pid: Option<u32>) -> String {
    pid.map_or_else(|| "a running program".to_owned(), |pid| format!("a running program, pid {pid}"))
}
