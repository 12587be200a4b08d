//! File descriptors that the master put into this process.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// What kind of socket a file descriptor is, as far as a listener has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketKind {
    /// A TCP socket that listens.
    TcpListener,
    /// A UDP socket.
    Udp,
    /// A Unix stream socket that listens.
    UnixListener,
    /// Any other socket.
    Other,
}

/// Tells what kind of socket `fd` is.
pub(crate) fn socket_kind(fd: RawFd) -> io::Result<SocketKind> {
    let (domain, protocol) = (socket_option(fd, libc::SO_DOMAIN)?, socket_option(fd, libc::SO_PROTOCOL)?);
    let is_stream = socket_option(fd, libc::SO_TYPE)? == libc::SOCK_STREAM;
    let listens = is_stream && socket_option(fd, libc::SO_ACCEPTCONN)? == 1;
    Ok(match (domain, protocol) {
        (libc::AF_UNIX, _) if listens => SocketKind::UnixListener,
        (libc::AF_INET | libc::AF_INET6, libc::IPPROTO_TCP) if listens => SocketKind::TcpListener,
        (libc::AF_INET | libc::AF_INET6, libc::IPPROTO_UDP) => SocketKind::Udp,
        _ => SocketKind::Other,
    })
}

impl SocketKind {
    /// For messages: what it is.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TcpListener => "a TCP socket that listens",
            Self::Udp => "a UDP socket",
            Self::UnixListener => "a Unix socket that listens",
            Self::Other => "a socket of another kind, or one that does not listen",
        }
    }
}

/// Marks an inherited file descriptor close-on-exec, so that no child of this process gets it.
pub(crate) fn close_on_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: F_SETFD takes an integer and touches no memory; a number that is not an open descriptor gives EBADF.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Takes ownership of an inherited file descriptor and marks it close-on-exec.
///
/// The caller vouches that `fd` was handed to this process and is adopted once; both are the contract of
/// `LISTEN_FDS`, kept by [`ListenFds`](crate::listener::listen_fds::ListenFds).
pub(crate) fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    close_on_exec(fd)?;
    // SAFETY: `fd` is open, as F_SETFD has just shown. It was opened by the master before exec, so no object of
    // this process owns it, and `ListenFds` gives each number out once.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn socket_option(fd: RawFd, option: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: both pointers are to live locals, and `length` is the size of `value`.
    let result =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, (&raw mut value).cast(), &raw mut length) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(value) }
}
