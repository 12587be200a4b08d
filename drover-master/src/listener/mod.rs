//! The app's listening sockets: bound once by the master, inherited by every worker, open until the app ends. A connection
//! that waits in a queue is not lost because a worker leaves.

//!
//! A listener is shared, one socket for all, or has a socket for each slot, which the slot's workers inherit one after the
//! other.

mod app;
mod group;
mod inherited;
mod pool;
mod queue;
mod resolve;
mod slots;
mod steering;
mod unix_path;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, UnixAddr, bind, listen, setsockopt,
    socket, sockopt,
};

pub(crate) use app::AppListeners;
pub use inherited::{InheritError, InheritedSockets};
pub(crate) use pool::ListenerPool;
pub(crate) use queue::until_empty;
pub(crate) use resolve::Hosts;
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
    /// Who opened it.
    origin: Origin,
}

/// Who opened a listener, and so what becomes of it at its end.
#[derive(Debug)]
enum Origin {
    Own,
    /// Unlinks the path on drop.
    OwnPath {
        _path: UnixPath,
    },
    /// A service manager, which may need it again.
    Inherited,
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
    /// A socket of this name, or at this address, was handed over, and can't be used.
    #[error("listener `{name}`: the socket that was handed over for it is {fault}")]
    Inherited {
        /// The listener.
        name: String,
        /// Why.
        fault: String,
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
            ListenAddr::Tcp(addr) => {
                let (socket, addr) = open_tcp(spec, addr, Port::Own)?;
                Ok(Self {
                    name: spec.name.clone(),
                    addr: addr.into(),
                    socket: Arc::new(socket),
                    origin: Origin::Own,
                })
            }
            ListenAddr::Udp(addr) => {
                let (socket, addr) = first_of_host(spec, addr, bind_udp)?;
                let addr = ListenAddr::Udp(addr.to_string());
                Ok(Self { name: spec.name.clone(), addr, socket: Arc::new(socket), origin: Origin::Own })
            }
            ListenAddr::Unix(path) => {
                let failed = |source| ListenError::Path { name: spec.name.clone(), source };
                let path = UnixPath::claim(path).map_err(failed)?;
                let socket = path.listen(spec.backlog).map_err(failed)?;
                let (name, addr) = (spec.name.clone(), spec.addr.clone());
                Ok(Self { name, addr, socket: Arc::new(socket), origin: Origin::OwnPath { _path: path } })
            }
        }
    }

    fn set_backlog(&self, backlog: u32) -> Result<(), ListenError> {
        set_backlog(&self.socket, backlog).map_err(|error| ListenError::Failed {
            name: self.name.clone(),
            addr: self.addr.clone(),
            source: error.into(),
        })
    }
}

/// Gives a queue of another length to a socket, which goes on listening: listen(2) may be called again.
fn set_backlog(socket: &OwnedFd, backlog: u32) -> nix::Result<()> {
    listen(socket, backlog_of(backlog))
}

/// Listens on the first address of the host that can be had.
fn open_tcp(spec: &ListenSpec, addr: &str, port: Port) -> Result<(OwnedFd, SocketAddr), ListenError> {
    first_of_host(spec, addr, |addr| listen_tcp(addr, spec.backlog, port))
}

/// Opens a socket on the first address of the host that can be had.
fn first_of_host(
    spec: &ListenSpec,
    addr: &str,
    open: impl Fn(SocketAddr) -> nix::Result<(OwnedFd, SocketAddr)>,
) -> Result<(OwnedFd, SocketAddr), ListenError> {
    let (name, wanted) = (&spec.name, &spec.addr);
    let resolved = resolve::resolve(addr).map_err(|source| ListenError::Resolve {
        name: name.clone(),
        addr: wanted.clone(),
        source,
    })?;
    let mut last = Errno::EADDRNOTAVAIL;
    for addr in resolved {
        match open(addr) {
            Ok(opened) => return Ok(opened),
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

/// What other sockets there may be on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    /// None.
    Own,
    /// None yet.
    ToBeShared,
    /// Those of the same listener.
    Shared,
}

/// Nobody may queue where nobody serves any more. Closing alone would not do: a process that a worker left behind in a
/// session of its own may hold the socket for ever, and a child that another thread is just making holds it for a moment.
///
/// Not so what was inherited: it would be ended for whoever has opened it, for ever.
impl Drop for Listener {
    fn drop(&mut self) {
        if !matches!(self.origin, Origin::Inherited) {
            end(&self.socket);
        }
    }
}

/// Nobody can connect any more, and who waits is refused, whoever holds the socket.
fn end(socket: &OwnedFd) {
    let _ = nix::sys::socket::shutdown(socket.as_raw_fd(), nix::sys::socket::Shutdown::Both);
}

fn listen_tcp(addr: SocketAddr, backlog: u32, port: Port) -> nix::Result<(OwnedFd, SocketAddr)> {
    let fd = socket(family(addr), SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // A master that is started again binds while connections of the last one are in TIME_WAIT.
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    if port == Port::Shared {
        setsockopt(&fd, sockopt::ReusePort, &true)?;
    }
    bind_to(&fd, addr)?;
    if port == Port::ToBeShared {
        // Only now: bound with it, the first socket would join those of another program of the same user, and take part of
        // what that is to get, instead of being told that the port is in use.
        setsockopt(&fd, sockopt::ReusePort, &true)?;
    }
    listen(&fd, backlog_of(backlog))?;
    let listener = TcpListener::from(fd);
    let bound = listener.local_addr().unwrap_or(addr);
    Ok((listener.into(), bound))
}

/// A UDP socket. Without SO_REUSEADDR: that would let any program of this user take the port over (socket(7)).
fn bind_udp(addr: SocketAddr) -> nix::Result<(OwnedFd, SocketAddr)> {
    let fd = socket(family(addr), SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    bind_to(&fd, addr)?;
    let socket = UdpSocket::from(fd);
    let bound = socket.local_addr().unwrap_or(addr);
    Ok((socket.into(), bound))
}

fn family(addr: SocketAddr) -> AddressFamily {
    if addr.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn bind_to(fd: &OwnedFd, addr: SocketAddr) -> nix::Result<()> {
    match addr {
        SocketAddr::V4(addr) => bind(fd.as_raw_fd(), &SockaddrIn::from(addr)),
        SocketAddr::V6(addr) => bind(fd.as_raw_fd(), &SockaddrIn6::from(addr)),
    }
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
