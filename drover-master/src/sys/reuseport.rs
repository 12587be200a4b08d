//! What `SO_REUSEPORT` needs beyond the wrappers of nix: a program that chooses, and a look into a queue.

use std::ffi::c_void;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Has `program` choose who gets a connection, in place of the program before: for all sockets on the port of this one.
/// `socket(7)`, SO_ATTACH_REUSEPORT_CBPF: Linux 4.5, without a privilege.
pub(crate) fn choose_by(socket: BorrowedFd<'_>, program: &[libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // The kernel only reads through this pointer; the field is mutable in C because other calls share the struct.
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // SAFETY: `program` lives over the call and names as many instructions as there are, which the kernel copies; its
    // length is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast::<c_void>(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How many connections wait in the queue of a TCP socket that listens: `tcpi_unacked` of TCP_INFO, which `ss(8)` shows as
/// Recv-Q. A handshake that is not complete is not counted.
pub(crate) fn queued(socket: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: an all-zero tcp_info is a valid value of that plain C struct.
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    let mut length = size_of_val(&info) as libc::socklen_t;
    // SAFETY: both pointers are to live locals, and `length` is the size of `info`, so the kernel writes within it.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast::<c_void>(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(info.tcpi_unacked) } else { Err(io::Error::last_os_error()) }
}
