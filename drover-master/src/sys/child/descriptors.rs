//! Which descriptors a child gets, and under which numbers.

use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::fcntl::FcntlArg;

use super::ChildPlan;

/// The first descriptor of an inherited socket, as `sd_listen_fds(3)` fixes it.
const FIRST_SOCKET: RawFd = 3;

/// What a child gets as a standard stream.
#[derive(Debug)]
pub(crate) enum Stdio {
    /// This end of a pipe, or this file.
    Given(Arc<OwnedFd>),
    /// The master's own.
    Inherited,
}

/// The descriptors of a plan with the numbers that they get: the streams 0, 1, 2, the sockets 3 and up, then what has a number of
/// its own.
pub(super) fn wanted(plan: &ChildPlan) -> Vec<(BorrowedFd<'_>, RawFd)> {
    fn given(stream: &Stdio) -> Option<BorrowedFd<'_>> {
        match stream {
            Stdio::Given(fd) => Some(fd.as_fd()),
            Stdio::Inherited => None,
        }
    }
    let streams = [Some(plan.stdin.as_fd()), given(&plan.stdout), given(&plan.stderr)];
    let sockets = plan.sockets.iter().map(|fd| fd.as_fd()).zip(FIRST_SOCKET..);
    let notify = plan.notify_fd.iter().map(|(fd, number)| (fd.as_fd(), *number));
    let streams = streams.into_iter().zip(0..).filter_map(|(fd, target)| Some((fd?, target)));
    streams.chain(sockets).chain(notify).collect()
}

/// The first number that is not a target: everything from here on is not for the program.
pub(super) fn above(plan: &ChildPlan) -> RawFd {
    let after_sockets = FIRST_SOCKET + plan.sockets.len() as RawFd;
    plan.notify_fd.as_ref().map_or(after_sockets, |(_, number)| after_sockets.max(number + 1))
}

/// The numbers between the sockets and what has a number of its own: they are not for the program either.
pub(super) fn gap(plan: &ChildPlan) -> Range<RawFd> {
    FIRST_SOCKET + plan.sockets.len() as RawFd..plan.notify_fd.as_ref().map_or(0, |(_, number)| *number)
}

/// What the child moves to which number. The sources lie above every target, so that no move hits another.
#[derive(Debug)]
pub(super) struct Moves {
    pub pairs: Vec<(RawFd, RawFd)>,
    pub above: RawFd,
    /// Numbers below that which are no targets.
    pub gap: Range<RawFd>,
    /// With a table that is shared with the master: from here on nothing is taken over. See [`unshare_table`].
    pub unshare_from: Option<RawFd>,
}

/// Copies of descriptors above the targets, for a child with a table of its own. They have to live until it is made.
pub(super) fn lifted(plan: &ChildPlan) -> nix::Result<(Vec<OwnedFd>, Moves)> {
    let above = above(plan);
    let wanted = wanted(plan);
    let copies: Vec<OwnedFd> =
        wanted.iter().map(|(fd, _)| lift(*fd, above)).collect::<Result<_, nix::Error>>()?;
    let pairs = copies.iter().zip(&wanted).map(|(copy, (_, target))| (copy.as_raw_fd(), *target)).collect();
    Ok((copies, Moves { pairs, above, gap: gap(plan), unshare_from: None }))
}

/// A copy of a descriptor with a number of at least `above`.
pub(super) fn lift(fd: BorrowedFd<'_>, above: RawFd) -> nix::Result<OwnedFd> {
    let copy = nix::fcntl::fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(above))?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Takes a table of descriptors of its own, in which only those below `from` are. One call does both, so the master's table is
/// not touched: `close_range(2)`, CLOSE_RANGE_UNSHARE, which copies nothing that it would close.
///
/// # Safety
///
/// Only in the child.
pub(super) unsafe fn unshare_table(from: RawFd) -> bool {
    // SAFETY: a plain system call on descriptor numbers.
    unsafe { libc::syscall(libc::SYS_close_range, from, u32::MAX, libc::CLOSE_RANGE_UNSHARE) == 0 }
}

/// Standard streams to 0, 1, 2, sockets to 3 and up, everything else closed on exec.
///
/// # Safety
///
/// Only in the child, with a table of its own.
pub(super) unsafe fn place_descriptors(moves: &Moves) -> bool {
    // SAFETY: plain system calls on descriptor numbers; the child owns its whole table.
    unsafe {
        for &(source, target) in &moves.pairs {
            // dup2 clears close-on-exec on the new number, which is what makes it inherited.
            if libc::dup2(source, target) < 0 {
                return false;
            }
        }
        // At most a few hundred, which were checked. One that is not open gives EBADF.
        for fd in moves.gap.start..moves.gap.end {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
        close_on_exec_from(moves.above);
    }
    true
}

/// Marks every descriptor from `first` close-on-exec: `close_range(2)`, CLOSE_RANGE_CLOEXEC since Linux 5.11. On older
/// kernels each is marked individually, up to a bound; the master opens all of its own close-on-exec anyway.
///
/// # Safety
///
/// Only in the child, with a table of its own.
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
