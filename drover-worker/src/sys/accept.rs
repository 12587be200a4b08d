//! `accept4`: a connection that is non-blocking and close-on-exec from its first moment, in one system call.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Takes one connection off the listener's queue.
pub(crate) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    // SAFETY: an all-zero sockaddr_storage is a valid value of that plain C struct.
    let mut address: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut length = size_of_val(&address) as libc::socklen_t;
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: the descriptor is open while `listener` is borrowed; both pointers are to live locals, and `length`
    // is the size of `address`, so the kernel writes within it.
    let fd =
        unsafe { libc::accept4(listener.as_raw_fd(), (&raw mut address).cast(), &raw mut length, flags) };
    if fd == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: accept4 has just made this descriptor, and nothing else owns it.
    let stream = TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok((stream, peer(&address)?))
}

fn peer(address: &libc::sockaddr_storage) -> io::Result<SocketAddr> {
    match libc::c_int::from(address.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the kernel wrote a sockaddr_in; the storage is larger and as aligned.
            let v4 = unsafe { &*(&raw const *address).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Ok(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that the kernel wrote a sockaddr_in6; the storage is larger and as aligned.
            let v6 = unsafe { &*(&raw const *address).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            Ok(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        family => Err(io::Error::other(format!("a TCP connection with address family {family}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_connection_is_non_blocking_and_its_peer_is_told_for_both_families() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let listener = match TcpListener::bind(local) {
                Ok(listener) => listener,
                // A host without IPv6 has nothing to show for the second family.
                Err(error) if local.starts_with('[') => {
                    assert_eq!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL));
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, peer) = accept(&listener).unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
            let error = io::Read::read(&mut &stream, &mut [0]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        }
    }
}
