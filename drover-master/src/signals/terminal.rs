//! The terminal that the program was started at, and whether it is still there: its end is told by the same signal, SIGHUP, that a
//! person sends for a reload.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What there was of a terminal at the start.
#[derive(Debug)]
pub(super) struct Terminal {
    /// The terminal that controls the process's session, if one does (`tty(4)`).
    controls: bool,
    /// Whether stderr is one.
    is_stderr: bool,
}

impl Terminal {
    pub(super) fn at_start() -> Self {
        Self { controls: open().is_ok(), is_stderr: io::stderr().is_terminal() }
    }

    /// Whether there was one and it is gone.
    pub(super) fn is_gone(&self) -> bool {
        (self.controls && open().is_err_and(|error| is_end(&error)))
            || (self.is_stderr && is_hung_up(&io::stderr()))
    }
}

/// Opens the terminal of the session, which takes it nothing away and waits for nothing.
fn open() -> io::Result<()> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open("/dev/tty").map(drop)
}

/// Whether the error says that there is none: ENXIO, the session has none any more; EIO, it is hung up. A lack of descriptors says nothing.
fn is_end(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENXIO | libc::EIO))
}

fn is_hung_up(stream: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(stream.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).is_ok()
        && fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
}
