//! The one thread that makes processes, and the one that watches it.
//!
//! A parent-death signal follows the *thread* that forked (`PR_SET_PDEATHSIG(2const)`), so this one lives as long as the
//! program. It has every signal blocked, so that no handler of the program ever runs in a child.
//!
//! ```text
//!  spawn() ──queue──► maker ──► child            shares the memory until its exec: the maker stands still
//!                       │
//!                     timer (10 s) ──► watch     kills the child; if that does not help, the next maker takes the queue over
//! ```

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::SigSet;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::request::{SpawnFailure, SpawnRequest};
use super::spawn::{Nulls, Spawn};
use super::succession::{Need, Succession};
use super::warnings::Warnings;
use crate::machine::exit::SpawnStep;
use crate::sys::{DISCARD_WITHIN, EXEC_WITHIN, Forge, MAKERS};

/// How many requests may wait. Each app has at most 64 in creation, so this is enough for 64 apps in one program that all
/// start at once; what does not fit is refused as a failed spawn and tried again by policy.
const WAITING: usize = 4096;

/// How many forked children may be on their way to their exec: while one loads its program on another CPU, the next is forked.
/// Each is a copy of the master until its exec, and holds up the results of those behind it.
const UNDER_WAY: usize = 8;

/// What the makers share.
#[derive(Debug)]
pub(super) struct SpawnThreads {
    /// Boxed: a bounded queue has all its room from the start, and a request has hundreds of bytes.
    queue: SyncSender<Box<SpawnRequest>>,
    /// Locked by the active maker while it waits.
    requests: Mutex<Receiver<Box<SpawnRequest>>>,
    succession: Mutex<Succession>,
    is_turn: Condvar,
    /// Set during the wait for a child: it costs no wakeup unless that takes too long.
    timer: TimerFd,
    /// Kills the child that a maker waits for.
    kill: fn(usize),
}

impl SpawnThreads {
    pub(super) fn open(succession: Succession, kill: fn(usize)) -> io::Result<Arc<Self>> {
        let (queue, requests) = sync_channel(WAITING);
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
        let (requests, succession) = (Mutex::new(requests), Mutex::new(succession));
        let threads = Arc::new(Self { queue, requests, succession, is_turn: Condvar::new(), timer, kill });
        let watched = Arc::clone(&threads);
        start_thread("drover-watch", move || watched.watch())?;
        Ok(threads)
    }

    pub(super) fn take(self: &Arc<Self>, request: SpawnRequest) -> Result<(), SpawnFailure> {
        let need = self.succession().fill();
        if need == Need::Everyone {
            let sentence = format!(
                "{MAKERS} processes hang while they are made, on a file system that does not answer perhaps, and can't be \
                 killed; no other is begun before one of them goes on"
            );
            return Err(SpawnFailure { step: SpawnStep::Prepare, errno: libc::ETIMEDOUT, sentence });
        }
        self.meet(need).map_err(|error| SpawnFailure::refused(&error))?;
        self.queue.try_send(Box::new(request)).map_err(|_| SpawnFailure::refused(&Errno::EAGAIN.into()))
    }

    fn succession(&self) -> MutexGuard<'_, Succession> {
        self.succession.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meet(self: &Arc<Self>, need: Need) -> io::Result<()> {
        match need {
            Need::Nothing | Need::Everyone => Ok(()),
            Need::Wake(_) => {
                self.is_turn.notify_all();
                Ok(())
            }
            Need::Kill(place) => {
                (self.kill)(place);
                self.set_timer(Some(DISCARD_WITHIN));
                Ok(())
            }
            Need::Start(place) => {
                let started = Forge::new(place).and_then(|forge| {
                    let threads = Arc::clone(self);
                    start_thread("drover-spawner", move || threads.make(place, forge))
                });
                if started.is_err() {
                    self.succession().not_started();
                }
                started
            }
        }
    }

    /// Looks after the maker whenever the timer has run out.
    fn watch(self: Arc<Self>) {
        while self.timer.wait().is_ok() {
            let need = self.succession().look(now());
            if need == Need::Everyone {
                tracing::error!(target: "drover::process", "every maker of processes hangs with a child that can't be killed");
            }
            // The next request tries again.
            if let Err(error) = self.meet(need) {
                tracing::error!(target: "drover::process", %error, "no successor for a maker of processes that hangs");
            }
        }
    }

    /// Makes what is asked for, as long as the program runs.
    fn make(&self, place: usize, mut forge: Forge) {
        let (mut warnings, mut nulls) = (Warnings::default(), Nulls::default());
        let mut under_way: VecDeque<Spawn> = VecDeque::with_capacity(UNDER_WAY);
        loop {
            self.wait_for_turn(place);
            let Some(request) = self.next(under_way.is_empty()) else {
                // Results come in the order of the requests, so that the first of many that fail alike is told as the first.
                if let Some(first) = under_way.pop_front() {
                    first.finish(&mut warnings);
                }
                continue;
            };
            let mut spawn = Spawn::plan(*request, &mut nulls);
            if spawn.is_forked() {
                spawn.fork();
                under_way.push_back(spawn);
                if under_way.len() == UNDER_WAY
                    && let Some(first) = under_way.pop_front()
                {
                    first.finish(&mut warnings);
                }
                continue;
            }
            for earlier in under_way.drain(..) {
                earlier.finish(&mut warnings);
            }
            self.succession().begin(now());
            self.set_timer(Some(EXEC_WITHIN));
            spawn.make(&mut forge);
            if self.end(place) {
                spawn.time_out();
            }
            spawn.finish(&mut warnings);
        }
    }

    /// Whether the child was killed. The timer is its successor's, if there is one.
    fn end(&self, place: usize) -> bool {
        let mut succession = self.succession();
        if succession.is_active(place) {
            self.set_timer(None);
        }
        succession.end(place)
    }

    fn wait_for_turn(&self, place: usize) {
        let mut succession = self.succession();
        while !succession.is_active(place) {
            succession = self.is_turn.wait(succession).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next request. None if there is none and it is not to be waited for.
    fn next(&self, is_waited_for: bool) -> Option<Box<SpawnRequest>> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if is_waited_for {
            return Some(requests.recv().expect("its own struct holds a sender itself"));
        }
        requests.try_recv().ok()
    }

    fn set_timer(&self, within: Option<Duration>) {
        let set = match within {
            Some(within) => {
                self.timer.set(Expiration::OneShot(TimeSpec::from(within)), TimerSetTimeFlags::empty())
            }
            None => self.timer.unset(),
        };
        if let Err(error) = set {
            tracing::error!(target: "drover::process", %error, "a process that hangs while it is made would not be noticed");
        }
    }
}

/// With every signal blocked.
fn start_thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let run = move || {
        if let Err(error) = SigSet::all().thread_block() {
            tracing::error!(target: "drover::process", %error, "the spawner can't block signals");
        }
        run();
    };
    // The smallest common stack: the thread calls nothing deep.
    thread::Builder::new().name(name.into()).stack_size(256 * 1024).spawn(run).map(drop)
}

#[expect(
    clippy::disallowed_methods,
    reason = "these threads have no runtime, and so no clock that a test could stop"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::config::{Command, Output};
    use crate::process::request::Spawned;
    use crate::process::spawn;
    use crate::sys::{give_back, hold};

    fn request(
        command: Command,
        done: impl FnOnce(Result<Spawned, SpawnFailure>) + Send + 'static,
    ) -> SpawnRequest {
        SpawnRequest {
            app: "app".into(),
            command,
            output: Output::Discard,
            words: Vec::new(),
            sockets: Vec::new(),
            stdin: Default::default(),
            notify: Default::default(),
            parent_death_signal: Some(libc::SIGKILL),
            stamp: None,
            kept: Default::default(),
            done: Box::new(done),
        }
    }

    /// A program whose exec hangs until the lease is given back.
    fn hanging_program() -> (TempDir, PathBuf, File) {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        fs::copy("/bin/true", &program).unwrap();
        let file = File::open(&program).unwrap();
        // A child that another test forks has the copy open for writing until its exec.
        for _ in 0..1000 {
            match hold(&file) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::park_timeout(Duration::from_millis(10))
                }
                held => {
                    held.unwrap();
                    break;
                }
            }
        }
        (dir, program, file)
    }

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
            // What is dropped here is killed.
            let done = move |result: Result<_, _>| tell.send((number, result.map(drop).is_ok())).unwrap();
            spawn(request(command, done)).unwrap();
        }
        let next = || told.recv_timeout(Duration::from_secs(30)).expect("each is told");
        let results: Vec<(usize, bool)> = (0..MANY).map(|_| next()).collect();
        assert_eq!(results, (0..MANY).map(|number| (number, number % 3 != 2)).collect::<Vec<_>>());
    }

    #[test]
    fn a_child_whose_exec_hangs_is_killed_and_the_others_go_on() {
        let (_dir, program, _hanging) = hanging_program();
        let (tell, told) = sync_channel(2);
        let tell_of_other = tell.clone();
        let began = now();
        spawn(request(Command::new(&program), move |result| tell.send(result.map(drop)).unwrap())).unwrap();
        let other = Command::new("sleep").arg("300");
        spawn(request(other, move |result| tell_of_other.send(result.map(drop)).unwrap())).unwrap();
        let failure = told.recv_timeout(Duration::from_secs(30)).expect("it is told").unwrap_err();
        assert_eq!((failure.step, failure.errno), (SpawnStep::Exec, libc::ETIMEDOUT), "{failure:?}");
        assert!(began.elapsed() >= EXEC_WITHIN, "it was given its time");
        told.recv_timeout(Duration::from_secs(30)).expect("it is told").unwrap();
    }

    #[test]
    fn a_maker_that_hangs_with_its_child_is_replaced_and_tells_of_it_when_it_comes_back() {
        let (_dir, program, hanging) = hanging_program();
        // Places that those of the other tests does not come to; and a kill that does nothing, as in a kernel that is stuck.
        let succession = Succession::with_places_from(4);
        let threads = SpawnThreads::open(succession, |_| {}).unwrap();
        let (tell, told) = sync_channel(2);
        let tell_of_other = tell.clone();
        threads
            .take(request(Command::new(&program), move |result| tell.send(result.map(drop)).unwrap()))
            .unwrap();
        let other = Command::new("sleep").arg("300");
        threads.take(request(other, move |result| tell_of_other.send(result.map(drop)).unwrap())).unwrap();
        let next = || told.recv_timeout(Duration::from_secs(30)).expect("it is told");
        next().expect("the successor makes the other");
        give_back(&hanging).unwrap();
        let failure = next().unwrap_err();
        assert_eq!((failure.step, failure.errno), (SpawnStep::Exec, libc::ETIMEDOUT), "{failure:?}");
    }
}
