//! The app's listening sockets: bound once by the master, inherited by every worker, open until the app ends. A connection
//! that waits in a queue is not lost because a worker leaves.

mod pool;
mod resolve;
mod unix_path;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, UnixAddr, bind, listen, setsockopt,
    socket, sockopt,
};

pub(crate) use pool::ListenerPool;
pub use unix_path::UnixPathError;
pub(crate) use unix_path::{PATH_MAX, UnixPath, is_served};

use crate::config::{ListenAddr, ListenSpec};

/// A listener that is open.
#[derive(Debug)]
pub(crate) struct Listener {
    pub name: String,
    /// Where it listens in truth: with the port that the kernel chose, if it was left to it.
    pub addr: ListenAddr,
    pub socket: Arc<OwnedFd>,
    /// Unlinks the path on drop.
    _path: Option<UnixPath>,
}

/// Why a listener could not be opened: misuse (the address) or the environment (the port is taken).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The host has no address, or the system's resolver gave none within 5 s.
    #[error("listener `{name}`: the host of `{addr}` can't be resolved")]
    Resolve {
        /// The listener.
        name: String,
        /// Its address.
        addr: ListenAddr,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// Another socket listens there.
    #[error("listener `{name}`: {addr} is in use by another program; end that one or choose another address")]
    InUse {
        /// The listener.
        name: String,
        /// Its address.
        addr: ListenAddr,
    },
    /// The address may not be bound by this user.
    #[error(
        "listener `{name}`: {addr} may not be bound by this user; ports below 1024 need a privilege (CAP_NET_BIND_SERVICE)"
    )]
    NotPermitted {
        /// The listener.
        name: String,
        /// Its address.
        addr: ListenAddr,
    },
    /// Anything else the kernel says.
    #[error("listener `{name}`: {addr} can't be listened on")]
    Failed {
        /// The listener.
        name: String,
        /// Its address.
        addr: ListenAddr,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The path of a Unix listener can't be used.
    #[error("listener `{name}`")]
    Path {
        /// The listener.
        name: String,
        /// What is wrong with it.
        #[source]
        source: UnixPathError,
    },
}

impl Listener {
    /// Opens a listener. A host name is resolved here, by the system's resolver, for which the caller waits at most 5 s: nothing
    /// of the app runs yet.
    pub(crate) fn open(spec: &ListenSpec) -> Result<Self, ListenError> {
        match &spec.addr {
            ListenAddr::Tcp(addr) => Self::open_tcp(spec, addr),
            ListenAddr::Unix(path) => {
                let failed = |source| ListenError::Path { name: spec.name.clone(), source };
                let path = UnixPath::claim(path).map_err(failed)?;
                let socket = path.listen(spec.backlog).map_err(failed)?;
                let (name, addr) = (spec.name.clone(), spec.addr.clone());
                Ok(Self { name, addr, socket: Arc::new(socket), _path: Some(path) })
            }
        }
    }

    /// Gives a queue of another length to the socket, which goes on listening: listen(2) may be called again.
    fn set_backlog(&self, backlog: u32) -> Result<(), ListenError> {
        listen(&self.socket, backlog_of(backlog)).map_err(|error| ListenError::Failed {
            name: self.name.clone(),
            addr: self.addr.clone(),
            source: error.into(),
        })
    }

    fn open_tcp(spec: &ListenSpec, addr: &str) -> Result<Self, ListenError> {
        let (name, wanted) = (&spec.name, &spec.addr);
        let resolved = resolve::resolve(addr).map_err(|source| ListenError::Resolve {
            name: name.clone(),
            addr: wanted.clone(),
            source,
        })?;
        let mut last = Errno::EADDRNOTAVAIL;
        for addr in resolved {
            match listen_tcp(addr, spec.backlog) {
                Ok((socket, addr)) => {
                    let (name, socket) = (name.clone(), Arc::new(socket));
                    return Ok(Self { name, addr: addr.into(), socket, _path: None });
                }
                Err(error) => last = error,
            }
        }
        let (name, addr) = (name.clone(), wanted.clone());
        Err(match last {
            Errno::EADDRINUSE => ListenError::InUse { name, addr },
            Errno::EACCES => ListenError::NotPermitted { name, addr },
            error => ListenError::Failed { name, addr, source: error.into() },
        })
    }
}

/// Nobody may queue where nobody serves any more. Closing alone would not do: a process that a worker left behind in a
/// session of its own may hold the socket for ever, and a child that another thread is just making holds it for a moment.
impl Drop for Listener {
    fn drop(&mut self) {
        let _ = nix::sys::socket::shutdown(self.socket.as_raw_fd(), nix::sys::socket::Shutdown::Both);
    }
}

fn listen_tcp(addr: SocketAddr, backlog: u32) -> nix::Result<(OwnedFd, SocketAddr)> {
    let family = if addr.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // A master that is started again binds while connections of the last one are in TIME_WAIT.
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    match addr {
        SocketAddr::V4(addr) => bind(fd.as_raw_fd(), &SockaddrIn::from(addr))?,
        SocketAddr::V6(addr) => bind(fd.as_raw_fd(), &SockaddrIn6::from(addr))?,
    }
    listen(&fd, backlog_of(backlog))?;
    let listener = TcpListener::from(fd);
    let bound = listener.local_addr().unwrap_or(addr);
    Ok((listener.into(), bound))
}

/// A Unix stream socket that listens at `path`, which must not exist.
fn listen_unix(path: &std::path::Path, backlog: u32) -> nix::Result<OwnedFd> {
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&fd, backlog_of(backlog))?;
    Ok(fd)
}

/// The kernel caps it at `net.core.somaxconn` (listen(2)).
fn backlog_of(wanted: u32) -> Backlog {
    i32::try_from(wanted).ok().and_then(|wanted| Backlog::new(wanted).ok()).unwrap_or(Backlog::MAXCONN)
}
