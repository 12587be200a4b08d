//! One process in the making: from the request to the program that runs, or to the sentence that says why not.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, OFlag};
use nix::sys::stat::Mode;

use super::command_line::{Passed, c_string, candidates, environment, found};
use super::explain::explain;
use super::limits;
use super::request::{SpawnFailure, SpawnRequest, Spawned, StdinSource};
use super::stamp::Stamp;
use super::tree::Tree;
use super::warnings::Warnings;
use crate::config::{Account, AccountError, Output, Stream};
use crate::keeper::Hold;
use crate::machine::exit::SpawnStep;
use crate::sys::{Begun, Child, ChildPlan, ChildUser, Forge, SpawnError, Stdio, are_pidfds_known, begin};

/// A process in the making, or a failure that has not been told yet.
#[derive(Debug)]
pub(super) struct Spawn {
    request: SpawnRequest,
    made: Result<NewChild, SpawnFailure>,
}

/// What is held of a child until it is a program.
#[derive(Debug)]
struct NewChild {
    known: FailureContext,
    /// What it and its descendants are known by.
    stamp: Option<Stamp>,
    holds: [Hold; 2],
    stage: SpawnStage,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

#[derive(Debug)]
enum SpawnStage {
    Planned(Box<ChildPlan>),
    /// On its way to its exec.
    Forked(Begun),
    Made(Child),
}

/// What its failures are explained with.
#[derive(Debug)]
struct FailureContext {
    candidates: Vec<PathBuf>,
    limits: limits::LimitPlan,
    /// Who it runs as, if not as the master.
    user: Option<Account>,
    /// What is passed to it, counted.
    passed: Passed,
}

impl Spawn {
    /// Prepares everything.
    pub(super) fn plan(request: SpawnRequest, nulls: &mut Nulls) -> Self {
        let made = plan(&request, nulls);
        Self { request, made }
    }

    /// Whether it gets a copy of the master's memory, and is not waited for at once.
    pub(super) fn is_forked(&self) -> bool {
        match &self.made {
            Ok(NewChild { stage: SpawnStage::Planned(plan), .. }) => plan.identity.is_some(),
            _ => false,
        }
    }

    pub(super) fn fork(&mut self) {
        self.advance(|plan| begin(plan).map(SpawnStage::Forked));
    }

    /// Makes the process, and waits until it is a program.
    pub(super) fn make(&mut self, forge: &mut Forge) {
        self.advance(|plan| forge.make(plan).map(SpawnStage::Made));
    }

    fn advance(&mut self, by: impl FnOnce(&ChildPlan) -> Result<SpawnStage, SpawnError>) {
        let Ok(making) = &mut self.made else { return };
        let SpawnStage::Planned(plan) = &making.stage else { return };
        match by(plan) {
            // Drops the plan, and with it the master's copies of what the child writes to.
            Ok(stage) => making.stage = stage,
            Err(error) => self.made = Err(making.known.failure(&self.request, error)),
        }
    }

    /// The child was killed, because it took too long. A step that has failed on its own counts more.
    pub(super) fn time_out(&mut self) {
        let Ok(making) = &mut self.made else { return };
        let error = SpawnError::new(SpawnStep::Exec, &io::Error::from_raw_os_error(libc::ETIMEDOUT));
        let failure = making.known.failure(&self.request, error);
        if let Ok(NewChild { stage: SpawnStage::Made(child), .. }) =
            mem::replace(&mut self.made, Err(failure))
        {
            // Reaps it.
            drop(Tree::new(child.pid, child.pidfd, None));
        }
    }

    /// Waits until it is a program, and tells who asked for it.
    pub(super) fn finish(self, warnings: &mut Warnings) {
        let Self { request, made } = self;
        let result = made.and_then(|NewChild { known, stamp, holds, stage, stdout, stderr }| {
            let child = match stage {
                SpawnStage::Made(child) => Ok(child),
                SpawnStage::Forked(begun) => begun.finish(),
                SpawnStage::Planned(_) => {
                    Err(SpawnError::new(SpawnStep::Fork, &io::Error::other("not begun")))
                }
            };
            let child = child.map_err(|error| known.failure(&request, error))?;
            for error in child.passed_over {
                if let Some(sentence) = known.limits.sentence(&request.command.limits, error) {
                    let instead = known.limits.instead(error);
                    warnings
                        .warn(&request.app, format!("{sentence}; not required, so workers go on {instead}"));
                }
            }
            Ok(Spawned { tree: Tree::new(child.pid, child.pidfd, stamp), holds, stdout, stderr })
        });
        (request.done)(result);
    }
}

impl FailureContext {
    fn failure(&self, request: &SpawnRequest, error: SpawnError) -> SpawnFailure {
        let command = &request.command;
        let sentence = match self.limits.sentence(&command.limits, error) {
            Some(sentence) => format!("{sentence}; ask for less, or do not require it"),
            None => {
                let found = found(&self.candidates, command.cwd.as_deref());
                if (error.step, error.errno) == (SpawnStep::Exec, libc::E2BIG) {
                    self.passed.too_much()
                } else {
                    explain(command, error.step, error.errno, found.as_deref(), self.user.as_ref())
                }
            }
        };
        SpawnFailure { step: error.step, errno: error.errno, sentence }
    }
}

fn plan(request: &SpawnRequest, nulls: &mut Nulls) -> Result<NewChild, SpawnFailure> {
    let command = &request.command;
    let account = match &command.account {
        Some(account) => Some(account.clone()),
        // Of a command that was not checked: never as the master, where it says otherwise.
        None => Account::of(command).map_err(unknown_account)?,
    };
    let login = account.as_ref().and_then(|account| account.login.as_ref());
    let environment = environment(command, login, &request.words);
    let candidates = candidates(&command.program, &environment);
    let limits = limits::LimitPlan::of(&command.limits, crate::nofile::inherited());
    let (limits, limits_error) = match limits {
        Ok(limits) => (limits, None),
        Err(error) => (limits::LimitPlan::default(), Some(error)),
    };
    let user = account.filter(|account| account.is_another);
    let known = FailureContext { candidates, limits, user, passed: Passed::of(command, &environment) };
    let prepare = |error: io::Error| known.failure(request, SpawnError::new(SpawnStep::Prepare, &error));
    if let Some(error) = limits_error {
        return Err(prepare(error));
    }
    are_pidfds_known().map_err(|error| known.failure(request, SpawnError::new(SpawnStep::Pidfd, &error)))?;
    let user = known.user.as_ref();
    let (stdout, stdout_reader) = match request.output {
        Output::Discard => (Stdio::Given(nulls.written().map_err(prepare)?), None),
        _ => stream(&request.output, user).map_err(prepare)?,
    };
    let (stderr, stderr_reader) = stream(&request.output, user).map_err(prepare)?;
    let stamp = request.stamp;
    let holds = [
        request.kept.hold(Stream::Stdout, stdout_reader.as_ref()),
        request.kept.hold(Stream::Stderr, stderr_reader.as_ref()),
    ];
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
        notify_fd: request.notify.fd.as_ref().map(|(fd, number)| (Arc::clone(fd), number.cast_signed())),
        tells_watchdog_pid: request.notify.tells_watchdog_pid,
        stdin: match &request.stdin {
            StdinSource::Socket(socket) => Arc::clone(socket),
            StdinSource::Open => Arc::new(endless().map_err(prepare)?),
            StdinSource::Null => nulls.read().map_err(prepare)?,
        },
        stdout,
        stderr,
        oom_score_adj: command.limits.oom_score_adj,
        nice: command.limits.nice,
        limits: known.limits.limits.clone(),
        are_limits_required: command.limits.is_required,
        locks: stamp.and_then(Stamp::limit),
        identity: user.map(|user| ChildUser { uid: user.uid, gid: user.gid, groups: user.groups.clone() }),
        cwd: command.cwd.as_ref().map(c_string),
        umask: command.umask,
        parent_death_signal: request.parent_death_signal,
        pid_cell: request.kept.cell,
    };
    let stage = SpawnStage::Planned(Box::new(plan));
    Ok(NewChild { known, stamp, holds, stage, stdout: stdout_reader, stderr: stderr_reader })
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
            Ok((Stdio::Given(Arc::new(writer)), Some(reader)))
        }
    }
}

/// The reading end of a pipe that its reader can write to as well, so that it never ends (`fifo(7)`: Linux opens one for both).
/// Opened anew, so that a worker which makes it non-blocking does so for itself alone.
fn endless() -> io::Result<OwnedFd> {
    let (reader, _writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    Ok(nix::fcntl::open(&*path, OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// `/dev/null`, opened once for all workers of a maker: it has no position and never blocks, so they may share it.
#[derive(Debug, Default)]
pub(super) struct Nulls {
    read: Option<Arc<OwnedFd>>,
    written: Option<Arc<OwnedFd>>,
}

impl Nulls {
    fn read(&mut self) -> io::Result<Arc<OwnedFd>> {
        opened(&mut self.read, OFlag::O_RDONLY)
    }

    fn written(&mut self) -> io::Result<Arc<OwnedFd>> {
        opened(&mut self.written, OFlag::O_WRONLY)
    }
}

fn opened(null: &mut Option<Arc<OwnedFd>>, access: OFlag) -> io::Result<Arc<OwnedFd>> {
    if let Some(null) = null {
        return Ok(Arc::clone(null));
    }
    let fd = nix::fcntl::open("/dev/null", access | OFlag::O_CLOEXEC, Mode::empty())?;
    Ok(Arc::clone(null.insert(Arc::new(fd))))
}
