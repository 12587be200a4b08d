//! The one thread that makes processes.
//!
//! A parent-death signal follows the *thread* that forked (`PR_SET_PDEATHSIG(2const)`), so this one lives as long as the
//! program. It has every signal blocked, so that no handler of the program ever runs in a child.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::sys::signal::SigSet;

use super::attempt::Attempt;
use super::tree::Tree;
use crate::config::{Command, Output};
use crate::machine::exit::SpawnStep;

/// How many requests may wait. Each app has at most 64 in creation, so this is enough for 64 apps in one program that all
/// start at once; what does not fit is refused as a failed spawn and tried again by policy.
const WAITING: usize = 4096;

/// How many children may be on their way from fork to exec: while one loads its program on another CPU, the next is forked.
/// Each is a copy of the master until its exec, and holds up the results of those behind it.
const UNDER_WAY: usize = 8;

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
        let mut under_way = VecDeque::with_capacity(UNDER_WAY);
        for request in &requests {
            under_way.push_back(Attempt::begin(request));
            // Results come in the order of the requests, so that the first of many that fail alike is told as the first.
            while let Some(first) = under_way.pop_front() {
                while under_way.len() + 1 < UNDER_WAY
                    && let Ok(next) = requests.try_recv()
                {
                    under_way.push_back(Attempt::begin(next));
                }
                first.finish(&mut told);
            }
        }
    };
    // The smallest common stack: the thread calls nothing deep.
    thread::Builder::new().name("drover-spawner".into()).stack_size(256 * 1024).spawn(run).map(|_| queue)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn many_are_told_in_the_order_in_which_they_were_asked_for() {
        const MANY: usize = 40;
        let (tell, told) = sync_channel(MANY);
        for number in 0..MANY {
            let tell = tell.clone();
            // Every third fails, some before the fork, some after it.
            let command = match number % 6 {
                2 => Command::new("/no/such/program"),
                5 => Command::new("sleep").user("no-such-user"),
                _ => Command::new("sleep").arg("300"),
            };
            let request = SpawnRequest {
                app: "app".into(),
                command,
                output: Output::Discard,
                words: Vec::new(),
                sockets: Vec::new(),
                parent_death_signal: Some(libc::SIGKILL),
                // What is dropped here is killed.
                done: Box::new(move |result| tell.send((number, result.map(drop).is_ok())).unwrap()),
            };
            spawn(request).unwrap();
        }
        let next = || told.recv_timeout(Duration::from_secs(30)).expect("each is told");
        let results: Vec<(usize, bool)> = (0..MANY).map(|_| next()).collect();
        assert_eq!(results, (0..MANY).map(|number| (number, number % 3 != 2)).collect::<Vec<_>>());
    }
}
