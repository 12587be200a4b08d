//! Why a handshake did not end in a session.

use crate::latest::{HelloReply, Reject, RejectCode, hello_reply};
use crate::version::VersionRange;

/// What the worker's side learns when the handshake fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The master refused.
    #[error(
        "the master refused the connection ({code:?}): {message}; it speaks protocol version {min_version} to {max_version}"
    )]
    Refused {
        /// The kind of refusal.
        code: RejectCode,
        /// The master's sentence.
        message: String,
        /// The oldest version the master speaks.
        min_version: u32,
        /// The newest version the master speaks.
        max_version: u32,
    },
    /// The master chose a version that was not offered: the peer's fault.
    #[error("the master chose protocol version {chosen}, but {offered} was offered")]
    VersionNotOffered {
        /// What the master chose.
        chosen: u32,
        /// What was offered.
        offered: VersionRange,
    },
    /// The reply held neither a welcome nor a reject: the peer's fault.
    #[error("the master's first frame is neither a Welcome nor a Reject")]
    EmptyReply,
}

/// Why the master's side refuses: sent to the peer, then the connection closes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The kind of refusal.
    pub code: RejectCode,
    /// A sentence that a person can act on.
    pub message: String,
    /// The versions the master speaks.
    pub spoken: VersionRange,
}

impl Refusal {
    /// The message that tells the peer.
    pub fn to_reject(&self) -> Reject {
        Reject {
            code: self.code.into(),
            message: self.message.clone(),
            min_version: self.spoken.min(),
            max_version: self.spoken.max(),
        }
    }

    /// The frame that tells a worker.
    pub fn to_reply(&self) -> HelloReply {
        HelloReply { reply: Some(hello_reply::Reply::Reject(self.to_reject())) }
    }
}
