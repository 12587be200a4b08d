//! A child that shares the master's memory until it is a program, as `posix_spawn(3)` makes it: no page table is copied, and no
//! page of the master faults afterwards. The thread stands still meanwhile; that is what makes it sound.
//!
//! What the two do not share: signal dispositions and mask, limits, working directory and umask (`clone(2)`: neither CLONE_SIGHAND,
//! CLONE_THREAD nor CLONE_FS is given). The table of descriptors is shared only until the child's first call, see `block.rs`.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::block::Block;
use super::descriptors::{Moves, lifted};
use super::inside::{Launch, Report, run};
use super::report::Memory;
use super::{Child, ChildPlan, SpawnError, Strings, discard};
use crate::machine::exit::SpawnStep;
use crate::sys::pid_cells::PidCell;
use crate::sys::{in_the_making, own_child, pidfd_open};

/// What a thread that makes processes keeps for it.
#[derive(Debug)]
pub(crate) struct Forge {
    stack: Stack,
    block: Option<Block>,
    /// Which of the threads it is: where the pid of its child is published.
    place: usize,
}

impl Forge {
    /// For the thread with this number, below [`MAKERS`](crate::sys::MAKERS).
    pub(crate) fn new(place: usize) -> io::Result<Self> {
        Ok(Self { stack: Stack::map()?, block: Block::reserve(), place })
    }

    /// Makes a child, and returns when it is a program or has failed. It must not become another user.
    ///
    /// Call it from a thread that lives as long as the master and has all signals blocked: the parent-death signal
    /// follows the thread, and a handler of the master's must not run in the child.
    pub(crate) fn make(&mut self, plan: &ChildPlan) -> Result<Child, SpawnError> {
        debug_assert!(plan.identity.is_none(), "in shared memory the master would become undumpable");
        let Self { stack, block, place } = self;
        let prepare = |error: nix::Error| SpawnError::new(SpawnStep::Prepare, &error.into());
        match block.as_mut().and_then(|block| block.fill(plan)) {
            Some(filled) => launch(stack, *place, plan, &filled.map_err(prepare)?.moves),
            None => {
                let (_copies, moves) = lifted(plan).map_err(prepare)?;
                launch(stack, *place, plan, &moves)
            }
        }
    }
}

fn launch(stack: &mut Stack, place: usize, plan: &ChildPlan, moves: &Moves) -> Result<Child, SpawnError> {
    let strings = Strings::of(plan);
    let memory = UnsafeCell::new(Memory::new());
    let launch = Launch {
        plan,
        argv: &strings.argv,
        env: &strings.env,
        pids: strings.pids,
        moves,
        report: Report::Memory(memory.get()),
        master_pid: nix::unistd::getpid().as_raw(),
    };
    let (pid, pidfd) = clone(stack, place, &launch).map_err(|error| match error.raw_os_error() {
        // Of the pidfd: no process was made.
        Some(libc::EMFILE | libc::ENFILE) => SpawnError::new(SpawnStep::Prepare, &error),
        _ => SpawnError::new(SpawnStep::Fork, &error),
    })?;
    let mut own = own_child();
    own.enter(pid);
    in_the_making(place).clear(&own);
    drop(own);
    let pidfd = pidfd.map_err(|error| {
        discard(pid, None);
        SpawnError::new(SpawnStep::Pidfd, &error)
    })?;
    // SAFETY: the child has ended, or has left this memory by its exec: nobody writes any more.
    match unsafe { &*memory.get() }.told() {
        Ok(passed_over) => Ok(Child { pid, pidfd, passed_over }),
        Err(error) => {
            discard(pid, Some(&pidfd));
            Err(error)
        }
    }
}

/// The pid of a child that has run the launch, until it was a program or ended; and its pidfd, or why there is
/// none: a kernel that does not know of them leaves it out (before Linux 5.2, and in some sandboxes).
fn clone(stack: &mut Stack, place: usize, launch: &Launch<'_>) -> io::Result<(i32, io::Result<OwnedFd>)> {
    let shared = libc::CLONE_VM | libc::CLONE_VFORK;
    let files = if launch.moves.unshare_from.is_some() { libc::CLONE_FILES } else { 0 };
    let mut pidfd: RawFd = -1;
    // The two share an argument of clone(2). The pid is written before the child runs, whatever becomes of this thread.
    let (told, parent_slot) = match launch.plan.pid_cell.and_then(PidCell::as_ptr) {
        Some(cell) => (libc::CLONE_PARENT_SETTID, cell),
        None => (libc::CLONE_PIDFD, &raw mut pidfd),
    };
    let told = told | libc::CLONE_CHILD_SETTID;
    let slot = in_the_making(place).as_ptr();
    // SAFETY: the stack is this thread's alone, and this thread stands still until the child is off it. The launch outlives
    // that. The child keeps to async-signal-safe calls and never returns. The kernel writes the pidfd here, or the pid to the cell,
    // and in the child its pid to the slot; cell and slot live for ever.
    let pid = unsafe {
        libc::clone(
            enter,
            stack.top(),
            shared | files | told | libc::SIGCHLD,
            ptr::from_ref(launch).cast_mut().cast(),
            parent_slot,
            ptr::null_mut::<c_void>(),
            slot,
        )
    };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    if launch.plan.pid_cell.is_some() {
        // Not reaped, so it is this child.
        return Ok((pid, pidfd_open(pid)));
    }
    if pidfd < 0 {
        return Ok((pid, Err(io::Error::from_raw_os_error(libc::ENOSYS))));
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
    Ok((pid, Ok(unsafe { OwnedFd::from_raw_fd(pidfd) })))
}

extern "C" fn enter(launch: *mut c_void) -> i32 {
    // SAFETY: the pointer is the one given to clone(2); this is the child, and the thread has blocked all signals.
    unsafe { run(&*launch.cast_const().cast::<Launch<'_>>()) }
}

/// The child's stack, with a page below it that can't be written. It calls nothing deep.
#[derive(Debug)]
struct Stack {
    lowest: *mut c_void,
}

// SAFETY: the mapping belongs to this value alone, whichever thread has it.
unsafe impl Send for Stack {}

impl Stack {
    /// Of which only the pages that are used cost memory.
    const SIZE: usize = 128 * 1024;
    /// The largest page there is.
    const GUARD: usize = 64 * 1024;

    fn map() -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        // SAFETY: a new mapping, of which the lower end is then made inaccessible.
        unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let lowest = libc::mmap(ptr::null_mut(), Self::SIZE, access, flags, -1, 0);
            if lowest == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let stack = Self { lowest };
            match libc::mprotect(lowest, Self::GUARD, libc::PROT_NONE) {
                0 => Ok(stack),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }

    /// Where it begins: it grows down, and a page's end is aligned for every architecture.
    fn top(&mut self) -> *mut c_void {
        self.lowest.wrapping_byte_add(Self::SIZE)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map`, and no child is on it: the thread that made one stood still meanwhile.
        unsafe { libc::munmap(self.lowest, Self::SIZE) };
    }
}
