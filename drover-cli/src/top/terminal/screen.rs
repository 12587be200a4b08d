//! What the terminal shows. A thread writes: a terminal may block a write for as long as it likes, and then the next screens replace
//! each other until it has time for the newest.

use std::fs::File;
use std::io::{self, Write as _};
use std::panic;
use std::sync::{Arc, Condvar, Mutex, Once, PoisonError};
use std::time::Duration;

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use ratatui_core::buffer::Buffer;
use tokio::sync::oneshot;

use super::paint::{self, ENTER, LEAVE};
use crate::output::message;

/// How long a terminal that takes nothing may hold up the end.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// The settings that the terminal had, while it is taken: for the end, and for a panic.
static BEFORE: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// The screen, from taking it to giving it back; dropped, it is given back.
#[derive(Debug)]
pub(crate) struct FullScreen {
    tty: File,
    desk: Arc<Desk>,
}

/// Where the next screen lies until the thread takes it.
#[derive(Debug, Default)]
struct Desk {
    next: Mutex<Next>,
    is_there: Condvar,
}

#[derive(Debug, Default)]
struct Next {
    /// Take the screen first, or draw all of it.
    enter: bool,
    repaint: bool,
    frame: Option<Buffer>,
    /// Give it back, and say so.
    leave: Option<oneshot::Sender<()>>,
}

impl FullScreen {
    pub(super) fn take(tty: File) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let writer = Arc::clone(&desk);
        std::thread::Builder::new().name("drover-screen".to_owned()).spawn(move || write(&writer))?;
        restore_at_a_panic();
        let screen = Self { tty, desk };
        screen.enter()?;
        Ok(screen)
    }

    /// Takes the terminal, again after it was given back.
    ///
    /// # Errors
    ///
    /// If it does not let itself be set up.
    pub(crate) fn enter(&self) -> io::Result<()> {
        let before = tcgetattr(&self.tty)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        {
            let mut kept = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
            // What it is after a continue may be what we left, or what a shell has set.
            if kept.is_none() {
                *kept = Some((self.tty.try_clone()?, before));
            }
        }
        tcsetattr(&self.tty, SetArg::TCSANOW, &raw)?;
        self.put(|next| next.enter = true);
        Ok(())
    }

    /// Gives the terminal back, as it was.
    pub(crate) async fn leave(&self) {
        if is_taken() {
            let _ = tokio::time::timeout(LAST_WRITE, self.begin_to_leave()).await;
            restore_settings();
        }
    }

    fn begin_to_leave(&self) -> oneshot::Receiver<()> {
        let (sender, done) = oneshot::channel();
        self.put(|next| *next = Next { leave: Some(sender), ..Next::default() });
        done
    }

    /// Shows this next.
    pub(crate) fn show(&self, frame: Buffer) {
        self.put(|next| next.frame = Some(frame));
    }

    /// Draws all of what is shown next: something else wrote to the terminal.
    pub(crate) fn repaint(&self) {
        self.put(|next| next.repaint = true);
    }

    /// How many columns and rows there are.
    pub(crate) fn size(&self) -> (u16, u16) {
        terminal_size::terminal_size_of(&self.tty).map_or((80, 24), |(columns, rows)| (columns.0, rows.0))
    }

    fn put(&self, change: impl FnOnce(&mut Next)) {
        change(&mut self.desk.next.lock().unwrap_or_else(PoisonError::into_inner));
        self.desk.is_there.notify_one();
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        if is_taken() {
            drop(self.begin_to_leave());
            restore_settings();
        }
    }
}

/// The thread: writes what lies on the desk.
fn write(desk: &Desk) {
    let is_coloured = message::is_stdout_coloured();
    let mut shown: Option<Buffer> = None;
    loop {
        let next = {
            let next = desk.next.lock().unwrap_or_else(PoisonError::into_inner);
            let is_empty = |next: &mut Next| next.frame.is_none() && next.leave.is_none() && !next.enter;
            let mut next = desk.is_there.wait_while(next, is_empty).unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *next)
        };
        let mut bytes = String::new();
        if next.enter {
            bytes.push_str(ENTER);
            shown = None;
        }
        if let Some(frame) = next.frame {
            let before = shown.as_ref().filter(|_| !next.repaint);
            bytes.push_str(&paint::difference(before, &frame, is_coloured));
            shown = Some(frame);
        }
        if next.leave.is_some() {
            bytes.push_str(LEAVE);
            shown = None;
        }
        // One that is gone is noticed by the reader of its keys.
        let _ = put(&bytes);
        if let Some(done) = next.leave {
            let _ = done.send(());
        }
    }
}

fn put(bytes: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes.as_bytes())?;
    stdout.flush()
}

fn is_taken() -> bool {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

fn restore_settings() -> bool {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    match before {
        Some((tty, before)) => tcsetattr(&tty, SetArg::TCSANOW, &before).is_ok(),
        None => false,
    }
}

/// The message of a panic is for the screen of before.
fn restore_at_a_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if restore_settings() {
                let _ = put(LEAVE);
            }
            report(panic);
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::{AsFd as _, OwnedFd};
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::process::{Command, Stdio};
    use std::sync::mpsc;

    use nix::fcntl::OFlag;
    use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
    use nix::sys::termios::LocalFlags;

    use super::*;

    const TTY: &str = "DROVER_TEST_PANICS_ON";
    const PATIENCE: Duration = Duration::from_secs(90);

    fn terminal(path: &str) -> File {
        let mut options = std::fs::OpenOptions::new();
        options
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOCTTY.bits())
            .open(path)
            .expect("there is a terminal")
    }

    /// Runs once more, in a process of its own, whose screen can be read.
    #[test]
    fn a_panic_gives_the_terminal_back_before_its_message() {
        if let Ok(path) = std::env::var(TTY) {
            let mut tty = terminal(&path);
            let _screen = FullScreen::take(tty.try_clone().unwrap()).unwrap();
            // Whoever reads the screen has seen it taken.
            tty.read_exact(&mut [0]).unwrap();
            panic!("on purpose");
        }
        let screen = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let path = ptsname_r(&screen).unwrap();
        let tty = terminal(&path);
        let is_as_before = || tcgetattr(tty.as_fd()).unwrap().local_flags.contains(LocalFlags::ICANON);
        assert!(is_as_before());
        let name = concat!(module_path!(), "::a_panic_gives_the_terminal_back_before_its_message");
        let (_, name) = name.split_once("::").unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(TTY, &path)
            .stdin(Stdio::null())
            .stdout(tty.try_clone().unwrap())
            .stderr(tty.try_clone().unwrap())
            .spawn()
            .unwrap();
        let mut screen = File::from(OwnedFd::from(screen));
        let mut reader = screen.try_clone().unwrap();
        // A screen is less than that.
        let (sender, pieces) = mpsc::sync_channel(1024);
        // Ends with the terminal.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let _ = sender.send(String::from_utf8_lossy(&buffer[..count]).into_owned());
            }
        });
        let mut shown = String::new();
        let mut until = |text: &str| {
            while !shown.contains(text) {
                shown +=
                    &pieces.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {text:?} in {shown:?}"));
            }
            shown.find(text).unwrap()
        };
        until(ENTER);
        assert!(!is_as_before());
        screen.write_all(b"x").unwrap();
        assert!(until("on purpose") > until(LEAVE));
        #[expect(clippy::disallowed_methods, reason = "a child of this test, with no runtime")]
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), Some(101));
        assert!(is_as_before());
    }
}
