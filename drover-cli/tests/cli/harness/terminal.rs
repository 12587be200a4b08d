//! A program at a terminal: a pseudo-terminal that controls its session, as that of an ssh or of a window does.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};

use super::patience::{Deadline, eventually};
use super::sys;

/// A terminal, and the program in its foreground. Dropped, the program is killed.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// The side of who looks and types; none once it is closed.
    screen: Option<File>,
    /// Where the program has it.
    path: String,
    child: Child,
    shown: Vec<u8>,
}

impl Terminal {
    /// Starts a program at a terminal of its own.
    pub(crate) fn start(program: &Command) -> Self {
        // Closed by an exec: another test's program that held it would keep the terminal open.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let screen = posix_openpt(flags).expect("a terminal can be made");
        grantpt(&screen).expect("it is ours");
        unlockpt(&screen).expect("it is ours");
        let path = ptsname_r(&screen).expect("it has a name");
        // A terminal that the leader of a session opens becomes that session's (`tty(4)`).
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", "exec \"$@\" <\"$TTY\" >\"$TTY\" 2>&1", "sh"]);
        command.arg(program.get_program()).args(program.get_args()).env("TTY", &path).env("TERM", "xterm");
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = program.get_current_dir() {
            command.current_dir(dir);
        }
        sys::with_default_signals(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("it can be started");
        Self { screen: Some(File::from(OwnedFd::from(screen))), path, child, shown: Vec::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Makes the window so wide.
    pub(crate) fn resize(&self, columns: u16) {
        let columns = columns.to_string();
        let resized = Command::new("stty").args(["-F", &self.path, "cols", &columns, "rows", "24"]).status();
        assert!(resized.expect("stty can be started").success());
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.screen.as_mut().expect("it is open").write_all(keys.as_bytes()).expect("it takes them");
    }

    /// Waits until the screen shows this.
    pub(crate) fn shows(&mut self, text: &str) {
        let deadline = Deadline::new();
        while !self.text().contains(text) {
            let left = deadline.left().unwrap_or_else(|| panic!("{text} is not shown:\n{}", self.text()));
            let screen = self.screen.as_mut().expect("it is open");
            let patience = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            poll(&mut [PollFd::new(screen.as_fd(), PollFlags::POLLIN)], patience).expect("it can be awaited");
            let mut buffer = [0; 4096];
            match screen.read(&mut buffer) {
                Ok(read) => self.shown.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Nobody has the other side any more, or not yet.
                Err(_) => {
                    let has_ended = self.child.try_wait().expect("it is our child").is_some();
                    assert!(!has_ended, "{text} was not shown before the end:\n{}", self.text());
                    std::thread::yield_now();
                }
            }
        }
    }

    /// The rows that stand on the screen in the end, if it is wide and high enough: what was written over or erased is gone.
    fn rows(&self) -> Vec<String> {
        let (mut rows, mut at) = (vec![Vec::new()], 0);
        let text = self.text();
        let mut rest = text.chars();
        while let Some(next) = rest.next() {
            let row = rows.last_mut().expect("there is one");
            match next {
                '\r' => at = 0,
                '\n' => rows.push(Vec::new()),
                '\x1b' => {
                    let sequence: String =
                        rest.by_ref().skip(1).take_while(|one| !one.is_ascii_alphabetic()).collect();
                    // It erases from here on; the others that are written are colours, and have numbers.
                    if sequence.is_empty() {
                        row.truncate(at);
                    }
                }
                other => {
                    row.resize(row.len().max(at + 1), ' ');
                    row[at] = other;
                    at += 1;
                }
            }
        }
        rows.into_iter().map(String::from_iter).collect()
    }

    /// Closes the terminal, as a window is closed.
    pub(crate) fn close(&mut self) {
        self.screen = None;
    }

    /// Waits for the end of the program.
    pub(crate) fn end(mut self) -> ExitStatus {
        self.ended()
    }

    /// The same, with all that was written and the rows that it leaves behind.
    pub(crate) fn end_with_rows(mut self) -> (ExitStatus, String, Vec<String>) {
        let status = self.ended();
        // What it wrote last is there even if it has ended.
        let mut buffer = [0; 4096];
        while let Some(Ok(read @ 1..)) = self.screen.as_mut().map(|screen| screen.read(&mut buffer)) {
            self.shown.extend_from_slice(&buffer[..read]);
        }
        (status, self.text(), self.rows())
    }

    fn ended(&mut self) -> ExitStatus {
        eventually("the end of the program at the terminal", || {
            // A screen that nobody reads is full at some time.
            let mut buffer = [0; 4096];
            if let Some(Ok(read)) = self.screen.as_mut().map(|screen| screen.read(&mut buffer)) {
                self.shown.extend_from_slice(&buffer[..read]);
            }
            self.child.try_wait().expect("it is our child")
        })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Not waited for unless it has ended, so the pid is its own.
        let _ = self.child.kill();
        eventually("the end of a killed program", || self.child.try_wait().expect("it is our child"));
    }
}
