//! Sockets that listen, as the kernel makes them.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrStorage, UnixAddr, bind,
    getsockname, listen, setsockopt, socket, sockopt,
};
use nix::sys::stat::{Mode, fchmod};

/// What other sockets there may be on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// None.
    Own,
    /// None yet.
    ToBeShared,
    /// Those of the same listener.
    Shared,
}

/// Nobody can connect any more, and who waits is refused, whoever holds the socket.
pub(super) fn end(socket: &OwnedFd) {
    let _ = nix::sys::socket::shutdown(socket.as_raw_fd(), nix::sys::socket::Shutdown::Both);
}

pub(super) fn listen_tcp(addr: SocketAddr, backlog: u32, port: Port) -> nix::Result<(OwnedFd, SocketAddr)> {
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
pub(super) fn bind_udp(addr: SocketAddr) -> nix::Result<(OwnedFd, SocketAddr)> {
    let fd = socket(family(addr), SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    bind_to(&fd, addr)?;
    let socket = UdpSocket::from(fd);
    let bound = socket.local_addr().unwrap_or(addr);
    Ok((socket.into(), bound))
}

/// Where a socket is.
pub(super) fn bound(socket: &OwnedFd) -> Option<SocketAddr> {
    let addr = getsockname::<SockaddrStorage>(socket.as_raw_fd()).ok()?;
    let v4 = addr.as_sockaddr_in().map(|addr| SocketAddr::V4((*addr).into()));
    v4.or_else(|| addr.as_sockaddr_in6().map(|addr| SocketAddr::V6((*addr).into())))
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
pub(super) fn listen_unix(path: &Path, backlog: u32) -> nix::Result<OwnedFd> {
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // Before it is bound: the file is made with this mode, and there is no moment in which others could connect.
    fchmod(&fd, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&fd, backlog_of(backlog))?;
    Ok(fd)
}

/// Listens on one that does already: from now on whoever connects sees this process at the other end (SO_PEERCRED, unix(7)).
pub(super) fn listen_as_oneself(socket: &OwnedFd, backlog: u32) -> nix::Result<()> {
    listen(socket, backlog_of(backlog))
}

/// The kernel caps it at `net.core.somaxconn` (listen(2)).
fn backlog_of(wanted: u32) -> Backlog {
    i32::try_from(wanted).ok().and_then(|wanted| Backlog::new(wanted).ok()).unwrap_or(Backlog::MAXCONN)
}

/// Whether somebody has shut a socket down: not what the state says, which a Unix socket keeps, but what the kernel tells a
/// poll.
pub(super) fn is_shut_down(socket: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(socket.as_fd(), PollFlags::from_bits_retain(libc::POLLRDHUP))];
    // nix does not know POLLRDHUP, and has no flags for an answer with it.
    let is_ended = |answer: Option<PollFlags>| answer.is_none_or(|flags| flags.contains(PollFlags::POLLHUP));
    poll(&mut asked, PollTimeout::ZERO).is_ok() && is_ended(asked[0].revents())
}

/// Has a TCP socket listen again that was shut down. The kernel has let go of its port only if it had chosen it itself
/// (`tcp_disconnect`, `net/ipv4/tcp.c`).
pub(super) fn listen_again(socket: &OwnedFd, bound: SocketAddr, backlog: u32) -> nix::Result<()> {
    match bind_to(socket, bound) {
        Ok(()) | Err(Errno::EINVAL) => listen(socket, backlog_of(backlog)),
        Err(error) => Err(error),
    }
}

/// Gives a queue of another length to a socket, which goes on listening: listen(2) may be called again.
pub(super) fn set_backlog(socket: &OwnedFd, backlog: u32) -> nix::Result<()> {
    listen(socket, backlog_of(backlog))
}
