//! What is asked of the thread that makes processes (`shop.rs`), and what it answers.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;

use super::crew::Crew;
use super::shop::{Shop, refused};
use super::tree::Tree;
use crate::config::{Command, Output};
use crate::machine::exit::SpawnStep;
use crate::sys::in_the_making;

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
    /// Its descriptor 0.
    pub stdin: Input,
    pub notify: NotifyBy,
    pub parent_death_signal: Option<i32>,
    /// Called on the maker's thread. It has to be quick, and to take or drop what it is given.
    pub done: Box<dyn FnOnce(Result<Spawned, SpawnFailure>) + Send>,
}

/// What a child reads as its standard input.
#[derive(Debug, Clone, Default)]
pub(crate) enum Input {
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

/// Hands a request to the maker, which is started by the first one.
pub(crate) fn spawn(request: SpawnRequest) -> Result<(), SpawnFailure> {
    static SHOP: Mutex<Option<Arc<Shop>>> = Mutex::new(None);
    let mut shop = SHOP.lock().unwrap_or_else(PoisonError::into_inner);
    // What could not be had is tried again by the next request: a limit may have been lifted.
    if shop.is_none() {
        let kill = |place| in_the_making(place).kill();
        *shop = Some(Shop::open(Crew::default(), kill).map_err(refused)?);
    }
    shop.as_ref().map_or(Err(refused(Errno::EAGAIN.into())), |shop| shop.take(request))
}

/// What was told once and is not told again of every worker.
#[derive(Debug, Default)]
pub(super) struct Told(HashSet<(Arc<str>, String)>);

impl Told {
    pub(super) fn warn(&mut self, app: &Arc<str>, sentence: String) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        if self.0.insert((Arc::clone(app), sentence.clone())) {
            tracing::warn!(target: "drover::process", %app, "{sentence}");
        }
    }
}

impl fmt::Debug for SpawnRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnRequest").field("command", &self.command).finish_non_exhaustive()
    }
}
