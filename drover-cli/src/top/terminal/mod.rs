//! The terminal: its keys, its screen, and how it was before.

mod keyboard;
mod keys;
mod paint;
mod screen;

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::OpenOptionsExt as _;

use nix::fcntl::OFlag;

pub(crate) use keyboard::Keyboard;
pub(crate) use screen::FullScreen;

/// A terminal that can show more than lines.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// An opening of its own: that of stdin is shared with the shell, which would find it non-blocking.
    tty: File,
}

impl Terminal {
    /// The terminal of this process, if stdout is one that understands more than lines.
    pub(crate) fn open() -> Option<Self> {
        if !io::stdout().is_terminal() || crate::output::message::is_dumb() {
            return None;
        }
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let tty =
            OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open("/dev/tty").ok()?;
        Some(Self { tty })
    }

    /// Takes the screen, and listens to keys.
    ///
    /// # Errors
    ///
    /// If the terminal does not let itself be set up.
    pub(crate) fn take(self) -> io::Result<(FullScreen, Keyboard)> {
        let screen = FullScreen::take(self.tty.try_clone()?)?;
        Ok((screen, Keyboard::new(self.tty)?))
    }
}
