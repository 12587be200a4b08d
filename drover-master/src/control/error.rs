//! Why a control socket can't be opened.

use std::io;

use super::path::ControlPathError;
use crate::listener::UnixPathError;

/// Why a master can't be asked: misuse or environment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// There is no usable directory.
    #[error(transparent)]
    Path(#[from] ControlPathError),
    /// Another master serves there.
    #[error("another master{} serves at `{}`; end it with `drover -s {} down`, or choose another socket with -s or another name", pid_of(*holder), path.display(), path.display())]
    InUse {
        /// The socket.
        path: std::path::PathBuf,
        /// Its process, if that is known.
        holder: Option<u32>,
    },
    /// The socket can't be made.
    #[error("the control socket can't be opened")]
    Socket(#[source] UnixPathError),
    /// The runtime can't take the socket.
    #[error("the control socket can't be served")]
    Io(#[from] io::Error),
}

fn pid_of(holder: Option<u32>) -> String {
    holder.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

impl From<UnixPathError> for ControlError {
    fn from(error: UnixPathError) -> Self {
        match error {
            UnixPathError::InUse { path, holder } => Self::InUse { path, holder },
            error => Self::Socket(error),
        }
    }
}
