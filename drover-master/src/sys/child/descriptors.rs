//! Which descriptors a child gets, and under which numbers.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::fcntl::FcntlArg;

/// The first descriptor of an inherited socket, as `sd_listen_fds(3)` fixes it.
pub(super) const FIRST_SOCKET: RawFd = 3;

/// What a child gets as a standard stream.
#[derive(Debug)]
pub(crate) enum Stdio {
    /// This end of a pipe, or this file.
    Owned(OwnedFd),
    /// The master's own.
    Inherited,
}

impl Stdio {
    fn lift(&self, above: RawFd) -> nix::Result<Option<OwnedFd>> {
        match self {
            Self::Owned(fd) => lift(fd.as_fd(), above).map(Some),
            Self::Inherited => Ok(None),
        }
    }
}

/// What is moved to which number: the streams to 0, 1, 2, the sockets to 3 and up. All lie above every target, so that no move
/// hits another.
#[derive(Debug)]
pub(super) struct Moves {
    streams: [Option<OwnedFd>; 3],
    sockets: Vec<OwnedFd>,
    above: RawFd,
}

impl Moves {
    pub(super) fn new(
        stdin: &OwnedFd,
        stdout: &Stdio,
        stderr: &Stdio,
        sockets: &[Arc<OwnedFd>],
        above: RawFd,
    ) -> nix::Result<Self> {
        let streams = [Some(lift(stdin.as_fd(), above)?), stdout.lift(above)?, stderr.lift(above)?];
        let sockets = sockets.iter().map(|fd| lift(fd.as_fd(), above)).collect::<Result<_, _>>()?;
        Ok(Self { streams, sockets, above })
    }
}

/// A copy of a descriptor with a number of at least `above`.
pub(super) fn lift(fd: BorrowedFd<'_>, above: RawFd) -> nix::Result<OwnedFd> {
    let copy = nix::fcntl::fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(above))?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Standard streams to 0, 1, 2, sockets to 3 and up, everything else closed on exec.
///
/// # Safety
///
/// Only between fork and exec.
pub(super) unsafe fn place_descriptors(moves: &Moves) -> bool {
    let sockets = moves.sockets.iter().zip(FIRST_SOCKET..);
    let streams = moves.streams.iter().zip(0..).filter_map(|(fd, target)| Some((fd.as_ref()?, target)));
    // SAFETY: plain system calls on descriptor numbers; the child owns its whole table.
    unsafe {
        for (fd, target) in streams.chain(sockets) {
            // dup2 clears close-on-exec on the new number, which is what makes it inherited.
            if libc::dup2(fd.as_raw_fd(), target) < 0 {
                return false;
            }
        }
        close_on_exec_from(moves.above);
    }
    true
}

/// Marks every descriptor from `first` close-on-exec: `close_range(2)`, CLOSE_RANGE_CLOEXEC since Linux 5.11. On older
/// kernels each is marked by itself, up to a bound; the master opens all of its own close-on-exec anyway.
///
/// # Safety
///
/// Only between fork and exec.
unsafe fn close_on_exec_from(first: RawFd) {
    const BOUND: RawFd = 65_536;
    // SAFETY: plain system calls on descriptor numbers.
    unsafe {
        let result = libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        if result != 0 {
            for fd in first..BOUND {
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
    }
}
