//! Where an app listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::ConfigError;

/// A listener that the master opens and every worker inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenSpec {
    /// The name the worker asks for, as in `LISTEN_FDNAMES`.
    pub name: String,
    /// Where.
    pub addr: ListenAddr,
    /// How many connections the kernel queues until a worker takes them. Default 1024; the kernel caps it at
    /// `net.core.somaxconn`. Too low: connections are refused in a peak. Too high: they wait longer than clients do.
    pub backlog: u32,
}

impl ListenSpec {
    /// A listener with the default backlog of 1024.
    pub fn new(name: impl Into<String>, addr: ListenAddr) -> Self {
        Self { name: name.into(), addr, backlog: 1024 }
    }
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddr {
    /// TCP on `HOST:PORT`. The host may be a name; port 0 lets the kernel choose.
    Tcp(String),
    /// A Unix stream socket at a path.
    Unix(PathBuf),
}

impl From<SocketAddr> for ListenAddr {
    fn from(addr: SocketAddr) -> Self {
        Self::Tcp(addr.to_string())
    }
}

/// `HOST:PORT`, or `unix:PATH`.
impl FromStr for ListenAddr {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let invalid = |reason| ConfigError::ListenAddr { text: text.to_owned(), reason };
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err(invalid("the path after `unix:` is empty"));
            }
            return Ok(Self::Unix(Path::new(path).to_owned()));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| invalid("expected HOST:PORT or unix:PATH"))?;
        if host.is_empty() {
            return Err(invalid("the host is empty; use 0.0.0.0 or [::] for all"));
        }
        if port.parse::<u16>().is_err() {
            return Err(invalid("the port must be a number from 0 to 65535"));
        }
        Ok(Self::Tcp(text.to_owned()))
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => f.write_str(addr),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
