//! A program in a process of its own, beside the test.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::patiently;

/// A running program whose stdout is read line by line. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    child: Option<Child>,
    _runtime_dir: TempDir,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// The lines of stdout that had not been read.
    pub stdout: Vec<String>,
    /// All of its stderr.
    pub stderr: String,
}

impl Process {
    /// Starts it, with a runtime directory of its own unless it is given one.
    ///
    /// # Panics
    ///
    /// If it can't be.
    pub fn start(command: &mut Command) -> Self {
        let runtime_dir = tempfile::tempdir().expect("there is room for a directory");
        if !command.get_envs().any(|(name, _)| name == "XDG_RUNTIME_DIR") {
            command.env("XDG_RUNTIME_DIR", runtime_dir.path());
        }
        crate::sys::with_default_signals(command);
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        Self { child: Some(child), _runtime_dir: runtime_dir, lines }
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Signals it.
    pub fn signal(&self, signal: Signal) {
        super::signal(self.pid(), signal);
    }

    /// Its next line on stdout.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub async fn line(&mut self) -> String {
        let mut lines = self.lines.take().expect("one reader at a time");
        let read = tokio::task::spawn_blocking(move || (lines.next(), lines));
        let (line, lines) = patiently("a line of the program", read).await.expect("reading does not panic");
        self.lines = Some(lines);
        match line {
            Some(Ok(line)) => line,
            end => panic!("no line but {end:?}; {:?}", self.take_end()),
        }
    }

    /// Its end.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub async fn end(mut self) -> Ended {
        let child = self.child.as_ref().map(Child::id);
        let waited = tokio::task::spawn_blocking(move || self.take_end());
        patiently(&format!("the end of process {child:?}"), waited).await.expect("waiting does not panic")
    }

    fn take_end(&mut self) -> Ended {
        let stdout = self.lines.take().into_iter().flatten().map_while(Result::ok).collect();
        let child = self.child.take().expect("it ends once");
        let output = child.wait_with_output().expect("a child can be waited for");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ended { code: output.status.code(), stdout, stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            super::kill_all_of(child);
        }
    }
}
