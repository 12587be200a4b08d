//! A child process: everything is prepared before the fork, and between fork and exec the child makes only
//! async-signal-safe calls (`signal-safety(7)`): no allocation, no lock, no panic.
//!
//! A step that fails in the child comes back through a close-on-exec pipe as (step, errno); a pipe that closes empty
//! means that the exec was done.

use std::ffi::{CString, c_char};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag};
use nix::poll::{PollFd, PollFlags, PollTimeout};

use super::{own_child, pidfd_open};
use crate::machine::exit::SpawnStep;

/// The first descriptor of an inherited socket, as `sd_listen_fds(3)` fixes it.
const FIRST_SOCKET: RawFd = 3;

/// Room for the digits of any pid, and the NUL after them.
const PID_DIGITS: usize = 11;

/// How long a child may take from fork to exec. It takes a millisecond, unless its program or directory lies on a file system
/// that hangs; all later spawns wait for it.
const EXEC_WITHIN: Duration = Duration::from_secs(10);

/// How long a child that was killed before it was a program is waited for.
const DISCARD_WITHIN: Duration = Duration::from_secs(1);

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

/// A copy of a descriptor with a number of at least `above`.
fn lift(fd: BorrowedFd<'_>, above: RawFd) -> nix::Result<OwnedFd> {
    let copy = nix::fcntl::fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(above))?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// What is moved to which number: the streams to 0, 1, 2, the sockets to 3 and up. All lie above every target.
#[derive(Debug)]
struct Moves {
    streams: [Option<OwnedFd>; 3],
    sockets: Vec<OwnedFd>,
    above: RawFd,
}

/// All that a child needs.
#[derive(Debug)]
pub(crate) struct ChildPlan {
    /// Where the program may be, in the order to try.
    pub candidates: Vec<CString>,
    /// The program's name and arguments.
    pub argv: Vec<CString>,
    /// The whole environment but `LISTEN_PID`, which only the child can know.
    pub env: Vec<CString>,
    /// Sockets to become descriptors 3, 4, …; with any, `LISTEN_PID` is added.
    pub sockets: Vec<Arc<OwnedFd>>,
    pub stdin: OwnedFd,
    pub stdout: Stdio,
    pub stderr: Stdio,
    pub cwd: Option<CString>,
    pub umask: Option<u32>,
    /// The signal the child gets when the spawning thread, and so the master, dies (`PR_SET_PDEATHSIG(2const)`).
    pub parent_death_signal: Option<i32>,
    /// The soft limit of open files, where the master has raised its own.
    pub nofile: Option<(u64, u64)>,
}

/// Where and why a child could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpawnError {
    pub step: SpawnStep,
    pub errno: i32,
}

impl SpawnError {
    pub(crate) fn new(step: SpawnStep, error: &io::Error) -> Self {
        Self { step, errno: error.raw_os_error().unwrap_or(libc::EIO) }
    }
}

/// The steps of the child, in the order of their numbers on the pipe.
const CHILD_STEPS: [SpawnStep; 7] = [
    SpawnStep::ProcessGroup,
    SpawnStep::WorkingDirectory,
    SpawnStep::Limits,
    SpawnStep::Descriptors,
    SpawnStep::ParentDeathSignal,
    SpawnStep::Signals,
    SpawnStep::Exec,
];

/// Forks, executes and waits until the exec is done or has failed.
///
/// Call it from a thread that lives as long as the master and has all signals blocked: the parent-death signal
/// follows the thread, and a handler of the master's must not run in the child.
pub(crate) fn fork_exec(plan: &ChildPlan) -> Result<(i32, OwnedFd), SpawnError> {
    let prepare = |error: nix::Error| SpawnError { step: SpawnStep::Prepare, errno: error as i32 };
    let (report_read, report_end) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(prepare)?;
    // Whatever the child will move is first lifted above every number that is a target, so that no move hits another.
    let above = FIRST_SOCKET + plan.sockets.len() as RawFd;
    let report_write = lift(report_end.as_fd(), above).map_err(prepare)?;
    // The pipe ends only when every copy of its writing end is closed.
    drop(report_end);
    let sockets = plan
        .sockets
        .iter()
        .map(|fd| lift(fd.as_fd(), above))
        .collect::<Result<Vec<_>, _>>()
        .map_err(prepare)?;
    let stdin = lift(plan.stdin.as_fd(), above).map_err(prepare)?;
    let stdout = plan.stdout.lift(above).map_err(prepare)?;
    let stderr = plan.stderr.lift(above).map_err(prepare)?;
    let moves = Moves { streams: [Some(stdin), stdout, stderr], sockets, above };

    let argv = pointers(&plan.argv);
    let mut listen_pid = *b"LISTEN_PID=\0\0\0\0\0\0\0\0\0\0\0\0";
    let listen_pid_at = listen_pid.as_mut_ptr();
    let mut env = pointers(&plan.env);
    if !plan.sockets.is_empty() {
        // From the pointer that the child writes through, so that what it wrote is what execve(2) reads.
        env.insert(0, listen_pid_at.cast());
    }
    let master_pid = nix::unistd::getpid().as_raw();

    let mut own = own_child();
    // SAFETY: the child branch calls `run_child` only, which keeps to async-signal-safe calls on memory made above.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: the array outlives the call, and its last 12 bytes are nobody else's meanwhile.
        let digits = unsafe { std::slice::from_raw_parts_mut(listen_pid_at.add(11), PID_DIGITS + 1) };
        let (step, errno) = run_child(plan, &argv, &env, digits, &moves, master_pid);
        let [low, high, ..] = errno.to_le_bytes();
        let report = [step, low, high, 0];
        // SAFETY: write(2) and _exit(2) are async-signal-safe; the buffer is on this stack.
        unsafe {
            libc::write(report_write.as_raw_fd(), report.as_ptr().cast(), report.len());
            libc::_exit(127)
        }
    }
    if pid < 0 {
        return Err(SpawnError::new(SpawnStep::Fork, &io::Error::last_os_error()));
    }
    own.enter(pid);
    drop(own);
    drop(report_write);
    // Before anybody could reap it, so it is surely this child.
    let pidfd = pidfd_open(pid);
    let mut report = Vec::with_capacity(4);
    let read = match is_readable_within(report_read.as_fd(), EXEC_WITHIN) {
        true => File::from(report_read).read_to_end(&mut report),
        false => Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)),
    };
    let failure = match (read, report.as_slice()) {
        (Ok(_), [step, low, high, _]) => Some(SpawnError {
            step: CHILD_STEPS.get(usize::from(*step)).copied().unwrap_or(SpawnStep::Exec),
            errno: i32::from(u16::from_le_bytes([*low, *high])),
        }),
        (Ok(_), _) => None,
        (Err(error), _) => Some(SpawnError::new(SpawnStep::Exec, &error)),
    };
    match (pidfd, failure) {
        (Ok(pidfd), None) => Ok((pid, pidfd)),
        (pidfd, failure) => {
            let error = failure.unwrap_or_else(|| {
                let error = pidfd.as_ref().expect_err("no failure is only left over with an error here");
                SpawnError::new(SpawnStep::Pidfd, error)
            });
            discard(pid, pidfd.as_ref().ok());
            Err(error)
        }
    }
}

/// Whether something can be read, or the end is reached, before the time is over.
fn is_readable_within(fd: BorrowedFd<'_>, within: Duration) -> bool {
    let timeout = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
    loop {
        match nix::poll::poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], timeout) {
            Ok(ready) => return ready > 0,
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// Ends and reaps a child that did not become a program. One that is stuck in the kernel is left to whoever reaps orphans:
/// the thread has others to make.
fn discard(pid: i32, pidfd: Option<&OwnedFd>) {
    // SAFETY: the child has not been reaped, so the pid is still its own.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    let is_gone = pidfd.is_none_or(|pidfd| is_readable_within(pidfd.as_fd(), DISCARD_WITHIN));
    let flags = if is_gone { 0 } else { libc::WNOHANG };
    let mut own = own_child();
    // SAFETY: as above; a null status and a null usage are allowed.
    unsafe { libc::wait4(pid, std::ptr::null_mut(), flags, std::ptr::null_mut()) };
    own.leave(pid);
}

/// The child's side; returns only on failure, with the step's number and the errno.
fn run_child(
    plan: &ChildPlan,
    argv: &[*const c_char],
    env: &[*const c_char],
    listen_pid: &mut [u8],
    moves: &Moves,
    master_pid: i32,
) -> (u8, i32) {
    // SAFETY: every call below is async-signal-safe or a plain system call, on memory that was made before the fork.
    unsafe {
        if libc::setpgid(0, 0) != 0 {
            return (0, errno());
        }
        if let Some(cwd) = &plan.cwd
            && libc::chdir(cwd.as_ptr()) != 0
        {
            return (1, errno());
        }
        if let Some(mask) = plan.umask {
            libc::umask(mask);
        }
        if let Some((soft, hard)) = plan.nofile {
            let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &limit) != 0 {
                return (2, errno());
            }
        }
        if !place_descriptors(moves) {
            return (3, errno());
        }
        write_digits(libc::getpid(), listen_pid);
        if let Some(signal) = plan.parent_death_signal {
            if libc::prctl(libc::PR_SET_PDEATHSIG, signal) != 0 {
                return (4, errno());
            }
            // The master may have died before the call, and then nobody will tell.
            if libc::getppid() != master_pid {
                libc::_exit(0);
            }
        }
        if !reset_signals() {
            return (5, errno());
        }
        let mut failure = libc::ENOENT;
        for candidate in &plan.candidates {
            libc::execve(candidate.as_ptr(), argv.as_ptr(), env.as_ptr());
            // As execvp(3): a directory of PATH without the program is passed over, and EACCES is remembered.
            match errno() {
                libc::ENOENT | libc::ENOTDIR => {}
                libc::EACCES => failure = libc::EACCES,
                other => return (6, other),
            }
        }
        (6, failure)
    }
}

/// Standard streams to 0, 1, 2, sockets to 3 and up, everything else closed on exec.
///
/// # Safety
///
/// Only between fork and exec.
unsafe fn place_descriptors(moves: &Moves) -> bool {
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

/// Every signal back to its default and unblocked: dispositions set to "ignore" and the mask survive an exec.
///
/// # Safety
///
/// Only between fork and exec, with all signals blocked on entry.
unsafe fn reset_signals() -> bool {
    // SAFETY: sigaction, sigemptyset and sigprocmask are async-signal-safe; the structs are on this stack, zeroed.
    unsafe {
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        for signal in 1..=libc::SIGRTMAX() {
            // KILL and STOP can't be set, and two numbers belong to the C library: EINVAL, as it should be.
            libc::sigaction(signal, &default, std::ptr::null_mut());
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut()) == 0
    }
}

/// The decimal digits of a pid and a NUL, without allocation.
fn write_digits(pid: i32, into: &mut [u8]) {
    let mut digits = [0; PID_DIGITS];
    let (mut rest, mut count) = (pid.unsigned_abs(), 0);
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

fn errno() -> i32 {
    // SAFETY: the address of the calling thread's errno is always valid.
    unsafe { *libc::__errno_location() }
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(program: &str) -> ChildPlan {
        let null = || OwnedFd::from(File::options().read(true).write(true).open("/dev/null").unwrap());
        ChildPlan {
            candidates: vec![CString::new(program).unwrap()],
            argv: vec![CString::new(program).unwrap()],
            env: Vec::new(),
            sockets: Vec::new(),
            stdin: null(),
            stdout: Stdio::Owned(null()),
            stderr: Stdio::Owned(null()),
            cwd: None,
            umask: None,
            parent_death_signal: None,
            nofile: None,
        }
    }

    #[test]
    fn a_spawn_returns_while_the_child_lives() {
        let (ended, is_ended) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            // Waits for its stdin, which stays open until the child was seen.
            let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
            let made = fork_exec(&ChildPlan { stdin: reader, ..plan("/bin/cat") });
            drop(writer);
            ended.send(made.map(|(pid, pidfd)| discard(pid, Some(&pidfd)))).unwrap();
        });
        let made = is_ended.recv_timeout(Duration::from_secs(20)).expect("fork_exec does not return");
        assert_eq!(made, Ok(()));
    }

    #[test]
    fn a_failure_of_the_child_comes_back_with_its_step_and_errno() {
        let error = fork_exec(&plan("/no/such/program")).unwrap_err();
        assert_eq!(error, SpawnError { step: SpawnStep::Exec, errno: libc::ENOENT });
    }

    #[test]
    fn the_digits_of_a_pid_are_written_without_a_trace_of_what_was_there() {
        for pid in [1, 7, 4711, i32::MAX] {
            let mut room = [b'x'; PID_DIGITS + 1];
            write_digits(pid, &mut room);
            let written = std::ffi::CStr::from_bytes_until_nul(&room).unwrap();
            assert_eq!(written.to_str().unwrap(), pid.to_string());
        }
    }
}
