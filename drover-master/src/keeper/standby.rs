//! Another program that is to go on in the place of the master: it looks at everything beside that one, and begins when it is gone.
//!
//! ```text
//!  UPGRADE ──► begun: HELD the states, CHECK ──► ABLE ──► YIELD, and the master is gone ──► HELD everything, BEGIN
//!                 │                                │
//!                 └── UNABLE, its end, 10 s        └── a check only: ended
//!                        │
//!                        ▼
//!                   the master is told why, and has never stopped
//! ```

use std::collections::HashMap;
use std::ffi::{CString, OsString};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair};

use super::kept::STATE;
use super::message::{KeeperRequest, StandbyOrder};
use super::surroundings::monotonic;
use crate::machine::exit::ExitStatus;
use crate::nofile::restore_nofile;
use crate::sys::{ended_child_of, pid_cells_memory, split};

/// The argument by which a program knows that it stands by.
pub const STANDBY: &str = "--standby";

/// How long it may take to say whether it can go on. Less would refuse a program on a slow disk; more only keeps whoever asked waiting.
const WITHIN: Duration = Duration::from_secs(10);

/// How long one that has closed its connection may take to be gone.
const GONE_MS: u16 = 200;

/// A program that stands by.
#[derive(Debug)]
pub(super) struct Standby {
    pub(super) pid: i32,
    pub(super) socket: OwnedFd,
    until: Duration,
    is_check: bool,
    /// It has said that it can go on.
    pub(super) is_able: bool,
}

/// What a standby is told at its start: the descriptors of its connection and of the cells, and the pid of its keeper.
/// Made in the child.
fn word(socket: i32, cells: i32) -> String {
    format!("{socket}:{cells}:{}", std::os::unix::process::parent_id())
}

impl Standby {
    /// Starts the program in this file, and shows it what is written down.
    pub(super) fn begin(
        program: &OwnedFd,
        held: &HashMap<String, OwnedFd>,
        before: &SigSet,
        is_check: bool,
    ) -> io::Result<Self> {
        let kind = SockFlag::SOCK_CLOEXEC;
        let (socket, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, kind)?;
        let Some(pid) = split()? else {
            drop(socket);
            become_program(program, &theirs, before);
        };
        let standby = Self { pid, socket, until: monotonic() + WITHIN, is_check, is_able: false };
        for (name, fd) in held.iter().filter(|(name, _)| name.starts_with(STATE)) {
            standby.order(&StandbyOrder::Held { name: name.clone() }, Some(fd))?;
        }
        standby.order(&StandbyOrder::Check, None)?;
        Ok(standby)
    }

    /// When nobody waits for its word any more.
    pub(super) const fn deadline(&self) -> Option<Duration> {
        if self.is_able { None } else { Some(self.until) }
    }

    /// What it has said, as the words for the master; None if nothing yet.
    pub(super) fn verdict(
        &mut self,
        said: Option<KeeperRequest>,
        has_closed: bool,
    ) -> Option<Result<String, String>> {
        match said {
            Some(KeeperRequest::Able { text }) => {
                self.is_able = true;
                return Some(Ok(text));
            }
            Some(KeeperRequest::Unable { text }) => return Some(Err(text)),
            Some(_) | None => {}
        }
        if has_closed {
            return Some(Err(format!(
                "the program {} before it said whether it can go on; it has to be a drover of this version or later",
                how(self.end())
            )));
        }
        (monotonic() >= self.until).then(|| {
            Err(format!("the program did not say within {} s whether it can go on", WITHIN.as_secs()))
        })
    }

    pub(super) const fn is_check(&self) -> bool {
        self.is_check
    }

    /// Has it go on in the place of the master of this pid, which is gone, with all that is held.
    pub(super) fn hand_over(&self, held: &HashMap<String, OwnedFd>, master: i32) -> io::Result<()> {
        for (name, fd) in held {
            self.order(&StandbyOrder::Held { name: name.clone() }, Some(fd))?;
        }
        let at = u64::try_from(monotonic().as_nanos()).unwrap_or(u64::MAX);
        self.order(&StandbyOrder::Begin { pid: master, at }, None)
    }

    fn order(&self, order: &StandbyOrder, fd: Option<&OwnedFd>) -> io::Result<()> {
        let bytes = order.encode();
        let fds = fd.map(|fd| [fd.as_raw_fd()]);
        let beside = fds.as_ref().map(|fds| [ControlMessage::ScmRights(fds)]);
        let beside = beside.as_ref().map_or(&[][..], |beside| &beside[..]);
        loop {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            match sendmsg::<()>(self.socket.as_raw_fd(), &[IoSlice::new(&bytes)], beside, flags, None) {
                Ok(_) => return Ok(()),
                Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::ENOBUFS) => {
                    // It reads as it comes; one that does not has had its time.
                    let mut room = [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)];
                    let left = self.until.saturating_sub(monotonic()).max(Duration::from_secs(1));
                    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
                    if nix::poll::poll(&mut room, timeout)? == 0 {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends it, if it has not ended, and tells how it had.
    pub(super) fn end(&self) -> Option<ExitStatus> {
        let began = monotonic();
        loop {
            match ended_child_of(self.pid, false) {
                Ok(Some((status, _))) => {
                    let _ = ended_child_of(self.pid, true);
                    return Some(status);
                }
                Ok(None) if monotonic() - began < Duration::from_millis(GONE_MS.into()) => {
                    let _ = nix::poll::poll(&mut [], PollTimeout::from(5_u16));
                }
                Ok(None) => break,
                Err(_) => return None,
            }
        }
        self.kill();
        None
    }

    /// Ends it. It is reaped as any orphan is.
    pub(super) fn kill(&self) {
        let pid = nix::unistd::Pid::from_raw(self.pid);
        if matches!(ended_child_of(self.pid, false), Ok(None)) {
            // Not reaped: the number is its own.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

fn how(status: Option<ExitStatus>) -> String {
    match status {
        Some(ExitStatus::Code(code)) => format!("exited with code {code}"),
        Some(ExitStatus::Signal { signal, .. }) => format!("was ended by {signal}"),
        Some(ExitStatus::Taken) | None => "closed its connection".to_owned(),
    }
}

/// In the child: the program of this file, with the arguments of this one.
#[expect(clippy::disallowed_methods, reason = "a copy of the keeper, which owns nothing")]
fn become_program(program: &OwnedFd, socket: &OwnedFd, before: &SigSet) -> ! {
    let why = match exec(program, socket, before) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    let text = match why.raw_os_error() {
        Some(libc::ENOEXEC) => "the file is not a program of this machine's kind".to_owned(),
        Some(libc::EACCES) => "the file may not be executed".to_owned(),
        _ => format!("the program can't be started: {why}"),
    };
    let bytes = KeeperRequest::Unable { text }.encode();
    let flags = MsgFlags::MSG_NOSIGNAL;
    let _ = sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&bytes)], &[], flags, None);
    std::process::exit(127);
}

fn exec(program: &OwnedFd, socket: &OwnedFd, before: &SigSet) -> io::Result<std::convert::Infallible> {
    let cells = pid_cells_memory().ok_or(io::ErrorKind::NotFound)?;
    for fd in [socket.as_fd(), cells.as_fd()] {
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
    }
    let own: Vec<OsString> = std::env::args_os().collect();
    let mut args: Vec<OsString> = Vec::with_capacity(own.len() + 2);
    let mut own = own.into_iter();
    while let Some(arg) = own.next() {
        if arg == STANDBY {
            own.next();
        } else {
            args.push(arg);
        }
    }
    args.extend([STANDBY.into(), word(socket.as_raw_fd(), cells.as_raw_fd()).into()]);
    let env = std::env::vars_os().map(|(name, value)| {
        let mut pair = name;
        pair.push("=");
        pair.push(value);
        pair
    });
    let c = |text: OsString| CString::new(text.into_vec()).unwrap_or_default();
    let (args, env): (Vec<CString>, Vec<CString>) = (args.into_iter().map(c).collect(), env.map(c).collect());
    restore_nofile()?;
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(before), None)?;
    match nix::unistd::fexecve(program, &args, &env) {
        // A script: its interpreter reads it through the descriptor, which it has to inherit for that (fexecve(3)).
        Err(nix::errno::Errno::ENOENT) => {
            fcntl(program, FcntlArg::F_SETFD(FdFlag::empty()))?;
            Ok(nix::unistd::fexecve(program, &args, &env)?)
        }
        tried => Ok(tried?),
    }
}
