//! Drover and the floor as programs of their own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use drover_e2e::harness::{kill_all_of, signal};
use nix::sys::signal::SIGTERM;
use tempfile::TempDir;

use crate::app;
use crate::sample::timed;

pub(crate) const DROVER: &str = env!("CARGO_BIN_EXE_drover_command");
const FLOOR: &str = env!("CARGO_BIN_EXE_floor");

/// How often an app is asked whether it is ready, and how often at most.
const ASK_AGAIN: Duration = Duration::from_millis(100);
const ASK_AT_MOST: usize = 1200;

/// A program that runs. Dropped, it is killed, and its workers with it.
pub(crate) struct Program {
    child: Option<Child>,
    /// Where it serves its control socket.
    _dir: Option<TempDir>,
}

impl Program {
    /// `drover run -n COUNT -- COMMAND`, once every worker is ready. What it tells of them is written, and goes nowhere.
    pub(crate) async fn drover(count: usize, options: &[&str], command: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("there is room for a directory");
        let socket = dir.path().join("control.sock");
        let mut run = Command::new(DROVER);
        run.arg("-s").arg(&socket).args(["run", "--name", &app(), "-n", &count.to_string()]);
        run.args(options).arg("--").args(command);
        Self::serving(run, dir, &socket).await
    }

    /// `drover up FILE`, once every worker is ready.
    pub(crate) async fn up(file: &Path) -> Self {
        let dir = tempfile::tempdir().expect("there is room for a directory");
        let socket = dir.path().join("control.sock");
        let mut up = Command::new(DROVER);
        up.arg("-s").arg(&socket).args(["up", "--file"]).arg(file);
        Self::serving(up, dir, &socket).await
    }

    async fn serving(mut command: Command, dir: TempDir, socket: &Path) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("the command is there");
        let program = Self { child: Some(child), _dir: Some(dir) };
        for _ in 0..ASK_AT_MOST {
            if status(socket, &["-q"]).is_ok() {
                return program;
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        panic!("not every worker is ready");
    }

    /// The floor with this many of these, once it has started all.
    pub(crate) fn floor(count: usize, command: &[&str]) -> Self {
        let mut run = Command::new(FLOOR);
        let run = run.arg(count.to_string()).args(command).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = run.spawn().expect("the floor is there");
        let stdout = child.stdout.take().expect("its stdout is a pipe");
        let program = Self { child: Some(child), _dir: None };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a pipe can be read");
        assert_eq!(line, "ready\n");
        program
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map(Child::id).expect("it runs")
    }

    /// Ends it gracefully; how long it took until it was gone.
    pub(crate) fn end(mut self) -> Duration {
        let pid = self.pid();
        let child = self.child.take().expect("it runs");
        let (ended, took) = timed(|| {
            signal(pid, SIGTERM);
            child.wait_with_output()
        });
        let status = ended.expect("a child can be waited for").status;
        assert!(status.success(), "a graceful end is a success, got {status}");
        took
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            kill_all_of(child);
        }
    }
}

/// What `drover status` says of a master; an error unless everything is ready.
pub(crate) fn status(socket: &Path, options: &[&str]) -> Result<String, String> {
    let asked = Command::new(DROVER).arg("-s").arg(socket).arg("status").args(options).output();
    let output = asked.expect("the command is there");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The proportional share of memory of a process in KB: `smaps_rollup` of proc(5).
pub(crate) fn pss_kb(pid: u32) -> f64 {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).expect("the kernel tells the share");
    line.trim().trim_end_matches(" kB").parse().expect("the share is a number")
}

/// How often the threads of a process have been put on a CPU so far.
pub(crate) fn context_switches(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives");
    let status = |task: fs::DirEntry| fs::read_to_string(task.path().join("status")).unwrap_or_default();
    let switches = |status: String| -> u64 {
        let counts = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
        counts.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum()
    };
    tasks.flatten().map(status).map(switches).sum()
}

/// The CPU time that the threads of a process have had so far: `/proc/PID/task/TID/schedstat`, in nanoseconds.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives").flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        schedstat.split(' ').next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e9
}
