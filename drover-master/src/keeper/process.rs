//! The keeper's own loop: one thread, which sleeps until a master says something, a child ends, or a signal comes.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, Signal as Number};
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{MsgFlags, send};

use super::crashes::{Crashes, WITHIN};
use super::kept::{MasterCrash, PANICKED, SUPERVISOR};
use super::master_watch::MasterWatch;
use super::message::{ChildAnswer, ChildState, KeeperRequest, NotHeld, StandbyWord};
use super::next_message::{NextMessage, next_message};
use super::signals::{is_passed_on, pass_on};
use super::standby::Standby;
use super::surroundings::{LOOK_AGAIN_MS, end_like, leave, monotonic, pause, tell, tell_service_manager};
use crate::machine::exit::ExitStatus;
use crate::process::follow_files;
use crate::sys::{ended_child_of, group_signal, pids_in_cells, release_all_file_pages, release_free_heap};

/// How long everything may take to end when the keeper gives up: what a master waits by default.
const END_WITHIN: Duration = Duration::from_secs(10);

/// When nothing has happened for so long, the keeper gives back what it has needed meanwhile, and sleeps. Less would have it read its own
/// program again and again while workers start; more would keep the memory for longer.
const REST_AFTER: Duration = Duration::from_secs(1);

/// What follows a master.
pub(super) enum Successor {
    /// It has crashed: a copy of this program.
    Another(MasterCrash),
    /// It has made way for this process, at the other end of this connection.
    Standby(i32, OwnedFd),
}

pub(super) struct Keeper {
    pub(super) signals: SignalFd,
    /// What this process was started with.
    before: SigSet,
    pub(super) held: HashMap<String, OwnedFd>,
    /// The end of the master is meant, and this is what the keeper exits with.
    leaves_with: Option<u8>,
    crashes: Crashes,
    /// The program that is to go on in the place of the master.
    standby: Option<Standby>,
    /// The end of the master is to make way for it.
    yields: bool,
    /// There if the service manager wants to hear that the master makes progress.
    watch: Option<MasterWatch>,
}

impl Keeper {
    /// One that holds nothing yet; it was started with these signals blocked.
    pub(super) fn new(signals: SignalFd, before: SigSet) -> Self {
        Self {
            signals,
            before,
            held: HashMap::new(),
            leaves_with: None,
            crashes: Crashes::by_environment(),
            standby: None,
            yields: false,
            watch: MasterWatch::by_environment(),
        }
    }

    /// Serves a master until it ends. Returns if another one is to follow.
    pub(super) fn keep(&mut self, master: i32, socket: &OwnedFd) -> Successor {
        if let Some(watch) = &mut self.watch {
            watch.begin();
        }
        let status = self.serve(master, socket);
        // What it said last is read before it is taken for gone: a pipe that it had held would be closed.
        while self.hear(socket) {}
        let standby = self.standby.take();
        if std::mem::take(&mut self.yields)
            && let Some(standby) = standby
        {
            if standby.is_able && standby.hand_over(&self.held, master).is_ok() {
                let _ = ended_child_of(master, true);
                return Successor::Standby(standby.pid, standby.socket);
            }
            standby.kill();
        }
        // Reaped only now, so that no signal could have meant another process.
        let _ = ended_child_of(master, true);
        let is_crash = match status {
            ExitStatus::Code(code) => code == PANICKED,
            ExitStatus::Signal { .. } | ExitStatus::Taken => true,
        };
        if let Some(status) = self.leaves_with {
            leave(status.into());
        }
        if !is_crash || !self.held.contains_key(SUPERVISOR) {
            // It has ended them itself, unless it could not even begin.
            self.end_workers();
            end_like(status);
        }
        let (at, pid) = (monotonic(), master.unsigned_abs());
        let crash = MasterCrash { at, has_yielded: false, pid, status };
        if self.crashes.is_too_many(monotonic()) {
            let count = self.crashes.count;
            self.give_up(&format!(
                "the master crashed more than {count} times within {WITHIN:?}, and {crash}; everything is ended"
            ));
        }
        Successor::Another(crash)
    }

    /// Until the master has ended, which is not reaped yet.
    fn serve(&mut self, master: i32, socket: &OwnedFd) -> ExitStatus {
        let mut has_closed = false;
        let mut is_at_rest = false;
        loop {
            match ended_child_of(master, false) {
                Ok(Some((status, _))) => return status,
                Ok(None) => {}
                Err(_) => return ExitStatus::Taken,
            }
            reap_strangers(master, self.standby.as_ref().map(|standby| standby.pid));
            let is_heard = self.wait(socket, has_closed, &mut is_at_rest);
            for number in self.read_signals(true) {
                pass_on(number, master);
                if number.cast_signed() == libc::SIGUSR1 {
                    follow_files();
                }
            }
            if let Some(watch) = &mut self.watch {
                watch.look(master);
            }
            self.hear_standby(socket);
            if is_heard {
                while self.hear(socket) {}
                // Its end of the connection alone does not mean that it is gone.
                has_closed = is_closed(socket);
            }
        }
    }

    /// Sleeps until there is something to do. Whether the master has said something.
    fn wait(&self, socket: &OwnedFd, has_closed: bool, is_at_rest: &mut bool) -> bool {
        let waited_for = self.standby.as_ref().filter(|standby| !standby.is_able);
        let watched_until = self.watch.as_ref().and_then(MasterWatch::deadline);
        let until = waited_for.and_then(Standby::deadline).into_iter().chain(watched_until).min();
        let mut ready = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        ready.extend((!has_closed).then(|| PollFd::new(socket.as_fd(), PollFlags::POLLIN)));
        ready.extend(waited_for.map(|standby| PollFd::new(standby.socket.as_fd(), PollFlags::POLLIN)));
        loop {
            let until = until.map(|until| until.saturating_sub(monotonic()));
            let rest = (!*is_at_rest).then_some(REST_AFTER);
            let left = until.into_iter().chain(rest).min();
            let timeout = left.map_or(PollTimeout::NONE, |left| {
                // Rounded up, so that it is over by then.
                PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
            });
            match nix::poll::poll(&mut ready, timeout) {
                Ok(0) if rest.is_some() && left == rest => {
                    *is_at_rest = true;
                    release_memory();
                    // At once: another round of looks would bring back most of it.
                    continue;
                }
                Ok(_) | Err(Errno::EINTR) => *is_at_rest = false,
                // ENOMEM: nothing can be done but to try again.
                Err(_) => pause(),
            }
            break;
        }
        !has_closed && ready[1].any().unwrap_or(false)
    }

    /// Those that have come and are for the master.
    pub(super) fn read_signals(&self, had_master: bool) -> Vec<u32> {
        let next = || self.signals.read_signal().ok().flatten();
        let come = std::iter::from_fn(next).filter(|signal| is_passed_on(signal, had_master));
        come.map(|signal| signal.ssi_signo).collect()
    }

    /// Takes one message, if there is one.
    fn hear(&mut self, socket: &OwnedFd) -> bool {
        let Ok(NextMessage::Message(said, descriptors)) = next_message(socket) else { return false };
        match KeeperRequest::decode(&said) {
            Some(KeeperRequest::Hold { name }) => {
                if let Some(fd) = descriptors.into_iter().next() {
                    self.held.insert(name, fd);
                } else {
                    // The kernel drops a descriptor that this process has no room for (unix(7)).
                    let _ = send(socket.as_raw_fd(), &NotHeld { name }.encode(), MsgFlags::MSG_NOSIGNAL);
                }
            }
            Some(KeeperRequest::Drop { name }) => drop(self.held.remove(&name)),
            Some(KeeperRequest::Look { pid }) => {
                let state = match ended_child_of(pid, false) {
                    Ok(Some((status, usage))) => ChildState::Ended(status, usage),
                    Ok(None) => ChildState::Lives,
                    Err(_) => ChildState::Unknown,
                };
                let answer = ChildAnswer { pid, state }.encode();
                // A master that does not read its answers does not get them: it asks a bounded number of questions at once.
                let _ = send(socket.as_raw_fd(), &answer, MsgFlags::MSG_NOSIGNAL);
            }
            Some(KeeperRequest::Reap { pid }) => drop(ended_child_of(pid, true)),
            Some(KeeperRequest::Notify { text }) => {
                if let Some(watch) = &mut self.watch {
                    watch.hear(&text);
                }
                tell_service_manager(&text, descriptors.first());
            }
            Some(KeeperRequest::Leave { status }) => self.leaves_with = Some(status),
            Some(KeeperRequest::Upgrade { is_check }) => {
                if let Some(program) = descriptors.into_iter().next() {
                    self.begin_standby(&program, is_check, socket);
                }
            }
            Some(KeeperRequest::Yield) => self.yields = self.standby.is_some(),
            // Said by a standby alone.
            Some(KeeperRequest::Able { .. } | KeeperRequest::Unable { .. }) | None => {}
        }
        true
    }

    fn begin_standby(&mut self, program: &OwnedFd, is_check: bool, master: &OwnedFd) {
        if let Some(standby) = self.standby.take() {
            standby.kill();
        }
        match Standby::begin(program, &self.held, &self.before, is_check) {
            Ok(standby) => self.standby = Some(standby),
            Err(error) => tell_master(master, Err(format!("the program can't be started: {error}"))),
        }
    }

    /// Reads what the program says that stands by, and passes its word on.
    fn hear_standby(&mut self, master: &OwnedFd) {
        let Some(standby) = self.standby.as_mut().filter(|standby| !standby.is_able) else { return };
        let (said, has_closed) = match next_message(&standby.socket) {
            Ok(NextMessage::Message(said, _)) => (KeeperRequest::decode(&said), false),
            Ok(NextMessage::Nothing) => (None, false),
            Ok(NextMessage::Closed) | Err(_) => (None, true),
        };
        let Some(word) = standby.verdict(said, has_closed) else { return };
        if word.is_err() || standby.is_check() {
            standby.kill();
            self.standby = None;
        }
        tell_master(master, word);
    }

    /// Ends everything, and then itself.
    pub(super) fn give_up(&mut self, why: &str) -> ! {
        tell(why);
        self.end_workers();
        leave(1);
    }

    /// Ends the workers that there still are: as a master does by default, and at once if somebody asks for the end meanwhile.
    fn end_workers(&mut self) {
        // Workers of the protocol learn by it that nobody comes back.
        self.held.clear();
        let workers: Vec<i32> = pids_in_cells().collect();
        let until = monotonic() + END_WITHIN;
        let mut left = signal_all(&workers, Number::SIGTERM);
        while left > 0 && monotonic() < until {
            let mut child = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            let _ = nix::poll::poll(&mut child, PollTimeout::from(LOOK_AGAIN_MS));
            let ends = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT];
            if self.read_signals(false).iter().any(|number| ends.contains(&number.cast_signed())) {
                break;
            }
            left = workers.iter().filter(|pid| matches!(ended_child_of(**pid, false), Ok(None))).count();
        }
        signal_all(&workers, Number::SIGKILL);
    }
}

pub(super) fn release_memory() {
    release_free_heap();
    release_all_file_pages();
}

/// Signals the group of each that has not been reaped, and so has its number still; how many of them live.
fn signal_all(workers: &[i32], signal: Number) -> usize {
    let mut living = 0;
    for pid in workers {
        match ended_child_of(*pid, false) {
            Ok(None) => living += 1,
            Ok(Some(_)) => {}
            Err(_) => continue,
        }
        let _ = group_signal(*pid, signal as i32);
        let _ = group_signal(*pid, Number::SIGCONT as i32);
    }
    living
}

/// Reaps children that are neither the master nor workers: orphans of workers, and of others below. One that has ended stands before
/// the others until its master has had it reaped; then this is called again.
fn reap_strangers(master: i32, standby: Option<i32>) {
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
    loop {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let pid = match waitid(Id::All, flags) {
            Ok(WaitStatus::StillAlive) | Err(_) => return,
            Ok(ended) => match ended.pid() {
                Some(pid) => pid.as_raw(),
                None => return,
            },
        };
        if pid == master || Some(pid) == standby || pids_in_cells().any(|worker| worker == pid) {
            return;
        }
        let _ = ended_child_of(pid, true);
    }
}

fn tell_master(socket: &OwnedFd, word: Result<String, String>) {
    // A master that is gone does not want to know.
    let _ = send(socket.as_raw_fd(), &StandbyWord(word).encode(), MsgFlags::MSG_NOSIGNAL);
}

fn is_closed(socket: &OwnedFd) -> bool {
    let mut ready = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    let polled = nix::poll::poll(&mut ready, PollTimeout::ZERO);
    polled.is_ok() && ready[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
}
