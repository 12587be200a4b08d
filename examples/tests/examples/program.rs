//! A program of an example while it runs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;

use super::{Example, within};

/// A program. Dropped, it is killed; its workers end by themselves then.
pub(crate) struct Program {
    child: Option<Child>,
    pid: Pid,
    stdout: Lines<BufReader<pipe::Receiver>>,
    /// All lines so far.
    printed: Vec<String>,
    /// Where it keeps its sockets, and what it writes to stderr.
    dir: TempDir,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) printed: Vec<String>,
    pub(crate) stderr: String,
}

impl Program {
    /// Starts an example's main context, each app on a free port.
    pub(crate) fn of(example: &Example) -> Self {
        let free = example.variables.iter().map(|(_, variable)| (*variable, "127.0.0.1:0"));
        Self::start(Path::new(example.main), free)
    }

    pub(crate) fn start<'a>(path: &Path, env: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = drover_worker::command(path);
        command
            .envs(env)
            .env("XDG_RUNTIME_DIR", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(dir.path().join("stderr")).unwrap());
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap());
        let stdout = OwnedFd::from(child.stdout.take().unwrap());
        let stdout = BufReader::new(pipe::Receiver::from_owned_fd(stdout).unwrap()).lines();
        Self { child: Some(child), pid, stdout, printed: Vec::new(), dir }
    }

    /// Reads on until a line is as wanted, and returns that.
    pub(crate) async fn line(&mut self, is_wanted: impl Fn(&str) -> bool) -> String {
        let lines = async {
            while let Some(line) = self.stdout.next_line().await.unwrap() {
                self.printed.push(line.clone());
                if is_wanted(&line) {
                    return line;
                }
            }
            panic!("it ended, after {:#?} and {}", self.printed, self.stderr());
        };
        within("the expected line", lines).await
    }

    /// Reads on until these workers and no others are all STARTED at the same time.
    pub(crate) async fn all_started(&mut self, workers: &[String]) {
        let mut statuses = BTreeMap::new();
        let reading = async {
            while statuses.len() < workers.len() || statuses.values().any(|phase| phase != "STARTED") {
                let line = self.line(|line| line.starts_with('[')).await;
                let (worker, phase) = line[1..].split_once("]: ").unwrap();
                assert!(workers.iter().any(|known| known == worker), "{line} is not one of {workers:?}");
                statuses.insert(worker.to_owned(), phase.to_owned());
            }
        };
        within("the status STARTED of every worker", reading).await;
    }

    /// Where an app listens, as was printed.
    pub(crate) fn address(&self, app: &str) -> SocketAddr {
        let prefix = format!("{app}: ");
        let line = self.printed.iter().find(|line| line.starts_with(&prefix) && line.contains("http://"));
        let line = line.unwrap_or_else(|| panic!("no address of {app} in {:#?}", self.printed));
        address_in(line)
    }

    /// The processes of its workers.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let mut children = Vec::new();
        for entry in fs::read_dir("/proc").unwrap() {
            let Ok(pid) = entry.unwrap().file_name().to_string_lossy().parse() else { continue };
            // A process may go while one looks.
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            // "PID (NAME) STATE PARENT …", see proc_pid_stat(5); a name may contain anything.
            let (_, rest) = stat.rsplit_once(')').unwrap();
            if rest.split_whitespace().nth(1).unwrap() == self.pid.to_string() {
                children.push(Pid::from_raw(pid));
            }
        }
        children
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid, signal).unwrap();
    }

    /// Waits for the end and looks that no file is left.
    pub(crate) async fn end(mut self) -> End {
        let rest = async {
            while let Some(line) = self.stdout.next_line().await.unwrap() {
                self.printed.push(line);
            }
        };
        within("an end of its output", rest).await;
        let child = self.child.take().unwrap();
        let status = within("its end", tokio::task::spawn_blocking(|| child.wait_with_output())).await;
        let workers = self.dir.path().join("drover-workers");
        assert!(!workers.exists() || fs::read_dir(workers).unwrap().next().is_none(), "sockets are left");
        End {
            code: status.unwrap().unwrap().status.code(),
            stderr: self.stderr(),
            printed: std::mem::take(&mut self.printed),
        }
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait_with_output();
        }
    }
}

/// The address in a line with `http://ADDRESS`.
pub(crate) fn address_in(line: &str) -> SocketAddr {
    let (_, rest) = line.split_once("http://").unwrap();
    let end = rest.find([',', ' ']).unwrap_or(rest.len());
    rest[..end].parse().unwrap()
}

/// Whether a process still runs this program, or is a zombie of it.
pub(crate) fn is_left(pid: Pid, program: &str) -> bool {
    let name = Path::new(program).file_name().unwrap().to_str().unwrap();
    // The kernel keeps 15 bytes of a name.
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == &name[..15])
}
