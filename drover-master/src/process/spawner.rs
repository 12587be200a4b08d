//! The one thread that makes processes.
//!
//! A parent-death signal follows the *thread* that forked (`PR_SET_PDEATHSIG(2const)`), so this one lives as long as the
//! program. It has every signal blocked, so that no handler of the program ever runs in a child.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::fcntl::OFlag;
use nix::sys::signal::SigSet;
use nix::sys::stat::Mode;

use super::command_line::{c_string, candidates, environment, found};
use super::explain::explain;
use super::tree::Tree;
use crate::config::{Command, Output};
use crate::machine::exit::SpawnStep;
use crate::sys::{ChildPlan, SpawnError, Stdio, fork_exec};

/// How many requests may wait. Each app has at most 64 in creation, so this is enough for 64 apps in one program that all
/// start at once; what does not fit is refused as a failed spawn and tried again by policy.
const WAITING: usize = 4096;

/// A process to make.
pub(crate) struct SpawnRequest {
    pub command: Command,
    pub output: Output,
    /// The words of the master, `DROVER_…` and `LISTEN_…`.
    pub words: Vec<(&'static str, OsString)>,
    /// The listeners, to become descriptors 3, 4, ….
    pub sockets: Vec<Arc<OwnedFd>>,
    pub parent_death_signal: Option<i32>,
    /// Called on the spawner's thread. It has to be quick, and to take or drop what it is given.
    pub done: Box<dyn FnOnce(Result<Spawned, SpawnFailure>) + Send>,
}

/// A process that was made.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub tree: Tree,
    /// The reading ends of its stdout and stderr, where they are captured.
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
}

/// Why one could not be made.
#[derive(Debug, Clone)]
pub(crate) struct SpawnFailure {
    pub step: SpawnStep,
    pub errno: i32,
    /// A sentence for people.
    pub sentence: String,
}

/// Hands a request to the thread, which is started by the first one.
pub(crate) fn spawn(request: SpawnRequest) -> Result<(), SpawnFailure> {
    static QUEUE: Mutex<Option<SyncSender<SpawnRequest>>> = Mutex::new(None);
    let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
    // A thread that could not be made is tried again by the next request: a limit may have been lifted.
    let refused = |error: io::Error| SpawnFailure {
        step: SpawnStep::Prepare,
        errno: error.raw_os_error().unwrap_or(libc::EAGAIN),
        sentence: format!("the spawner can't take another request: {error}"),
    };
    if queue.is_none() {
        *queue = Some(start_thread().map_err(refused)?);
    }
    let sent = queue.as_ref().is_some_and(|queue| queue.try_send(request).is_ok());
    if sent { Ok(()) } else { Err(refused(io::Error::from_raw_os_error(libc::EAGAIN))) }
}

fn start_thread() -> io::Result<SyncSender<SpawnRequest>> {
    let (queue, requests) = sync_channel::<SpawnRequest>(WAITING);
    let run = move || {
        if let Err(error) = SigSet::all().thread_block() {
            tracing::error!(target: "drover::process", %error, "the spawner can't block signals");
        }
        for request in requests {
            let result = make(&request);
            (request.done)(result);
        }
    };
    // The smallest common stack: the thread calls nothing deep.
    thread::Builder::new().name("drover-spawner".into()).stack_size(256 * 1024).spawn(run).map(|_| queue)
}

fn make(request: &SpawnRequest) -> Result<Spawned, SpawnFailure> {
    let command = &request.command;
    let environment = environment(command, request.words.clone());
    let candidates = candidates(&command.program, &environment);
    let fail = |error: SpawnError| SpawnFailure {
        step: error.step,
        errno: error.errno,
        sentence: explain(
            command,
            error.step,
            error.errno,
            found(&candidates, command.cwd.as_deref()).as_deref(),
        ),
    };
    let prepare = |error: io::Error| fail(SpawnError::new(SpawnStep::Prepare, &error));
    let (stdout, stdout_reader) = stream(&request.output).map_err(prepare)?;
    let (stderr, stderr_reader) = stream(&request.output).map_err(prepare)?;
    let plan = ChildPlan {
        candidates: candidates.iter().map(c_string).collect(),
        argv: std::iter::once(&command.program).chain(&command.args).map(c_string).collect(),
        env: environment
            .iter()
            .map(|(key, value)| {
                let mut pair = key.clone();
                pair.push("=");
                pair.push(value);
                c_string(pair)
            })
            .collect(),
        sockets: request.sockets.clone(),
        stdin: null(OFlag::O_RDONLY).map_err(prepare)?,
        stdout: if matches!(request.output, Output::Discard) {
            Stdio::Owned(null(OFlag::O_WRONLY).map_err(prepare)?)
        } else {
            stdout
        },
        stderr,
        cwd: command.cwd.as_ref().map(c_string),
        umask: command.umask,
        parent_death_signal: request.parent_death_signal,
        nofile: crate::nofile::inherited(),
    };
    let (pid, pidfd) = fork_exec(&plan).map_err(fail)?;
    Ok(Spawned {
        tree: Tree::new(pid, pidfd),
        stdout: if matches!(request.output, Output::Discard) { None } else { stdout_reader },
        stderr: stderr_reader,
    })
}

/// What the child writes to, and what the master reads from. The reading end does not block.
fn stream(output: &Output) -> io::Result<(Stdio, Option<OwnedFd>)> {
    match output {
        Output::Inherit => Ok((Stdio::Inherited, None)),
        Output::Forward | Output::Prefixed { .. } | Output::Discard | Output::Sink(_) => {
            let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
            nix::fcntl::fcntl(reader.as_fd(), nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            Ok((Stdio::Owned(writer), Some(reader)))
        }
    }
}

fn null(access: OFlag) -> io::Result<OwnedFd> {
    Ok(nix::fcntl::open("/dev/null", access | OFlag::O_CLOEXEC, Mode::empty())?)
}

impl fmt::Debug for SpawnRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnRequest").field("command", &self.command).finish_non_exhaustive()
    }
}
