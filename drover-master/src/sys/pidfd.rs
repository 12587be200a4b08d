//! Process file descriptors: a child named so that no other process can be meant.
//!
//! `pidfd_open(2)` Linux 5.3, `pidfd_send_signal(2)` 5.1, `waitid(P_PIDFD)` 5.4.

use crate::signal::Signal;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::machine::exit::{ExitStatus, Usage};

/// A descriptor of a child that has not been reaped yet; close-on-exec by nature.
pub(crate) fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed; the arguments are plain numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Signals the process itself. ESRCH: it has been reaped.
pub(crate) fn pidfd_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is borrowed for the call; a null siginfo means "as kill(2) does".
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether processes can be signalled and waited for by a descriptor, asked once. Where they can't be, nobody would hear of a worker's end:
/// a sandbox or a filter of system calls may know some of these calls and not others.
pub(crate) fn are_pidfds_known() -> io::Result<()> {
    static KNOWN: AtomicBool = AtomicBool::new(false);
    // A number that no open descriptor has: whoever knows the call says EBADF.
    const NONE: i32 = i32::MAX;
    if KNOWN.load(Ordering::Relaxed) {
        return Ok(());
    }
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: no memory is passed: both calls fail before they would write any, and null means that none is wanted.
    let told = unsafe {
        let no_info = std::ptr::null_mut::<libc::siginfo_t>();
        let no_usage = std::ptr::null_mut::<libc::rusage>();
        [
            said(libc::syscall(libc::SYS_pidfd_send_signal, NONE, 0, no_info, 0)),
            said(libc::syscall(libc::SYS_waitid, libc::P_PIDFD, NONE, no_info, flags, no_usage)),
        ]
    };
    for error in told.into_iter().flatten() {
        if error.raw_os_error() != Some(libc::EBADF) {
            return Err(error);
        }
    }
    KNOWN.store(true, Ordering::Relaxed);
    Ok(())
}

fn said(result: libc::c_long) -> Option<io::Error> {
    (result < 0).then(io::Error::last_os_error)
}

/// Signals a process group, by any signal that there is. The number has to be taken by its leader or a member.
pub(crate) fn group_signal(group: i32, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is passed; the arguments are plain numbers.
    let result = unsafe { libc::killpg(group, signal) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether a number is taken: by a process, or by the group or the session that an ended one has led and that has members still.
/// `fcntl(2)`, F_SETOWN: a positive number that the kernel does not know is ESRCH, and it looks the number up, not a process. The owner
/// of a pidfd's signals has no effect, since nobody asks for any (O_ASYNC).
pub(crate) fn is_number_taken(pidfd: BorrowedFd<'_>, number: i32) -> bool {
    // SAFETY: no memory is passed; the descriptor is borrowed for the call.
    let result = unsafe { libc::fcntl(pidfd.as_raw_fd(), libc::F_SETOWN, number) };
    // Where it can't be said (a filter of system calls), the number counts as taken.
    result == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// How the child has ended, if it has, without reaping it. ECHILD: somebody else has reaped it, and its number may be another's.
pub(crate) fn ended(pidfd: BorrowedFd<'_>) -> io::Result<Option<(ExitStatus, Usage)>> {
    wait(pidfd, libc::WNOWAIT)
}

/// Reaps the child if it has ended. The raw call is used because only it also tells the resource usage.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> io::Result<Option<(ExitStatus, Usage)>> {
    wait(pidfd, 0)
}

/// The same of a child by its pid, which is its own as long as it is not reaped; and reaped, if that is asked for.
pub(crate) fn ended_child_of(pid: i32, is_reaped: bool) -> io::Result<Option<(ExitStatus, Usage)>> {
    let flags = if is_reaped { 0 } else { libc::WNOWAIT };
    read_end(wait_for(libc::P_PID, pid.unsigned_abs(), libc::WEXITED | flags)?)
}

/// The signal that has stopped the child, if it is stopped. Nobody is told instead: it stays to be asked for (WNOWAIT).
pub(crate) fn stopped_by(pidfd: BorrowedFd<'_>) -> Option<i32> {
    let (info, _) = wait_by(pidfd, libc::WSTOPPED | libc::WNOWAIT).ok()?;
    // SAFETY: waitid fills the fields of a child's siginfo, or leaves them zero with WNOHANG.
    let (pid, signal) = unsafe { (info.si_pid(), info.si_status()) };
    // One that a debugger has stopped (CLD_TRAPPED) is the debugger's.
    (pid != 0 && info.si_code == libc::CLD_STOPPED).then_some(signal)
}

fn wait(pidfd: BorrowedFd<'_>, flags: i32) -> io::Result<Option<(ExitStatus, Usage)>> {
    read_end(wait_by(pidfd, libc::WEXITED | flags)?)
}

fn read_end((info, usage): (libc::siginfo_t, libc::rusage)) -> io::Result<Option<(ExitStatus, Usage)>> {
    // SAFETY: waitid fills the fields of a child's siginfo, or leaves them zero with WNOHANG.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let status = match info.si_code {
        libc::CLD_EXITED => ExitStatus::Code(status),
        code => {
            ExitStatus::Signal { signal: Signal::of_kernel(status), core_dumped: code == libc::CLD_DUMPED }
        }
    };
    Ok(Some((status, Usage { max_rss_kb: usage.ru_maxrss.unsigned_abs(), cpu: cpu_time(&usage) })))
}

fn wait_by(pidfd: BorrowedFd<'_>, flags: i32) -> io::Result<(libc::siginfo_t, libc::rusage)> {
    wait_for(libc::P_PIDFD, pidfd.as_raw_fd().unsigned_abs(), flags)
}

fn wait_for(kind: libc::idtype_t, id: libc::id_t, flags: i32) -> io::Result<(libc::siginfo_t, libc::rusage)> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are to writable memory of the right types, which outlives the call.
        let result = unsafe {
            libc::syscall(
                libc::SYS_waitid,
                kind,
                id,
                info.as_mut_ptr(),
                libc::WNOHANG | flags,
                usage.as_mut_ptr(),
            )
        };
        if result == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: both were zeroed, which is a valid value of these plain C structs, and then perhaps filled.
    Ok(unsafe { (info.assume_init(), usage.assume_init()) })
}

fn cpu_time(usage: &libc::rusage) -> Duration {
    [usage.ru_utime, usage.ru_stime]
        .into_iter()
        .map(|time| Duration::new(time.tv_sec.unsigned_abs(), time.tv_usec.unsigned_abs() as u32 * 1000))
        .sum()
}
