//! What a master has from its keeper.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use super::holds::Holds;
use super::message::KeeperRequest;
use super::signals::heard;
use crate::machine::exit::ExitStatus;

/// What a master has written for the next one: the beginning of those names.
pub(crate) const STATE: &str = "state/";

/// What a supervisor has written: another master can go on once this is held, and nothing has been started before.
pub(crate) const SUPERVISOR: &str = "state/supervisor";

/// What the program itself remembers.
const PROGRAM: &str = "state/program";

/// What a program that panics exits with.
pub(crate) const PANICKED: i32 = 101;

/// What a master has from its keeper.
#[derive(Debug, Clone)]
pub struct Kept {
    pub(super) holds: Holds,
    pub(super) crash: Option<MasterCrash>,
    pub(super) keeper: u32,
}

/// How the master before this one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MasterCrash {
    /// When, by the monotonic clock.
    pub(super) at: Duration,
    /// It has made way for this one.
    pub(super) has_yielded: bool,
    /// Its pid.
    pub pid: u32,
    /// How it ended.
    pub status: ExitStatus,
}

/// As in "the last one … ".
impl fmt::Display for MasterCrash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pid = self.pid;
        match self.status {
            _ if self.has_yielded => write!(f, "the last one (pid {pid}) has made way for it"),
            ExitStatus::Code(PANICKED) => write!(f, "the last one (pid {pid}) panicked"),
            ExitStatus::Code(code) => write!(f, "the last one (pid {pid}) exited with {code}"),
            ExitStatus::Signal { signal, .. } => write!(f, "the last one (pid {pid}) was killed by {signal}"),
            ExitStatus::Taken => write!(f, "the last one (pid {pid}) is gone"),
        }
    }
}

impl Kept {
    /// How the master before this one has ended; none in the first one.
    pub const fn crash(&self) -> Option<MasterCrash> {
        self.crash
    }

    /// The pid of the keeper: what whoever started this knows.
    pub const fn keeper(&self) -> u32 {
        self.keeper
    }

    /// Whether an earlier master has left something that this one can go on with.
    pub const fn is_successor(&self) -> bool {
        self.crash.is_some()
    }

    pub(crate) fn holds(&self) -> &Holds {
        &self.holds
    }

    /// Has the keeper say something to the service manager, which listens to the process that it started.
    pub fn notify(&self, text: &str) {
        if let Some(keeper) = self.holds.keeper() {
            keeper.say(&KeeperRequest::Notify { text: text.as_bytes().to_vec() }, None);
        }
    }

    /// The same with a descriptor, of which the service manager gets a duplicate.
    pub fn notify_with(&self, text: &str, fd: BorrowedFd<'_>) {
        if let Some(keeper) = self.holds.keeper() {
            keeper.say(&KeeperRequest::Notify { text: text.as_bytes().to_vec() }, Some(fd));
        }
    }

    /// Tells the keeper that the end of this process, which is to follow, is meant, and with which status the keeper is to exit.
    pub fn leave(&self, status: u8) {
        if let Some(keeper) = self.holds.keeper() {
            keeper.say(&KeeperRequest::Leave { status }, None);
        }
    }

    /// Has the keeper hold this until it ends itself: a lock, say.
    pub fn hold_for_good(&self, name: &str, fd: impl AsFd) {
        std::mem::forget(self.holds.hold(name, fd.as_fd()));
    }

    /// Has the keeper remember what the program needs to go on after a crash. Once the
    /// [supervisor](crate::supervisor::Supervisor::run) runs, a crash of the master ends nothing; so from here on signals wait until it
    /// hears them: one that ended this process would be a crash, and not what somebody wished.
    ///
    /// # Errors
    ///
    /// What `memfd_create(2)` or a write to it says.
    pub fn remember(&self, what: &[u8]) -> io::Result<()> {
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&heard()), None)?;
        let mut memory = File::from(memfd_create(c"drover-program", MFdFlags::MFD_CLOEXEC)?);
        memory.write_all(what)?;
        self.hold_for_good(PROGRAM, memory);
        Ok(())
    }

    /// Has signals come that were held back, now that they are heard.
    pub(crate) fn hear_signals() {
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
    }

    /// What the first master had its keeper remember.
    ///
    /// # Errors
    ///
    /// What a read of it says.
    pub fn remembered(&self) -> io::Result<Option<Vec<u8>>> {
        let Some(memory) = self.holds.take(PROGRAM) else { return Ok(None) };
        let mut memory = File::from(memory);
        // The place to read at is shared with whoever wrote it (open(2)).
        memory.seek(SeekFrom::Start(0))?;
        let mut what = Vec::new();
        memory.read_to_end(&mut what)?;
        Ok(Some(what))
    }
}
