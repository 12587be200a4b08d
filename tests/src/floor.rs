//! What processes cost without a master: the floor that Drover is measured against.
//!
//! A bare loop over `posix_spawn(3)`, which does not copy the address space. It does what nobody can leave out: a pidfd for each
//! child, `/dev/null` as its standard streams, and at the end a signal, the wait on the pidfd, and the reaping. No process group, no
//! captured output, no decision.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::signal::{SIGKILL, SIGTERM, Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::sys::pidfd_open;

/// A program to be started again and again. Everything is prepared; [`spawn`](Self::spawn) is the system calls and little else.
#[derive(Debug)]
pub struct Floor {
    program: CString,
    argv: Vec<CString>,
    env: Vec<CString>,
    actions: PosixSpawnFileActions,
    attributes: PosixSpawnAttr,
    /// What the actions name by its number.
    named: Vec<OwnedFd>,
}

impl Floor {
    /// A program that is named by its path, or lies in a directory of `PATH`; its output is discarded.
    ///
    /// # Panics
    ///
    /// If there is no such program.
    pub fn new(program: &str, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let null = File::options().write(true).open("/dev/null").expect("there is a /dev/null");
        Self::with_stdout(program, args, null.into())
    }

    /// The same, with a descriptor as its stdout.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub fn with_stdout(
        program: &str,
        args: impl IntoIterator<Item = impl Into<String>>,
        stdout: OwnedFd,
    ) -> Self {
        let null: OwnedFd =
            File::options().read(true).write(true).open("/dev/null").expect("there is a /dev/null").into();
        let mut actions = PosixSpawnFileActions::init().expect("there is memory");
        for (stream, target) in [(&null, 0), (&stdout, 1), (&null, 2)] {
            actions.add_dup2(stream.as_raw_fd(), target).expect("there is memory");
        }
        let argv = std::iter::once(program.to_owned()).chain(args.into_iter().map(Into::into));
        let env = std::env::vars_os().map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name.into_vec()
        });
        Self {
            program: text(find(program)),
            argv: argv.map(text).collect(),
            env: env.map(text).collect(),
            actions,
            attributes: PosixSpawnAttr::init().expect("there is memory"),
            named: vec![null, stdout],
        }
    }

    /// Has each process find a descriptor at a number.
    ///
    /// # Panics
    ///
    /// If there is no memory.
    #[must_use]
    pub fn handing_over(mut self, fd: OwnedFd, number: i32) -> Self {
        // A descriptor that has the number already loses its close-on-exec flag: posix_spawn_file_actions_adddup2(3).
        self.actions.add_dup2(fd.as_raw_fd(), number).expect("there is memory");
        self.named.push(fd);
        self
    }

    /// Adds a variable to each process's environment.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push(text(format!("{name}={value}")));
        self
    }

    /// Starts one; when this returns, the process exists and runs the program.
    ///
    /// # Panics
    ///
    /// If it can't be started.
    pub fn spawn(&self) -> Child {
        let made =
            posix_spawn(self.program.as_c_str(), &self.actions, &self.attributes, &self.argv, &self.env);
        let pid = made.unwrap_or_else(|error| panic!("{:?} can't be started: {error}", self.program));
        let pidfd = pidfd_open(pid).expect("the child has not been reaped");
        Child { pid, pidfd, is_reaped: false }
    }
}

/// A child of the floor. Dropped, it is killed and reaped.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    is_reaped: bool,
}

impl Child {
    /// Signals it.
    ///
    /// # Panics
    ///
    /// If it can't be signalled.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("a child that is not reaped can be signalled");
    }

    /// Waits for its end on the pidfd, and reaps it.
    ///
    /// # Panics
    ///
    /// If somebody else has reaped it.
    pub fn until_reaped(&mut self) {
        let mut ended = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        poll(&mut ended, PollTimeout::NONE).expect("no signal handler interrupts it");
        waitid(Id::PIDFd(self.pidfd.as_fd()), WaitPidFlag::WEXITED).expect("it is our child");
        self.is_reaped = true;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.signal(SIGKILL);
            self.until_reaped();
        }
    }
}

/// Asks all to leave, and waits until each has been reaped.
pub fn stop(mut children: Vec<Child>) {
    children.iter().for_each(|child| child.signal(SIGTERM));
    children.iter_mut().for_each(Child::until_reaped);
}

/// Where a program is, looked up once as `execvp(3)` would each time.
fn find(program: &str) -> String {
    if program.contains('/') {
        return program.to_owned();
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let mut candidates = path.split(':').map(|directory| format!("{directory}/{program}"));
    candidates
        .find(|candidate| std::fs::metadata(candidate).is_ok_and(|found| found.is_file()))
        .unwrap_or_else(|| panic!("{program} is not in PATH"))
}

fn text(bytes: impl Into<Vec<u8>>) -> CString {
    CString::new(bytes).expect("no argument holds a NUL")
}
