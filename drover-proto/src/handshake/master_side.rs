//! The master's side: judges a `Hello`, leaves the question "whose token is it" to its caller.

use std::time::Duration;

use super::Refusal;
use crate::latest::{ControlHello, Hello, HelloReply, Identity, Limits, RejectCode, Welcome, hello_reply};
use crate::version::VersionRange;

/// The master before the first frame.
#[derive(Debug)]
pub struct MasterSide {
    spoken: VersionRange,
}

impl MasterSide {
    /// A side that speaks these versions.
    pub const fn new(spoken: VersionRange) -> Self {
        Self { spoken }
    }

    /// Judges the first frame.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] to be sent to the peer: an unusable range, no common version, or no token.
    pub fn hello_received(self, hello: Hello) -> Result<Claim, Refusal> {
        let version = common_version(self.spoken, hello.min_version, hello.max_version)?;
        if hello.token.is_empty() {
            let message = "Hello carries no token: send the value of DROVER_TOKEN".to_owned();
            return Err(Refusal { code: RejectCode::UnknownToken, message, spoken: self.spoken });
        }
        Ok(Claim { spoken: self.spoken, version, hello, offered: Vec::new() })
    }
}

/// A usable `Hello` whose token is yet to be judged.
#[derive(Debug)]
pub struct Claim {
    spoken: VersionRange,
    version: u32,
    hello: Hello,
    offered: Vec<String>,
}

impl Claim {
    /// What the master can do beyond the version's base. Default: nothing.
    #[must_use]
    pub fn offering(mut self, capabilities: Vec<String>) -> Self {
        self.offered = capabilities;
        self
    }

    /// Takes the worker in: the reply to send, and the session that begins.
    pub fn accept(
        self,
        identity: Identity,
        limits: Limits,
        heartbeat_interval: Duration,
    ) -> (HelloReply, MasterSession) {
        let sdk = self.sdk();
        let welcome = Welcome {
            version: self.version,
            identity: Some(identity),
            limits: Some(limits),
            heartbeat_interval_ms: u64::try_from(heartbeat_interval.as_millis()).unwrap_or(u64::MAX),
            capabilities: self.offered,
        };
        let session = MasterSession {
            version: self.version,
            pid: self.hello.pid,
            sdk,
            capabilities: self.hello.capabilities,
        };
        (HelloReply { reply: Some(hello_reply::Reply::Welcome(welcome)) }, session)
    }

    /// Turns the worker away.
    pub fn refuse(self, code: RejectCode, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into(), spoken: self.spoken }
    }

    /// The worker's library and its version, for people; empty if it did not say.
    pub fn sdk(&self) -> String {
        self.hello.sdk.as_ref().map_or_else(String::new, |sdk| format!("{} {}", sdk.name, sdk.version))
    }

    /// Whether the worker said that it has this capability.
    pub fn can(&self, capability: &str) -> bool {
        self.hello.capabilities.iter().any(|known| known == capability)
    }

    /// The token that the peer showed.
    pub fn token(&self) -> &str {
        &self.hello.token
    }
}

/// What the master knows of a worker once the connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterSession {
    /// The version both sides speak.
    pub version: u32,
    /// The pid the worker gave for itself.
    pub pid: u32,
    /// The worker's library and its version, for people.
    pub sdk: String,
    /// What the worker can do beyond the base.
    pub capabilities: Vec<String>,
}

/// Judges the first frame of a control client: the version both sides will speak.
///
/// # Errors
///
/// A [`Refusal`] to be sent to the client: an unusable range or no common version.
pub fn negotiate_control(spoken: VersionRange, hello: &ControlHello) -> Result<u32, Refusal> {
    common_version(spoken, hello.min_version, hello.max_version)
}

fn common_version(spoken: VersionRange, min: u32, max: u32) -> Result<u32, Refusal> {
    let theirs = VersionRange::new(min, max).map_err(|error| Refusal {
        code: RejectCode::Malformed,
        message: format!("the first frame is not a usable Hello: {error}"),
        spoken,
    })?;
    spoken.negotiate(theirs).map_err(|_| Refusal {
        code: RejectCode::UnsupportedVersion,
        message: format!(
            "no protocol version in common: the master speaks {spoken}, the peer speaks {theirs}"
        ),
        spoken,
    })
}
