//! Where an app listens.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::ConfigError;

/// A listener that the master opens and every worker inherits.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ListenSpec {
    /// The name the worker asks for, as in `LISTEN_FDNAMES`.
    pub name: String,
    /// Where.
    pub addr: ListenAddr,
    /// How many connections the kernel queues until a worker takes them. Default 1024; the kernel caps it at
    /// `net.core.somaxconn`, and UDP has none. Too low: connections are refused in a peak. Too high: they wait longer than clients do.
    pub backlog: u32,
    /// Whether its workers share one queue of connections. Default [`ListenMode::Shared`].
    pub mode: ListenMode,
}

impl ListenSpec {
    /// A shared listener with the default backlog of 1024.
    pub fn new(name: impl Into<String>, addr: ListenAddr) -> Self {
        Self { name: name.into(), addr, backlog: 1024, mode: ListenMode::Shared }
    }

    /// The same listener with a queue of connections for each slot.
    #[must_use]
    pub fn reuseport(self) -> Self {
        Self { mode: ListenMode::Reuseport, ..self }
    }

    /// What keeps an app of `workers` from having it.
    pub(super) fn fault(&self, workers: u32) -> Option<String> {
        if self.mode == ListenMode::Shared {
            return None;
        }
        match &self.addr {
            // unix(7): the option is taken and has no effect.
            ListenAddr::Unix(_) => Some("a Unix socket has no mode `reuseport`: use `shared`".to_owned()),
            // A datagram has no queue whose end could be waited for: a server may keep a client's state in the worker that the
            // client's first datagram came to, and every change of the group would lead the next ones elsewhere.
            ListenAddr::Udp(_) => Some(
                "a UDP socket has no mode `reuseport`: every restart would lead clients to other workers; use `shared`"
                    .to_owned(),
            ),
            ListenAddr::Tcp(_) if workers > ListenMode::MAX_SLOTS => Some(format!(
                "in the mode `reuseport` it serves at most {} workers, not {workers}: use `shared`",
                ListenMode::MAX_SLOTS
            )),
            ListenAddr::Tcp(_) => None,
        }
    }
}

/// How workers come to their connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum ListenMode {
    /// All workers take from one queue: none waits for a worker that is busy while another is idle.
    #[default]
    Shared,
    /// Each slot has a queue of its own (`SO_REUSEPORT`), and a new connection is given to one of them by chance: workers
    /// never contend for a connection. The price is that it waits for its worker though another may be idle. TCP only, for
    /// one app, at most 1024 workers.
    Reuseport,
}

impl ListenMode {
    /// The word of drover.toml.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Reuseport => "reuseport",
        }
    }

    /// How many slots may have a queue of their own. Each costs the master a descriptor, and the program that chooses among
    /// them must fit the memory that the kernel grants a socket's options (`net.core.optmem_max`, 20 KiB on older ones).
    pub const MAX_SLOTS: u32 = 1024;
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum ListenAddr {
    /// TCP on `HOST:PORT`. The host may be a name; port 0 lets the kernel choose.
    Tcp(String),
    /// A Unix stream socket at a path.
    Unix(#[serde(with = "crate::written")] PathBuf),
    /// UDP on `HOST:PORT`; all workers receive from the one socket.
    Udp(String),
}

impl ListenAddr {
    /// Whether only this machine can reach it.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(addr) => match addr.parse::<SocketAddr>() {
                Ok(addr) => is_loopback(addr.ip()),
                Err(_) => addr.rsplit_once(':').is_some_and(|(host, _)| host == "localhost"),
            },
            Self::Udp(_) => false,
        }
    }

    /// What has to be resolved before it can be listened on: `HOST:PORT` with a name.
    pub(crate) fn host(&self) -> Option<String> {
        match self {
            Self::Tcp(addr) | Self::Udp(addr) => {
                Some(addr.clone()).filter(|addr| addr.parse::<SocketAddr>().is_err())
            }
            Self::Unix(_) => None,
        }
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
    }
}

impl From<SocketAddr> for ListenAddr {
    fn from(addr: SocketAddr) -> Self {
        Self::Tcp(addr.to_string())
    }
}

/// `HOST:PORT`, `udp:HOST:PORT`, or `unix:PATH`.
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
        let (kind, addr): (fn(String) -> Self, _) = match text.strip_prefix("udp:") {
            Some(addr) => (Self::Udp, addr),
            None => (Self::Tcp, text),
        };
        let (host, port) =
            addr.rsplit_once(':').ok_or_else(|| invalid("expected HOST:PORT, udp:HOST:PORT or unix:PATH"))?;
        if host.is_empty() {
            return Err(invalid("the host is empty; use 0.0.0.0 or [::] for all"));
        }
        if port.parse::<u16>().is_err() {
            return Err(invalid("the port must be a number from 0 to 65535"));
        }
        Ok(kind(addr.to_owned()))
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => f.write_str(addr),
            Self::Udp(addr) => write!(f, "udp:{addr}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_local() {
        for (listen, is_local) in [
            ("127.0.0.1:9900", true),
            ("127.3.2.1:0", true),
            ("[::1]:9900", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("localhost:9900", true),
            ("unix:/run/admin.sock", true),
            ("0.0.0.0:9900", false),
            ("[::]:9900", false),
            ("10.0.0.1:9900", false),
            ("localhost.example.org:9900", false),
            ("udp:127.0.0.1:9900", false),
        ] {
            let addr: ListenAddr = listen.parse().unwrap();
            assert_eq!(addr.is_local(), is_local, "{listen}");
        }
    }
}
