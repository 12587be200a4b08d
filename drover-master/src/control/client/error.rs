//! Why a master could not be asked, or said no.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use drover_proto::codec::CodecError;
use drover_proto::latest::ErrorCode;

/// Why a master could not be asked, or did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody is there.
    #[error("no master answers at `{}`", path.display())]
    Unreachable {
        /// Where it was looked for.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Its queue of clients is full.
    #[error("the master at `{}` is busy: for {limit:?} its queue of clients was full; it may be stopped (SIGSTOP), or so many ask", path.display())]
    Busy {
        /// Where it listens.
        path: PathBuf,
        /// How long the wait was.
        limit: Duration,
    },
    /// This user may not.
    #[error("not permitted: {message}")]
    NotPermitted {
        /// Why.
        message: String,
    },
    /// The master speaks other versions.
    #[error("the master and this program speak no version in common: {message}")]
    Version {
        /// Which ones.
        message: String,
    },
    /// The master said no.
    #[error("{message}")]
    Refused {
        /// The kind of refusal.
        code: ErrorCode,
        /// The master's sentence.
        message: String,
    },
    /// The master went away, or something else answers there.
    #[error("the connection to the master failed")]
    Connection(#[source] CodecError),
    /// The master closed before it answered.
    #[error("the master closed the connection before it answered; it may just have ended")]
    Closed,
    /// The master crashed or was upgraded before it had answered, and another one has taken its place by their keeper.
    #[error(
        "the master was replaced by another one (pid {pid}), which goes on with what was under way: look with `drover status`, follow it with `drover events -f`"
    )]
    Crashed {
        /// The other one.
        pid: u32,
    },
    /// The master does not answer.
    #[error(
        "the master does not answer within {limit:?}; it may be stopped (SIGSTOP), or too many ask at once"
    )]
    Silent {
        /// How long the wait was.
        limit: Duration,
    },
    /// The answer is not of the kind that was asked for: the peer's fault.
    #[error("the master's answer makes no sense")]
    Unexpected,
}

impl ClientError {
    /// A connection is lost. A master that ends resets it where a question of ours is still unread.
    pub(super) fn lost(error: CodecError) -> Self {
        match &error {
            CodecError::Io(source)
                if matches!(source.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) =>
            {
                Self::Closed
            }
            _ => Self::Connection(error),
        }
    }
}
