//! Children that are not ours: adopted as PID 1.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The children made here and not reaped yet. Whoever looks for strangers must never take one of them for one: the lock is held
/// from before a fork until its child is entered. For the wait until a child's exec, see [`Making`].
static OWN: Mutex<Option<HashSet<i32>>> = Mutex::new(None);

/// How many threads may make processes: one, and those that are stuck with a child.
pub(crate) const MAKERS: usize = 9;

static MAKING: [Making; MAKERS] = [const { Making(AtomicI32::new(0)) }; MAKERS];

/// The pid of the child that a thread is making and waiting for, or 0. The kernel writes it when the child begins to run
/// (`clone(2)`, CLONE_CHILD_SETTID), so it is there before the child can end. The thread clears it with the table of children
/// locked, before the child can be reaped.
pub(crate) struct Making(AtomicI32);

/// Of the thread with this number, below [`MAKERS`].
pub(crate) fn in_the_making(place: usize) -> &'static Making {
    &MAKING[place]
}

impl Making {
    pub(crate) fn as_ptr(&self) -> *mut i32 {
        self.0.as_ptr()
    }

    /// The child is entered in the table.
    pub(crate) fn clear(&self, _own: &OwnChildren) {
        self.0.store(0, Ordering::SeqCst);
    }

    /// Kills the child that is in the making, if there is one.
    pub(crate) fn kill(&self) {
        // With the table locked, the thread can't go on to reap it: the pid is the child's own.
        let _own = own_child();
        let pid = self.0.load(Ordering::SeqCst);
        if pid > 0 {
            // SAFETY: as said; no memory is passed.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }
}

/// The children made here, locked.
pub(crate) struct OwnChildren(MutexGuard<'static, Option<HashSet<i32>>>);

/// Locks the table of children.
pub(crate) fn own_child() -> OwnChildren {
    OwnChildren(OWN.lock().unwrap_or_else(PoisonError::into_inner))
}

impl OwnChildren {
    pub(crate) fn enter(&mut self, pid: i32) {
        self.0.get_or_insert_default().insert(pid);
    }

    pub(crate) fn leave(&mut self, pid: i32) {
        if let Some(own) = self.0.as_mut() {
            own.remove(&pid);
        }
    }

    fn has(&self, pid: i32) -> bool {
        self.0.as_ref().is_some_and(|own| own.contains(&pid))
            || MAKING.iter().any(|making| making.0.load(Ordering::SeqCst) == pid)
    }
}

/// Reaps every ended child of this process that no master in it has made, and tells how many.
///
/// For a program that is PID 1 (of a container, say) and so the parent of every orphan: call it at each SIGCHLD. It takes exit
/// statuses from whoever else waits for children in this program, so a library must not call it.
///
/// # Errors
///
/// `WouldBlock` where `/proc` does not list children (it is not mounted, or the kernel was built without `CONFIG_PROC_CHILDREN`) and
/// an ended child that was made here stands before others: they can be seen once that one is reaped, so call it again soon.
pub fn reap_strangers() -> io::Result<usize> {
    let own = own_child();
    match children() {
        Ok(children) => Ok(children.into_iter().filter(|pid| is_reaped(*pid, &own)).count()),
        Err(_) => reap_in_line(&own),
    }
}

/// The children of each thread of this process.
#[expect(clippy::disallowed_methods, reason = "as many entries as this process has threads")]
fn children() -> io::Result<Vec<i32>> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        let children = fs::read_to_string(task?.path().join("children"))?;
        found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    Ok(found)
}

/// Reaps one that has ended, unless it was made here.
fn is_reaped(pid: i32, own: &OwnChildren) -> bool {
    // Asked once it has ended: one that has just been begun is not known before it runs.
    if own.has(pid) || ended_child(libc::P_PID, pid.unsigned_abs()) != Some(pid) || own.has(pid) {
        return false;
    }
    // SAFETY: no memory is passed; the pid is an unreaped child of this process, so it is nobody else's.
    unsafe { libc::wait4(pid, std::ptr::null_mut(), libc::WNOHANG, std::ptr::null_mut()) == pid }
}

/// The same where nobody lists the children: the kernel shows the first that has ended, and none behind it.
fn reap_in_line(own: &OwnChildren) -> io::Result<usize> {
    let mut reaped = 0;
    while let Some(pid) = ended_child(libc::P_ALL, 0) {
        if !is_reaped(pid, own) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        reaped += 1;
    }
    Ok(reaped)
}

/// A child that has ended, of those that are meant (`waitid(2)`), without reaping it.
fn ended_child(which: libc::idtype_t, id: libc::id_t) -> Option<i32> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: the pointer is to writable memory of the right type, zeroed, which is a valid value; waitid(2) leaves the pid
    // zero when there is nothing to tell.
    let pid = unsafe {
        if libc::waitid(which, id, info.as_mut_ptr(), flags) != 0 {
            return None;
        }
        info.assume_init().si_pid()
    };
    (pid != 0).then_some(pid)
}
