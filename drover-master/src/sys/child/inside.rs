//! The child's side, until it is the program: async-signal-safe calls only (`signal-safety(7)`), on memory made before. No
//! allocation, no lock, no panic. The memory may be the master's own (`vfork.rs`): nothing is written but this stack, errno, which
//! the waiting thread does not rely on, and what the launch names for it.
//!
//! The order matters. Descriptors come first, since a lower limit of them would be in the way. Limits come while there are
//! still privileges to set them with. Then supplementary groups, group and user: whoever gives up the user first may not change
//! the groups any more. The directory is entered as the user. The parent-death signal comes after the user, whose change
//! clears it. Signals come last, so that nothing interrupts the rest.

use std::ffi::c_char;
use std::os::fd::RawFd;

use super::descriptors::{Moves, place_descriptors, unshare_table};
use super::report::Memory;
use super::{ChildPlan, ChildUser};
use crate::machine::exit::SpawnStep;

/// Room for the digits of any pid, and the NUL after them.
pub(super) const PID_DIGITS: usize = 11;

/// What the child reads, all of it made before it is.
pub(super) struct Launch<'a> {
    pub plan: &'a ChildPlan,
    pub argv: &'a [*const c_char],
    pub env: &'a [*const c_char],
    /// Where the digits of its pid are written: room for [`PID_DIGITS`] and a NUL each.
    pub pids: [*mut u8; 2],
    pub moves: &'a Moves,
    pub report: Report,
    pub master_pid: i32,
}

/// Where the child tells what failed.
#[derive(Clone, Copy)]
pub(super) enum Report {
    /// A pipe, of a child with memory of its own.
    Pipe(RawFd),
    /// Memory that it shares with the thread that waits for it.
    Memory(*mut Memory),
}

/// A step that failed: which, of the limits which one, and the errno.
type FailedStep = (SpawnStep, u8, i32);

/// Becomes the program, or reports why not and ends.
///
/// # Safety
///
/// Only in the child, with all signals blocked.
pub(super) unsafe fn run(launch: &Launch<'_>) -> ! {
    // SAFETY: as promised by the caller; _exit(2) is async-signal-safe.
    unsafe {
        let (step, which, errno) = prepare_and_exec(launch);
        report(launch.report, step, which, errno, true);
        libc::_exit(127)
    }
}

/// # Safety
///
/// Only in the child.
unsafe fn report(to: Report, step: SpawnStep, which: u8, errno: i32, is_end: bool) {
    let record = super::report::record(step, which, errno, is_end);
    // SAFETY: write(2) is async-signal-safe, and the record is on this stack; the memory is nobody else's until the child has
    // ended or is the program.
    unsafe {
        match to {
            Report::Pipe(fd) => drop(libc::write(fd, record.as_ptr().cast(), record.len())),
            Report::Memory(memory) => (*memory).push(record),
        }
    }
}

/// # Safety
///
/// Only in the child, with all signals blocked.
unsafe fn prepare_and_exec(launch: &Launch<'_>) -> FailedStep {
    let plan = launch.plan;
    // SAFETY: every call below is async-signal-safe or a plain system call, on memory that was made before the fork.
    unsafe {
        // First of all: until then the table of descriptors is the master's.
        if let Some(from) = launch.moves.unshare_from
            && !unshare_table(from)
        {
            return failed(SpawnStep::Descriptors);
        }
        // Without a controlling terminal no read of one, no stty and no passphrase can stop the worker; its group has its pid.
        if libc::setsid() < 0 {
            return failed(SpawnStep::ProcessGroup);
        }
        if !place_descriptors(launch.moves) {
            return failed(SpawnStep::Descriptors);
        }
        if let Err(failure) = set_limits(plan, launch.report) {
            return failure;
        }
        if let Some(identity) = &plan.identity
            && let Err(step) = become_user(identity)
        {
            return failed(step);
        }
        if let Some(cwd) = &plan.cwd
            && libc::chdir(cwd.as_ptr()) != 0
        {
            return failed(SpawnStep::WorkingDirectory);
        }
        if let Some(mask) = plan.umask {
            libc::umask(mask);
        }
        for at in launch.pids {
            let digits = std::slice::from_raw_parts_mut(at, PID_DIGITS + 1);
            write_digits(libc::getpid().unsigned_abs(), digits);
        }
        if let Some(signal) = plan.parent_death_signal {
            if libc::prctl(libc::PR_SET_PDEATHSIG, signal) != 0 {
                return failed(SpawnStep::ParentDeathSignal);
            }
            // The master may have died before the call, and then nobody will tell.
            if libc::getppid() != launch.master_pid {
                libc::_exit(0);
            }
        }
        if !reset_signals() {
            return failed(SpawnStep::Signals);
        }
        exec(plan, launch.argv, launch.env)
    }
}

/// # Safety
///
/// Only in the child.
unsafe fn exec(plan: &ChildPlan, argv: &[*const c_char], env: &[*const c_char]) -> FailedStep {
    let mut failure = libc::ENOENT;
    for candidate in &plan.candidates {
        // SAFETY: strings and arrays end in NUL and null, and outlive the call.
        unsafe { libc::execve(candidate.as_ptr(), argv.as_ptr(), env.as_ptr()) };
        // As execvp(3): a directory of PATH without the program is passed over, and EACCES is remembered.
        match errno() {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => failure = libc::EACCES,
            other => return (SpawnStep::Exec, 0, other),
        }
    }
    (SpawnStep::Exec, 0, failure)
}

/// The limits; where they are not required, what could not be set is reported and passed over.
///
/// # Safety
///
/// Only in the child.
unsafe fn set_limits(plan: &ChildPlan, to: Report) -> Result<(), FailedStep> {
    let settle = |failure: FailedStep| {
        if plan.are_limits_required {
            return Err(failure);
        }
        let (step, which, errno) = failure;
        // SAFETY: as promised by the caller.
        unsafe { report(to, step, which, errno, false) };
        Ok(())
    };
    // SAFETY: setrlimit and setpriority are plain system calls; the struct is on this stack.
    unsafe {
        // The file has to be opened, so before the descriptors are limited.
        if let Some(score) = plan.oom_score_adj
            && !write_oom_score(score)
        {
            settle(failed(SpawnStep::OomScoreAdj))?;
        }
        if let Some(nice) = plan.nice
            && libc::setpriority(libc::PRIO_PROCESS as _, 0, nice) != 0
        {
            settle(failed(SpawnStep::Nice))?;
        }
        for (limit, which) in plan.limits.iter().zip(0..=u8::MAX) {
            if !set_limit(limit.resource, limit.wanted) {
                let (step, _, errno) = failed(SpawnStep::Limits);
                settle((step, which, errno))?;
                set_limit(limit.resource, limit.nearest);
            }
        }
        if let Some(locks) = plan.locks {
            set_limit(libc::RLIMIT_LOCKS as i32, locks);
        }
    }
    Ok(())
}

/// # Safety
///
/// Only in the child.
unsafe fn set_limit(resource: i32, (soft, hard): (u64, u64)) -> bool {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: a plain system call; the struct is on this stack. The type of the number differs between C libraries.
    unsafe { libc::setrlimit(resource as _, &limit) == 0 }
}

/// # Safety
///
/// Only in the child.
unsafe fn write_oom_score(score: i32) -> bool {
    let mut text = [0; 1 + PID_DIGITS + 1];
    text[0] = if score < 0 { b'-' } else { b'+' };
    write_digits(score.unsigned_abs(), &mut text[1..]);
    let length = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    // SAFETY: open(2), write(2) and close(2) are async-signal-safe; the text is on this stack, the path a C string.
    unsafe {
        let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file < 0 {
            return false;
        }
        let is_written = libc::write(file, text.as_ptr().cast(), length) >= 0;
        let said = errno();
        libc::close(file);
        *libc::__errno_location() = said;
        is_written
    }
}

// The calls of old on these have ids of 16 bits.
#[cfg(any(target_arch = "x86", target_arch = "arm"))]
const SETGROUPS: libc::c_long = libc::SYS_setgroups32;
#[cfg(any(target_arch = "x86", target_arch = "arm"))]
const SETRESGID: libc::c_long = libc::SYS_setresgid32;
#[cfg(any(target_arch = "x86", target_arch = "arm"))]
const SETRESUID: libc::c_long = libc::SYS_setresuid32;
#[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
const SETGROUPS: libc::c_long = libc::SYS_setgroups;
#[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
const SETRESGID: libc::c_long = libc::SYS_setresgid;
#[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
const SETRESUID: libc::c_long = libc::SYS_setresuid;

/// Supplementary groups, group and user, and then a look whether it is so. By raw system calls: the C library's functions
/// of these names signal all threads and take locks (`nptl(7)`).
///
/// # Safety
///
/// Only in the child.
unsafe fn become_user(identity: &ChildUser) -> Result<(), SpawnStep> {
    let (uid, gid) = (identity.uid, identity.gid);
    // SAFETY: plain system calls; the groups outlive them, and the ids are on this stack.
    unsafe {
        if libc::syscall(SETGROUPS, identity.groups.len(), identity.groups.as_ptr()) != 0 {
            return Err(SpawnStep::Groups);
        }
        if libc::syscall(SETRESGID, gid, gid, gid) != 0 {
            return Err(SpawnStep::Group);
        }
        if libc::syscall(SETRESUID, uid, uid, uid) != 0 {
            return Err(SpawnStep::User);
        }
        // A worker that keeps rights it was meant to lose is worse than none.
        let (mut users, mut groups) = ([0; 3], [0; 3]);
        let [real, effective, saved] = &mut users;
        libc::getresuid(real, effective, saved);
        let [real, effective, saved] = &mut groups;
        libc::getresgid(real, effective, saved);
        *libc::__errno_location() = libc::EPERM;
        if users != [uid; 3] {
            return Err(SpawnStep::User);
        }
        if groups != [gid; 3] {
            return Err(SpawnStep::Group);
        }
    }
    Ok(())
}

/// Every signal back to its default and unblocked: dispositions set to "ignore" and the mask survive an exec.
///
/// # Safety
///
/// Only in the child, with all signals blocked on entry.
unsafe fn reset_signals() -> bool {
    // The kernel's struct, which is smaller everywhere. All zero is SIG_DFL without flags and mask, in whatever order.
    let default = [0_u64; 8];
    // SAFETY: plain system calls; the C library's would refuse the two signals of its own, and may take a lock. The structs
    // are on this stack.
    unsafe {
        for signal in 1..=SIGNALS {
            // KILL and STOP can't be set: EINVAL, as it should be.
            let none = std::ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, SIGNALS / 8);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut()) == 0
    }
}

/// How many signals the kernel has.
const SIGNALS: usize = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 128 } else { 64 };

/// The decimal digits of a number, and NULs up to the end, without allocation.
fn write_digits(number: u32, into: &mut [u8]) {
    let mut digits = [0; PID_DIGITS];
    let (mut rest, mut count) = (number, 0);
    loop {
        digits[count] = b'0' + (rest % 10) as u8;
        rest /= 10;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    for (at, place) in into.iter_mut().enumerate() {
        *place = if at < count { digits[count - 1 - at] } else { 0 };
    }
}

fn failed(step: SpawnStep) -> FailedStep {
    (step, 0, errno())
}

fn errno() -> i32 {
    // SAFETY: the address of the calling thread's errno is always valid.
    unsafe { *libc::__errno_location() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_of_a_pid_are_written_without_a_trace_of_what_was_there() {
        for pid in [1, 7, 4711, i32::MAX.unsigned_abs(), u32::MAX] {
            let mut room = [b'x'; PID_DIGITS + 1];
            write_digits(pid, &mut room);
            let written = std::ffi::CStr::from_bytes_until_nul(&room).unwrap();
            assert_eq!(written.to_str().unwrap(), pid.to_string());
        }
    }
}
