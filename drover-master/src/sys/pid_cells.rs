//! Where the kernel writes the pid of each worker as part of its making: memory that a keeper shares with its masters.
//!
//! `clone(2)`, CLONE_CHILD_SETTID: the child's first act, before its first instruction, is to have its pid written to an address. In this
//! memory it is seen by the keeper, and by the next master if this one dies at that moment.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};

/// How many there are: four for each worker of the largest app that was tried. A page of them costs memory once one of it is used.
const COUNT: usize = 65_536;

/// The first holds how many may be in use, so that nobody looks at all of them.
static CELLS: OnceLock<PidCells> = OnceLock::new();

#[derive(Debug)]
struct PidCells {
    cells: &'static [AtomicI32],
    memory: OwnedFd,
}

/// One of them, by its number; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PidCell(u32);

/// Makes them, or takes over the memory of another program of the same line. They stay for the life of the process and of all that
/// it forks.
pub(crate) fn share_pid_cells(memory: Option<OwnedFd>) -> io::Result<()> {
    if CELLS.get().is_some() {
        return Ok(());
    }
    let length = COUNT * size_of::<AtomicI32>();
    let memory = match memory {
        Some(memory) => memory,
        None => {
            let memory = memfd_create(c"drover-pids", MFdFlags::MFD_CLOEXEC)?;
            nix::unistd::ftruncate(&memory, length as i64)?;
            memory
        }
    };
    if nix::sys::stat::fstat(&memory)?.st_size < length as i64 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory of pids is too small"));
    }
    let bytes = NonZeroUsize::new(length).unwrap_or(NonZeroUsize::MIN);
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping at an address that the kernel chooses, of a file that is as long; it is never unmapped. All zeros are valid
    // atomics, and whoever else maps it, the kernel too, writes whole aligned numbers.
    let cells = unsafe {
        let start = mmap(None, bytes, access, MapFlags::MAP_SHARED, memory.as_fd(), 0)?;
        std::slice::from_raw_parts(start.as_ptr().cast::<AtomicI32>().cast_const(), COUNT)
    };
    // Of two that make them at once one is the first, and the other's are not used.
    let _ = CELLS.set(PidCells { cells, memory });
    Ok(())
}

/// The memory they are in, if there is any.
pub(crate) fn pid_cells_memory() -> Option<&'static OwnedFd> {
    CELLS.get().map(|cells| &cells.memory)
}

impl PidCell {
    /// The one with this number, if there are so many.
    pub(crate) fn numbered(number: u32) -> Option<Self> {
        let cells = CELLS.get()?.cells;
        let used = (number as usize) < cells.len() && number > 0;
        used.then(|| {
            cells[0].fetch_max(number.cast_signed(), Ordering::SeqCst);
            Self(number)
        })
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The pid in it; 0 if none.
    pub(crate) fn pid(self) -> i32 {
        self.cell().map_or(0, |cell| cell.load(Ordering::SeqCst))
    }

    pub(crate) fn clear(self) {
        if let Some(cell) = self.cell() {
            cell.store(0, Ordering::SeqCst);
        }
    }

    pub(super) fn as_ptr(self) -> Option<*mut i32> {
        self.cell().map(AtomicI32::as_ptr)
    }

    pub(super) fn cell(self) -> Option<&'static AtomicI32> {
        CELLS.get()?.cells.get(self.0 as usize)
    }
}

/// The highest number that may be in use.
pub(crate) fn highest_cell() -> u32 {
    let highest = CELLS.get().and_then(|cells| cells.cells.first());
    highest.map_or(0, |highest| highest.load(Ordering::SeqCst).unsigned_abs())
}

/// The pids of all workers that were made and are not forgotten.
pub(crate) fn pids_in_cells() -> impl Iterator<Item = i32> {
    let cells = CELLS.get().map_or(&[][..], |cells| cells.cells);
    let used = highest_cell() as usize;
    cells.iter().skip(1).take(used).map(|cell| cell.load(Ordering::SeqCst)).filter(|pid| *pid > 0)
}
