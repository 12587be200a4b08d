//! The app's listening sockets: bound once by the master, inherited by every worker, open until the app ends. A connection
//! that waits in a queue is not lost because a worker leaves.

//!
//! A listener is shared, one socket for all, or has a socket for each slot, which the slot's workers inherit one after the
//! other.

mod app;
mod group;
mod holder;
mod inherited;
mod kept;
mod pool;
mod queue;
mod resolve;
mod slots;
mod steering;
mod unix_path;
mod watch;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, UnixAddr, bind, listen, setsockopt,
    socket, sockopt,
};
use nix::sys::stat::{Mode, fchmod};

pub(crate) use app::{AppListeners, Renewed};
pub use holder::PortHolder;
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
    /// The one that new workers get.
    socket: Mutex<Arc<OwnedFd>>,
    backlog: AtomicU32,
    /// Who opened it.
    origin: Origin,
}

/// Who opened a listener, and so what becomes of it at its end.
#[derive(Debug)]
enum Origin {
    Own,
    /// Unlinks the path on drop.
    OwnPath(UnixPath),
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
    #[error("listener `{name}`: {addr} is in use by {}; end that one or choose another address", told(holder.as_ref()))]
    InUse {
        /// The listener.
        name: String,
        /// Its address.
        addr: ListenAddr,
        /// The process that has it, if that is known.
        holder: Option<PortHolder>,
    },
    /// A socket that was handed over listens there, and is no listener's.
    #[error(
        "listener `{name}`: {addr} is in use by the socket {socket}, which was handed over to this program; give it the listener's name \
         (FileDescriptorName={name}), or the listener its address"
    )]
    InUseByHandedOver {
        /// The listener.
        name: String,
        /// Its address.
        addr: ListenAddr,
        /// The socket, with its address.
        socket: String,
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

fn told(holder: Option<&PortHolder>) -> String {
    holder.map_or_else(|| "another program".to_owned(), ToString::to_string)
}

impl ListenError {
    /// Whether [`with_holder`](Self::with_holder) may find out more.
    pub(crate) const fn lacks_holder(&self) -> bool {
        matches!(self, Self::InUse { holder: None, .. })
    }

    /// The same with the process that has the address. Walks over `/proc`.
    pub(crate) fn with_holder(&self) -> Option<Self> {
        match self {
            Self::InUse { name, addr, holder: None } => {
                Some(Self::InUse { name: name.clone(), addr: addr.clone(), holder: holder::holder_of(addr) })
            }
            _ => None,
        }
    }
}

impl Listener {
    /// Opens a listener. A host name is resolved here, by the system's resolver, for which the caller waits at most 5 s: nothing
    /// of the app runs yet.
    pub(crate) fn open(spec: &ListenSpec) -> Result<Self, ListenError> {
        match &spec.addr {
            ListenAddr::Tcp(addr) => {
                let (socket, addr) = open_tcp(spec, addr, Port::Own)?;
                Ok(Self::new(spec, addr.into(), Arc::new(socket), Origin::Own))
            }
            ListenAddr::Udp(addr) => {
                let (socket, addr) = first_of_host(spec, addr, bind_udp)?;
                let addr = ListenAddr::Udp(addr.to_string());
                Ok(Self::new(spec, addr, Arc::new(socket), Origin::Own))
            }
            ListenAddr::Unix(path) => {
                let failed = |source| ListenError::Path { name: spec.name.clone(), source };
                let path = UnixPath::claim(path).map_err(failed)?;
                let socket = path.listen(spec.backlog).map_err(failed)?;
                Ok(Self::new(spec, spec.addr.clone(), Arc::new(socket), Origin::OwnPath(path)))
            }
        }
    }

    fn new(spec: &ListenSpec, addr: ListenAddr, socket: Arc<OwnedFd>, origin: Origin) -> Self {
        let (name, backlog) = (spec.name.clone(), AtomicU32::new(spec.backlog));
        Self { name, addr, socket: Mutex::new(socket), backlog, origin }
    }

    /// What new workers get.
    pub(crate) fn socket(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.socket.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Listens again if somebody has shut it down: with TCP on the same socket, which all who have it serve on; with a Unix socket on
    /// another. None if nobody has.
    fn renew(&self) -> Option<io::Result<()>> {
        let socket = self.socket();
        if !is_shut_down(&socket) {
            return None;
        }
        Some(match (&self.addr, &self.origin) {
            (ListenAddr::Tcp(addr), _) => match addr.parse() {
                Ok(bound) => listen_again(&socket, bound, self.backlog()).map_err(io::Error::from),
                Err(_) => Err(io::ErrorKind::InvalidInput.into()),
            },
            (ListenAddr::Unix(_), Origin::OwnPath(path)) => {
                self.replace(path, || is_shut_down(&self.socket()))
            }
            (ListenAddr::Unix(_), _) => {
                Err(io::Error::other("it was handed over; have the one who opened it open it again"))
            }
            (ListenAddr::Udp(_), _) => {
                Err(io::Error::other("a UDP socket stays as it is; stop the app and start it again"))
            }
        })
    }

    /// The same if its path was taken away. Reads and writes the file system.
    fn restore(&self) -> Option<io::Result<()>> {
        match &self.origin {
            Origin::OwnPath(path) if !path.is_there() => Some(self.replace(path, || !path.is_there())),
            _ => None,
        }
    }

    /// Opens another socket, if one is still needed: the driver, which hears of a shutdown, and who looks after the path, which is
    /// gone for a moment while it is made again, may come at the same time.
    fn replace(&self, path: &UnixPath, is_needed: impl Fn() -> bool) -> io::Result<()> {
        let _turn = path.turn();
        if !is_needed() {
            return Ok(());
        }
        let new = path.listen_again(self.backlog()).map_err(io::Error::other)?;
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(())
    }

    /// The files that have to be there for it.
    fn files(&self) -> Vec<PathBuf> {
        match &self.origin {
            Origin::OwnPath(path) => path.files(),
            Origin::Own | Origin::Inherited => Vec::new(),
        }
    }

    fn backlog(&self) -> u32 {
        self.backlog.load(Ordering::Relaxed)
    }

    fn set_backlog(&self, backlog: u32) -> Result<(), ListenError> {
        self.backlog.store(backlog, Ordering::Relaxed);
        set_backlog(&self.socket(), backlog).map_err(|error| ListenError::Failed {
            name: self.name.clone(),
            addr: self.addr.clone(),
            source: error.into(),
        })
    }
}

/// Whether somebody has shut a socket down: not what the state says, which a Unix socket keeps, but what the kernel tells a
/// poll.
fn is_shut_down(socket: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(socket.as_fd(), PollFlags::from_bits_retain(libc::POLLRDHUP))];
    // nix does not know POLLRDHUP, and has no flags for an answer with it.
    let is_ended = |answer: Option<PollFlags>| answer.is_none_or(|flags| flags.contains(PollFlags::POLLHUP));
    poll(&mut asked, PollTimeout::ZERO).is_ok() && is_ended(asked[0].revents())
}

/// Has a TCP socket listen again that was shut down. The kernel has let go of its port only if it had chosen it itself
/// (`tcp_disconnect`, `net/ipv4/tcp.c`).
fn listen_again(socket: &OwnedFd, bound: SocketAddr, backlog: u32) -> nix::Result<()> {
    match bind_to(socket, bound) {
        Ok(()) | Err(Errno::EINVAL) => listen(socket, backlog_of(backlog)),
        Err(error) => Err(error),
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
    for addr in &resolved {
        match open(*addr) {
            Ok(opened) => {
                if let Some(remark) = left_out(wanted, *addr, &resolved) {
                    tracing::warn!(target: "drover::listener", "listener `{name}`: {remark}");
                }
                return Ok(opened);
            }
            Err(error) => last = error,
        }
    }
    let (name, addr) = (name.clone(), wanted.clone());
    Err(match last {
        Errno::EADDRINUSE => ListenError::InUse { name, addr, holder: None },
        Errno::EACCES => ListenError::NotPermitted { name, addr },
        error => ListenError::Failed { name, addr, source: error.into() },
    })
}

/// What clients of a name should know that has several addresses: a listener is one socket, and has one of them.
fn left_out(wanted: &ListenAddr, opened: SocketAddr, resolved: &[SocketAddr]) -> Option<String> {
    let others: Vec<String> =
        resolved.iter().filter(|addr| addr.ip() != opened.ip()).map(ToString::to_string).collect();
    (!others.is_empty()).then(|| {
        format!(
            "it listens on {opened} alone, though `{wanted}` is {} too; write the address that you mean, or a listener for each",
            others.join(" and ")
        )
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
            end(&self.socket());
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

/// A Unix stream socket that listens at `path`, which must not exist, for its owner alone.
fn listen_unix(path: &std::path::Path, backlog: u32) -> nix::Result<OwnedFd> {
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // Before it is bound: the file is made with this mode, and there is no moment in which others could connect.
    fchmod(&fd, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&fd, backlog_of(backlog))?;
    Ok(fd)
}

/// The kernel caps it at `net.core.somaxconn` (listen(2)).
fn backlog_of(wanted: u32) -> Backlog {
    i32::try_from(wanted).ok().and_then(|wanted| Backlog::new(wanted).ok()).unwrap_or(Backlog::MAXCONN)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use nix::sys::socket::{Shutdown, shutdown};

    use super::*;

    #[test]
    fn a_name_with_two_addresses_is_told_which_of_them_has_no_listener() {
        let [v4, v6]: [SocketAddr; 2] = ["127.0.0.1:80", "[::1]:80"].map(|addr| addr.parse().unwrap());
        let wanted = "localhost:80".parse().unwrap();
        let told = |opened, resolved: &[SocketAddr]| left_out(&wanted, opened, resolved);
        assert_eq!(told(v4, &[v4, v4]), None, "a resolver may say the same twice");
        assert_eq!(
            told(v4, &[v6, v4]).unwrap(),
            "it listens on 127.0.0.1:80 alone, though `localhost:80` is [::1]:80 too; write the address that you mean, or a \
             listener for each"
        );
    }

    #[test]
    fn a_listener_that_somebody_shut_down_is_opened_again_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let unix = format!("unix:{}", dir.path().join("x.sock").display());
        for (addr, is_same) in [("127.0.0.1:0", true), (&*unix, false)] {
            for how in [Shutdown::Read, Shutdown::Both] {
                let listener = Listener::open(&ListenSpec::new("http", addr.parse().unwrap())).unwrap();
                let connects = || match &listener.addr {
                    ListenAddr::Unix(path) => std::os::unix::net::UnixStream::connect(path).map(drop),
                    addr => TcpStream::connect(addr.to_string()).map(drop),
                };
                assert!(listener.renew().is_none());
                let socket = listener.socket();
                shutdown(socket.as_raw_fd(), how).unwrap();
                assert!(connects().is_err());
                assert!(matches!(listener.renew(), Some(Ok(()))));
                connects().unwrap();
                assert_eq!(Arc::ptr_eq(&socket, &listener.socket()), is_same);
            }
        }
    }
}
