//! What is asked of the thread that makes processes, and what it answers.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use super::stamp::Stamp;
use super::tree::Tree;
use crate::config::{Command, Output, Stream};
use crate::keeper::{Hold, Holds};
use crate::machine::exit::SpawnStep;
use crate::sys::PidCell;

/// A process to make.
pub(crate) struct SpawnRequest {
    pub app: Arc<str>,
    pub command: Command,
    pub output: Output,
    /// The words of the master, `DROVER_…` and `LISTEN_…`.
    pub words: Vec<(&'static str, OsString)>,
    /// The listeners, to become descriptors 3, 4, ….
    pub sockets: Vec<Arc<OwnedFd>>,
    /// Its descriptor 0.
    pub stdin: StdinSource,
    pub notify: NotifyBy,
    pub parent_death_signal: Option<i32>,
    /// What its descendants are known by that have left its session.
    pub stamp: Option<Stamp>,
    pub kept: KeptSpawn,
    /// Called on the maker's thread. It has to be quick, and to take or drop what it is given.
    pub done: Box<dyn FnOnce(Result<Spawned, SpawnFailure>) + Send>,
}

/// What a child reads as its standard input.
#[derive(Debug, Clone, Default)]
pub(crate) enum StdinSource {
    /// `/dev/null`.
    #[default]
    Null,
    /// A pipe of its own that does not end.
    Open,
    Socket(Arc<OwnedFd>),
}

/// What only the child itself can be given of what it notifies the master by. Default: nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct NotifyBy {
    /// What it says by that it is ready, and the number it has there.
    pub fd: Option<(Arc<OwnedFd>, u32)>,
    /// Whether it is told by `WATCHDOG_PID` that it is the one who is watched.
    pub tells_watchdog_pid: bool,
}

/// What of a process in the making outlives its master. Default: nothing.
#[derive(Debug, Default)]
pub(crate) struct KeptSpawn {
    /// Where the kernel writes its pid.
    pub cell: Option<PidCell>,
    /// Whoever holds its pipes, and the beginning of their names.
    pub pipes: Option<(Holds, String)>,
}

impl KeptSpawn {
    /// Has the pipe of this stream held, for good measure before there is anybody who writes to it.
    pub(super) fn hold(&self, stream: Stream, pipe: Option<&OwnedFd>) -> Hold {
        match (&self.pipes, pipe) {
            (Some((holds, name)), Some(pipe)) => holds.hold_now(pipe_name(name, stream), pipe.as_fd()),
            _ => Hold::default(),
        }
    }
}

/// What the pipe of a stream of a worker is held by.
pub(crate) fn pipe_name(worker: &str, stream: Stream) -> String {
    let stream = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    format!("{worker}/{stream}")
}

/// A process that was made.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub tree: Tree,
    /// What is held of it.
    pub holds: [Hold; 2],
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

impl SpawnFailure {
    /// The request did not even reach a thread that makes processes.
    pub(super) fn refused(error: &io::Error) -> Self {
        Self {
            step: SpawnStep::Prepare,
            errno: error.raw_os_error().unwrap_or(libc::EAGAIN),
            sentence: format!("the spawner can't take another request: {error}"),
        }
    }
}

impl fmt::Debug for SpawnRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnRequest").field("command", &self.command).finish_non_exhaustive()
    }
}
