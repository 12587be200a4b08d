//! One process in the making: from the request to the program that runs, or to the sentence that says why not.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use nix::fcntl::{FcntlArg, OFlag};
use nix::sys::stat::Mode;

use super::command_line::{c_string, candidates, environment, found};
use super::explain::explain;
use super::spawner::{SpawnFailure, SpawnRequest, Spawned, Told};
use super::tree::Tree;
use super::{Account, AccountError, limits};
use crate::config::Output;
use crate::machine::exit::SpawnStep;
use crate::sys::{Begun, ChildPlan, Identity, SpawnError, Stdio, begin};

/// A process that has been begun, or a failure that has not been told yet.
#[derive(Debug)]
pub(super) struct Attempt {
    request: SpawnRequest,
    made: Result<Making, SpawnFailure>,
}

/// What is held of a child until it is a program.
#[derive(Debug)]
struct Making {
    known: Known,
    child: Begun,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

/// What its failures are explained with.
#[derive(Debug)]
struct Known {
    candidates: Vec<PathBuf>,
    limits: limits::Plan,
    /// Who it runs as, if not as the master.
    user: Option<Account>,
}

impl Attempt {
    /// Forks.
    pub(super) fn begin(request: SpawnRequest) -> Self {
        let made = make(&request);
        Self { request, made }
    }

    /// Waits until it is a program, and tells who asked for it.
    pub(super) fn finish(self, told: &mut Told) {
        let Self { request, made } = self;
        let result = made.and_then(|Making { known, child, stdout, stderr }| {
            let child = child.finish().map_err(|error| known.failure(&request, error))?;
            for error in child.passed_over {
                if let Some(sentence) = known.limits.sentence(&request.command.limits, error) {
                    let instead = known.limits.instead(error);
                    told.warn(&request.app, format!("{sentence}; not required, so workers go on {instead}"));
                }
            }
            Ok(Spawned { tree: Tree::new(child.pid, child.pidfd), stdout, stderr })
        });
        (request.done)(result);
    }
}

impl Known {
    fn failure(&self, request: &SpawnRequest, error: SpawnError) -> SpawnFailure {
        let command = &request.command;
        let sentence = match self.limits.sentence(&command.limits, error) {
            Some(sentence) => format!("{sentence}; ask for less, or do not require it"),
            None => {
                let found = found(&self.candidates, command.cwd.as_deref());
                explain(command, error.step, error.errno, found.as_deref(), self.user.as_ref())
            }
        };
        SpawnFailure { step: error.step, errno: error.errno, sentence }
    }
}

fn make(request: &SpawnRequest) -> Result<Making, SpawnFailure> {
    let command = &request.command;
    let account = match &command.account {
        Some(account) => Some(account.clone()),
        // Of a command that was not checked: never as the master, where it says otherwise.
        None => Account::of(command).map_err(unknown_account)?,
    };
    let login = account.as_ref().and_then(|account| account.login.as_ref());
    let environment = environment(command, login, &request.words);
    let candidates = candidates(&command.program, &environment);
    let limits = limits::Plan::of(&command.limits, crate::nofile::inherited());
    let (limits, limits_error) = match limits {
        Ok(limits) => (limits, None),
        Err(error) => (limits::Plan::default(), Some(error)),
    };
    let known = Known { candidates, limits, user: account.filter(|account| account.is_another) };
    let prepare = |error: io::Error| known.failure(request, SpawnError::new(SpawnStep::Prepare, &error));
    if let Some(error) = limits_error {
        return Err(prepare(error));
    }
    let user = known.user.as_ref();
    let (stdout, stdout_reader) = match request.output {
        Output::Discard => (Stdio::Owned(null(OFlag::O_WRONLY).map_err(prepare)?), None),
        _ => stream(&request.output, user).map_err(prepare)?,
    };
    let (stderr, stderr_reader) = stream(&request.output, user).map_err(prepare)?;
    let plan = ChildPlan {
        candidates: known.candidates.iter().map(c_string).collect(),
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
        stdout,
        stderr,
        oom_score_adj: command.limits.oom_score_adj,
        nice: command.limits.nice,
        limits: known.limits.limits.clone(),
        are_limits_required: command.limits.is_required,
        identity: user.map(|user| Identity { uid: user.uid, gid: user.gid, groups: user.groups.clone() }),
        cwd: command.cwd.as_ref().map(c_string),
        umask: command.umask,
        parent_death_signal: request.parent_death_signal,
    };
    let child = begin(&plan).map_err(|error| known.failure(request, error))?;
    Ok(Making { known, child, stdout: stdout_reader, stderr: stderr_reader })
}

fn unknown_account(error: AccountError) -> SpawnFailure {
    SpawnFailure { step: SpawnStep::Prepare, errno: libc::EINVAL, sentence: error.to_string() }
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
            nix::fcntl::fcntl(reader.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            Ok((Stdio::Owned(writer), Some(reader)))
        }
    }
}

fn null(access: OFlag) -> io::Result<OwnedFd> {
    Ok(nix::fcntl::open("/dev/null", access | OFlag::O_CLOEXEC, Mode::empty())?)
}
