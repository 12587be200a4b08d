//! A child process: everything is prepared before the fork, and between fork and exec the child makes only
//! async-signal-safe calls (`signal-safety(7)`): no allocation, no lock, no panic.
//!
//! A step that fails in the child comes back through a close-on-exec pipe as (step, errno); a pipe that closes empty
//! means that the exec was done.

mod descriptors;
mod inside;

use std::ffi::{CString, c_char};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout};

pub(crate) use self::descriptors::Stdio;
use self::descriptors::{FIRST_SOCKET, Moves, lift};
use self::inside::{IS_END, PID_DIGITS, RECORD};
use super::{own_child, pidfd_open};
use crate::machine::exit::SpawnStep;

/// How long a child may take from fork to exec. It takes a millisecond, unless its program or directory lies on a file system
/// that hangs; all later ones wait for it.
const EXEC_WITHIN: Duration = Duration::from_secs(10);

/// How long a child that was killed before it was a program is waited for.
const DISCARD_WITHIN: Duration = Duration::from_secs(1);

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
    pub oom_score_adj: Option<i32>,
    pub nice: Option<i32>,
    pub limits: Vec<PlannedLimit>,
    /// Whether a limit that can't be set is a failure.
    pub are_limits_required: bool,
    pub identity: Option<Identity>,
    /// Entered as that user.
    pub cwd: Option<CString>,
    pub umask: Option<u32>,
    /// The signal the child gets when the spawning thread, and so the master, dies (`PR_SET_PDEATHSIG(2const)`).
    pub parent_death_signal: Option<i32>,
}

/// A limit with its soft and hard value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlannedLimit {
    /// Its number (`getrlimit(2)`).
    pub resource: i32,
    pub wanted: (u64, u64),
    /// What is set where `wanted` can't be and is not required.
    pub nearest: (u64, u64),
}

/// Who the child becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

/// Where and why a child could not be made, or what it goes without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpawnError {
    pub step: SpawnStep,
    pub errno: i32,
    /// For [`SpawnStep::Limits`]: which one of the plan.
    pub which: usize,
}

impl SpawnError {
    pub(crate) fn new(step: SpawnStep, error: &io::Error) -> Self {
        Self { step, errno: error.raw_os_error().unwrap_or(libc::EIO), which: 0 }
    }
}

/// A child that has become a program.
#[derive(Debug)]
pub(crate) struct Child {
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// Limits it goes without, because they are not required.
    pub passed_over: Vec<SpawnError>,
}

/// What the child reads, all of it made before the fork.
struct Launch<'a> {
    plan: &'a ChildPlan,
    argv: &'a [*const c_char],
    env: &'a [*const c_char],
    moves: &'a Moves,
    /// Where failures are written.
    report: RawFd,
    master_pid: i32,
}

/// The steps of the child.
const CHILD_STEPS: [SpawnStep; 12] = [
    SpawnStep::ProcessGroup,
    SpawnStep::Descriptors,
    SpawnStep::OomScoreAdj,
    SpawnStep::Nice,
    SpawnStep::Limits,
    SpawnStep::Groups,
    SpawnStep::Group,
    SpawnStep::User,
    SpawnStep::WorkingDirectory,
    SpawnStep::ParentDeathSignal,
    SpawnStep::Signals,
    SpawnStep::Exec,
];

/// A child on its way from fork to exec. What it was made from is not needed any more.
#[derive(Debug)]
#[must_use = "the child is there and has to be taken over"]
pub(crate) struct Begun {
    pid: i32,
    pidfd: io::Result<OwnedFd>,
    report: OwnedFd,
    /// When it has to be a program.
    until: Instant,
}

/// Forks. The child goes on to its exec by itself.
///
/// Call it from a thread that lives as long as the master and has all signals blocked: the parent-death signal
/// follows the thread, and a handler of the master's must not run in the child.
pub(crate) fn begin(plan: &ChildPlan) -> Result<Begun, SpawnError> {
    let prepare = |error: nix::Error| SpawnError::new(SpawnStep::Prepare, &error.into());
    let (report, report_end) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(prepare)?;
    let above = FIRST_SOCKET + plan.sockets.len() as RawFd;
    let report_write = lift(report_end.as_fd(), above).map_err(prepare)?;
    // The pipe ends only when every copy of its writing end is closed.
    drop(report_end);
    let moves = Moves::new(&plan.stdin, &plan.stdout, &plan.stderr, &plan.sockets, above).map_err(prepare)?;

    let argv = pointers(&plan.argv);
    let mut listen_pid = *b"LISTEN_PID=\0\0\0\0\0\0\0\0\0\0\0\0";
    let listen_pid_at = listen_pid.as_mut_ptr();
    let mut env = pointers(&plan.env);
    if !plan.sockets.is_empty() {
        // From the pointer that the child writes through, so that what it wrote is what execve(2) reads.
        env.insert(0, listen_pid_at.cast());
    }
    let launch = Launch {
        plan,
        argv: &argv,
        env: &env,
        moves: &moves,
        report: report_write.as_raw_fd(),
        master_pid: nix::unistd::getpid().as_raw(),
    };

    let mut own = own_child();
    // SAFETY: the child branch keeps to async-signal-safe calls on memory made above, and leaves by _exit(2).
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: the array outlives the call, and its last 12 bytes are nobody else's meanwhile.
        let digits = unsafe { std::slice::from_raw_parts_mut(listen_pid_at.add(11), PID_DIGITS + 1) };
        // SAFETY: this is the child, and the caller has blocked all signals; _exit(2) is async-signal-safe.
        unsafe { libc::_exit(inside::run(&launch, digits)) }
    }
    if pid < 0 {
        return Err(SpawnError::new(SpawnStep::Fork, &io::Error::last_os_error()));
    }
    own.enter(pid);
    drop(own);
    // Before anybody could reap it, so it is surely this child.
    let pidfd = pidfd_open(pid);
    Ok(Begun { pid, pidfd, report, until: now() + EXEC_WITHIN })
}

impl Begun {
    /// Waits until the exec is done or has failed.
    pub(crate) fn finish(self) -> Result<Child, SpawnError> {
        let Self { pid, pidfd, report, until } = self;
        let mut records = Vec::new();
        let read = match is_readable_within(report.as_fd(), until.saturating_duration_since(now())) {
            true => File::from(report).read_to_end(&mut records),
            false => Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)),
        };
        let told =
            read.map_err(|error| SpawnError::new(SpawnStep::Exec, &error)).and_then(|_| told(&records));
        match (pidfd, told) {
            (Ok(pidfd), Ok(passed_over)) => Ok(Child { pid, pidfd, passed_over }),
            (pidfd, told) => {
                let error = told.err().unwrap_or_else(|| {
                    let error = pidfd.as_ref().expect_err("no failure is only left over with an error here");
                    SpawnError::new(SpawnStep::Pidfd, error)
                });
                discard(pid, pidfd.as_ref().ok());
                Err(error)
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this thread has no runtime, and so no clock that a test could stop"
)]
fn now() -> Instant {
    Instant::now()
}

/// What a child has reported: what it passed over, or what it failed at.
fn told(report: &[u8]) -> Result<Vec<SpawnError>, SpawnError> {
    let mut passed_over = Vec::new();
    for record in report.chunks_exact(RECORD) {
        let &[step, which, low, high] = record else { continue };
        let number = step & !IS_END;
        let error = SpawnError {
            step: CHILD_STEPS.into_iter().find(|step| *step as u8 == number).unwrap_or(SpawnStep::Exec),
            errno: i32::from(u16::from_le_bytes([low, high])),
            which: usize::from(which),
        };
        if step & IS_END != 0 {
            return Err(error);
        }
        passed_over.push(error);
    }
    Ok(passed_over)
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

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fork_exec(plan: &ChildPlan) -> Result<Child, SpawnError> {
        begin(plan)?.finish()
    }

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
            oom_score_adj: None,
            nice: None,
            limits: Vec::new(),
            are_limits_required: true,
            identity: None,
            cwd: None,
            umask: None,
            parent_death_signal: None,
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
            ended.send(made.map(|child| discard(child.pid, Some(&child.pidfd)))).unwrap();
        });
        let made = is_ended.recv_timeout(Duration::from_secs(20)).expect("fork_exec does not return");
        assert_eq!(made, Ok(()));
    }

    #[test]
    fn a_failure_of_the_child_comes_back_with_its_step_and_errno() {
        let error = fork_exec(&plan("/no/such/program")).unwrap_err();
        assert_eq!(error, SpawnError { step: SpawnStep::Exec, errno: libc::ENOENT, which: 0 });
    }
}
