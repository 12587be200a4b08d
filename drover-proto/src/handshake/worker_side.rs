//! The worker's side: says `Hello`, judges the reply.

use super::HandshakeError;
use crate::latest::{Hello, HelloReply, Identity, Limits, RejectCode, Sdk, hello_reply};
use crate::version::VersionRange;

/// The worker before its first frame.
#[derive(Debug)]
pub struct WorkerSide {
    offered: VersionRange,
    hello: Hello,
}

impl WorkerSide {
    /// A side that offers these versions and shows this token.
    pub fn new(offered: VersionRange, token: impl Into<String>) -> Self {
        let hello = Hello {
            min_version: offered.min(),
            max_version: offered.max(),
            token: token.into(),
            ..Default::default()
        };
        Self { offered, hello }
    }

    /// The worker's own process id; 0 (unknown) if never given.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> Self {
        self.hello.pid = pid;
        self
    }

    /// The library that speaks; none if never given.
    #[must_use]
    pub fn sdk(mut self, sdk: Sdk) -> Self {
        self.hello.sdk = Some(sdk);
        self
    }

    /// What the worker can do beyond the base; nothing if never given.
    #[must_use]
    pub fn capabilities(mut self, capabilities: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.hello.capabilities = capabilities.into_iter().map(Into::into).collect();
        self
    }

    /// The first frame to send, and the step that takes its answer.
    pub fn hello(self) -> (Hello, AwaitingReply) {
        (self.hello, AwaitingReply { offered: self.offered })
    }
}

/// The worker after `Hello`.
#[derive(Debug)]
pub struct AwaitingReply {
    offered: VersionRange,
}

impl AwaitingReply {
    /// Judges the master's first frame.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]: refused, or a reply that keeps no rule. Close the connection in either case.
    pub fn reply_received(self, reply: HelloReply) -> Result<WorkerSession, HandshakeError> {
        match reply.reply {
            Some(hello_reply::Reply::Welcome(welcome)) => {
                let chosen = welcome.version;
                if !(self.offered.min()..=self.offered.max()).contains(&chosen) {
                    return Err(HandshakeError::VersionNotOffered { chosen, offered: self.offered });
                }
                Ok(WorkerSession {
                    version: chosen,
                    identity: welcome.identity.unwrap_or_default(),
                    limits: welcome.limits.unwrap_or_default(),
                    heartbeat_interval_ms: welcome.heartbeat_interval_ms,
                    capabilities: welcome.capabilities,
                })
            }
            Some(hello_reply::Reply::Reject(reject)) => Err(HandshakeError::Refused {
                code: RejectCode::try_from(reject.code).unwrap_or(RejectCode::Unspecified),
                message: reject.message,
                min_version: reject.min_version,
                max_version: reject.max_version,
            }),
            None => Err(HandshakeError::EmptyReply),
        }
    }
}

/// What the worker knows once the connection stands.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerSession {
    /// The version both sides speak.
    pub version: u32,
    /// Who the worker is in the master's eyes.
    pub identity: Identity,
    /// The bounds to keep.
    pub limits: Limits,
    /// How often the master pings, in milliseconds; 0: never.
    pub heartbeat_interval_ms: u64,
    /// What the master can do beyond the base.
    pub capabilities: Vec<String>,
}
