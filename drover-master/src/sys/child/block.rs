//! A block of low descriptor numbers that belong to the thread which makes processes.
//!
//! A child starts with the master's table of descriptors, shared, and takes one of its own in its first call. What is copied
//! then ends where the block ends. So a master with 30,000 descriptors makes a process as fast as one with 30.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::ChildPlan;
use super::descriptors::{Moves, above, gap, lift, wanted};

/// How many numbers are held: three streams and 13 sockets, more than an app usually listens on. A plan with more goes without
/// the block, and its child copies the whole table.
const NUMBERS: usize = 16;

/// The block has to end below this: what lies below its end is copied for each child. A program that has opened more before
/// its first worker goes without the block.
const LOW: RawFd = 256;

/// The numbers, each occupied by a placeholder while it is not used, so that nobody else is given it.
#[derive(Debug)]
pub(super) struct Block {
    slots: Vec<OwnedFd>,
    placeholder: OwnedFd,
    end: RawFd,
}

impl Block {
    /// None where it would not help or the kernel can't: `close_range(2)` with both its flags is there since Linux 5.11, and a
    /// sandbox may forbid it.
    pub(super) fn reserve() -> Option<Self> {
        if !has_close_range() {
            return None;
        }
        let placeholder: OwnedFd = std::fs::File::open("/dev/null").ok()?.into();
        let slots: Vec<OwnedFd> = (0..NUMBERS)
            .map(|_| lift(placeholder.as_fd(), NUMBERS as RawFd))
            .collect::<Result<_, nix::Error>>()
            .ok()?;
        let end = slots.iter().map(|slot| slot.as_raw_fd() + 1).max()?;
        (end <= LOW).then_some(Self { slots, placeholder, end })
    }

    /// Puts the descriptors of a plan into the block, until the answer is dropped. None if they are too many.
    pub(super) fn fill(&mut self, plan: &ChildPlan) -> Option<nix::Result<Filled<'_>>> {
        let wanted = wanted(plan);
        if wanted.len() > self.slots.len() || above(plan) > NUMBERS as RawFd {
            return None;
        }
        let (above, end) = (above(plan), self.end);
        let pairs = self.slots.iter().zip(&wanted).map(|(slot, (_, to))| (slot.as_raw_fd(), *to)).collect();
        let mut filled = Filled {
            block: self,
            used: 0,
            moves: Moves { pairs, above, gap: gap(plan), unshare_from: Some(end) },
        };
        Some(wanted.into_iter().try_for_each(|(fd, _)| filled.put(fd)).map(|()| filled))
    }
}

/// A block in use.
#[derive(Debug)]
pub(super) struct Filled<'a> {
    block: &'a mut Block,
    used: usize,
    pub moves: Moves,
}

impl Filled<'_> {
    fn put(&mut self, fd: BorrowedFd<'_>) -> nix::Result<()> {
        let slot = &mut self.block.slots[self.used];
        self.used += 1;
        replace(slot, fd)
    }
}

impl Drop for Filled<'_> {
    fn drop(&mut self) {
        // A pipe ends only when every copy of its writing end is closed.
        for slot in &mut self.block.slots[..self.used] {
            let placed = replace(slot, self.block.placeholder.as_fd());
            debug_assert_eq!(placed, Ok(()), "dup3(2) on numbers that are held takes no new one");
        }
    }
}

/// The same number with another file, close-on-exec.
fn replace(slot: &mut OwnedFd, by: BorrowedFd<'_>) -> nix::Result<()> {
    nix::unistd::dup3(by, slot, nix::fcntl::OFlag::O_CLOEXEC)
}

fn has_close_range() -> bool {
    // SAFETY: a plain system call on a range that has no descriptor in it.
    unsafe { libc::syscall(libc::SYS_close_range, u32::MAX, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) == 0 }
}
