//! The one thread that makes processes.
//!
//! A parent-death signal follows the *thread* that forked (`PR_SET_PDEATHSIG(2const)`), so this one lives as long as the
//! program. It has every signal blocked, so that no handler of the program ever runs in a child.

use std::borrow::Cow;
use std::collections::HashSet;
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
use super::{Account, AccountError, limits};
use crate::config::{Command, Output};
use crate::machine::exit::SpawnStep;
use crate::sys::{ChildPlan, Identity, SpawnError, Stdio, fork_exec};

/// How many requests may wait. Each app has at most 64 in creation, so this is enough for 64 apps in one program that all
/// start at once; what does not fit is refused as a failed spawn and tried again by policy.
const WAITING: usize = 4096;

/// How many warnings are remembered, so that each is given once an app. Beyond it all are forgotten, and may come again.
const REMEMBERED: usize = 1024;

/// A process to make.
pub(crate) struct SpawnRequest {
    pub app: Arc<str>,
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
        let mut told = Told::default();
        for request in requests {
            let result = make(&request, &mut told);
            (request.done)(result);
        }
    };
    // The smallest common stack: the thread calls nothing deep.
    thread::Builder::new().name("drover-spawner".into()).stack_size(256 * 1024).spawn(run).map(|_| queue)
}

fn make(request: &SpawnRequest, told: &mut Told) -> Result<Spawned, SpawnFailure> {
    let command = &request.command;
    let account = match &command.account {
        Some(account) => Some(Cow::Borrowed(account)),
        // Of a command that was not checked: never as the master, where it says otherwise.
        None => Account::of(command).map_err(unknown_account)?.map(Cow::Owned),
    };
    let user = account.as_deref().filter(|account| account.is_another);
    let login = account.as_deref().and_then(|account| account.login.as_ref());
    let environment = environment(command, login, request.words.clone());
    let candidates = candidates(&command.program, &environment);
    let limits = limits::Plan::of(&command.limits, crate::nofile::inherited());
    let fail = |error: SpawnError| SpawnFailure {
        step: error.step,
        errno: error.errno,
        sentence: limits
            .as_ref()
            .ok()
            .and_then(|limits| limits.sentence(&command.limits, error))
            .map(|sentence| format!("{sentence}; ask for less, or do not require it"))
            .unwrap_or_else(|| {
                let found = found(&candidates, command.cwd.as_deref());
                explain(command, error.step, error.errno, found.as_deref(), user)
            }),
    };
    let prepare = |error: &io::Error| fail(SpawnError::new(SpawnStep::Prepare, error));
    let limits = limits.as_ref().map_err(prepare)?;
    let (stdout, stdout_reader) = stream(&request.output, user).map_err(|error| prepare(&error))?;
    let (stderr, stderr_reader) = stream(&request.output, user).map_err(|error| prepare(&error))?;
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
        stdin: null(OFlag::O_RDONLY).map_err(|error| prepare(&error))?,
        stdout: if matches!(request.output, Output::Discard) {
            Stdio::Owned(null(OFlag::O_WRONLY).map_err(|error| prepare(&error))?)
        } else {
            stdout
        },
        stderr,
        oom_score_adj: command.limits.oom_score_adj,
        nice: command.limits.nice,
        limits: limits.limits.clone(),
        are_limits_required: command.limits.is_required,
        identity: user.map(|user| Identity { uid: user.uid, gid: user.gid, groups: user.groups.clone() }),
        cwd: command.cwd.as_ref().map(c_string),
        umask: command.umask,
        parent_death_signal: request.parent_death_signal,
    };
    let child = fork_exec(&plan).map_err(fail)?;
    for error in child.passed_over {
        if let Some(sentence) = limits.sentence(&command.limits, error) {
            let instead = limits.instead(error);
            told.warn(&request.app, format!("{sentence}; not required, so workers go on {instead}"));
        }
    }
    Ok(Spawned {
        tree: Tree::new(child.pid, child.pidfd),
        stdout: if matches!(request.output, Output::Discard) { None } else { stdout_reader },
        stderr: stderr_reader,
    })
}

fn unknown_account(error: AccountError) -> SpawnFailure {
    SpawnFailure { step: SpawnStep::Prepare, errno: libc::EINVAL, sentence: error.to_string() }
}

/// What was told once and is not told again of every worker.
#[derive(Debug, Default)]
struct Told(HashSet<(Arc<str>, String)>);

impl Told {
    fn warn(&mut self, app: &Arc<str>, sentence: String) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        if self.0.insert((Arc::clone(app), sentence.clone())) {
            tracing::warn!(target: "drover::process", %app, "{sentence}");
        }
    }
}

/// What the child writes to, and what the master reads from. The reading end does not block.
///
/// The pipe is given to the worker's user: a program that opens `/dev/stdout` anew asks for the rights of the pipe's owner
/// (`proc_pid_fd(5)`).
fn stream(output: &Output, user: Option<&Account>) -> io::Result<(Stdio, Option<OwnedFd>)> {
    match output {
        Output::Inherit => Ok((Stdio::Inherited, None)),
        Output::Forward | Output::Prefixed { .. } | Output::Discard | Output::Sink(_) => {
            let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
            if let Some(user) = user {
                nix::unistd::fchown(&writer, Some(user.uid.into()), Some(user.gid.into()))?;
            }
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
