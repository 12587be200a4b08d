//! A `drover` that runs.

use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;

use super::captured::Captured;
use super::home::Ended;
use super::patience::eventually;

/// A program in the background. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// What it writes to stdout.
    pub(crate) stdout: Captured,
    /// What it writes to stderr.
    pub(crate) stderr: Captured,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Captured::new(child.stdout.take().expect("it is piped"));
        let stderr = Captured::new(child.stderr.take().expect("it is piped"));
        Self { child, stdout, stderr }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Signals it.
    pub(crate) fn signal(&self, signal: Signal) {
        super::signal(self.pid(), signal);
    }

    /// Waits until it says this on stderr.
    pub(crate) fn says(&self, text: &str) {
        self.stderr.until(text, |all| all.contains(text).then_some(()));
    }

    /// Waits until it prints this on stdout.
    pub(crate) fn prints(&self, text: &str) {
        self.stdout.until(text, |all| all.contains(text).then_some(()));
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let (stdout, stderr) = (self.stdout.clone(), self.stderr.clone());
        let what = format!("the end of process {}", self.pid());
        let status = eventually(&what, || self.child.try_wait().expect("a child can be waited for"));
        Ended { code: status.code(), stdout: stdout.all(), stderr: stderr.all() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Not waited for unless it has ended, so the pid is its own.
        let _ = self.child.kill();
        if std::thread::panicking() {
            let (pid, stdout, stderr) = (self.pid(), self.stdout.text(), self.stderr.text());
            #[expect(clippy::print_stderr, reason = "what it said is the best reason of a failure there is")]
            {
                eprintln!("--- stdout of {pid}:\n{stdout}\n--- its stderr:\n{stderr}");
            }
        }
        eventually("the end of a killed process", || self.child.try_wait().expect("it is our child"));
    }
}
