//! The keeper's own loop: one thread, which sleeps until a master says something, a child ends, or a signal comes.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigSet, SigmaskHow, Signal as Number, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};
use nix::time::{ClockId, clock_gettime};

use super::crashes::{Crashes, LIMIT};
use super::holds::Holds;
use super::link::KeeperLink;
use super::message::{Answer, ChildState, MAX_MESSAGE, Request};
use crate::machine::exit::ExitStatus;
use crate::sys::{
    ended_child_of, group_signal, pidfd_open, pidfd_signal, pids_in_cells, receive, restore_child_signal,
    share_pid_cells, split,
};

/// What a master has held that can go on after a crash: the beginning of those names.
pub(crate) const STATE: &str = "state/";

/// What the program itself remembers.
const PROGRAM: &str = "state/program";

/// How long everything may take to end when the keeper gives up: what a master waits by default.
const END_WITHIN: Duration = Duration::from_secs(10);

/// How often it looks whether everything has ended, then.
const LOOK_AGAIN_MS: u16 = 20;

/// What a program that panics exits with.
const PANICKED: i32 = 101;

/// The name of the process in lists of processes, and in the kernel's log.
const NAME: &std::ffi::CStr = c"drover-keeper";

/// What a master has from its keeper.
#[derive(Debug, Clone)]
pub struct Kept {
    holds: Holds,
    crash: Option<MasterCrash>,
    keeper: u32,
}

/// How the master before this one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MasterCrash {
    /// Its pid.
    pub pid: u32,
    /// How it ended.
    pub status: ExitStatus,
}

/// As in "the last one … ".
impl fmt::Display for MasterCrash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pid = self.pid;
        match self.status {
            ExitStatus::Code(PANICKED) => write!(f, "the last one (pid {pid}) panicked"),
            ExitStatus::Code(code) => write!(f, "the last one (pid {pid}) exited with {code}"),
            ExitStatus::Signal { signal, .. } => write!(f, "the last one (pid {pid}) was killed by {signal}"),
            ExitStatus::Taken => write!(f, "the last one (pid {pid}) is gone"),
        }
    }
}

impl Kept {
    /// How the master before this one has ended; none in the first one.
    pub const fn crash(&self) -> Option<MasterCrash> {
        self.crash
    }

    /// The pid of the keeper: what whoever started this knows.
    pub const fn keeper(&self) -> u32 {
        self.keeper
    }

    /// Whether an earlier master has left something that this one can go on with.
    pub const fn is_successor(&self) -> bool {
        self.crash.is_some()
    }

    pub(crate) fn holds(&self) -> &Holds {
        &self.holds
    }

    /// Has the keeper say something to the service manager, which listens to the process that it started.
    pub fn notify(&self, text: &str) {
        if let Some(keeper) = self.holds.keeper() {
            keeper.say(&Request::Notify { text: text.as_bytes().to_vec() }, None);
        }
    }

    /// Tells the keeper that the end of this process, which is to follow, is meant, and with which status the keeper is to exit.
    pub fn leave(&self, status: u8) {
        if let Some(keeper) = self.holds.keeper() {
            keeper.say(&Request::Leave { status }, None);
        }
    }

    /// Has the keeper hold this until it ends itself: a lock, say.
    pub fn hold_for_good(&self, name: &str, fd: impl AsFd) {
        std::mem::forget(self.holds.hold(name, fd.as_fd()));
    }

    /// Has the keeper remember what the program needs to go on after a crash. Once it does, a crash of the master is no end.
    ///
    /// # Errors
    ///
    /// What `memfd_create(2)` or a write to it says.
    pub fn remember(&self, what: &[u8]) -> io::Result<()> {
        let mut memory = File::from(memfd_create(c"drover-program", MFdFlags::MFD_CLOEXEC)?);
        memory.write_all(what)?;
        self.hold_for_good(PROGRAM, memory);
        Ok(())
    }

    /// What the first master had its keeper remember.
    ///
    /// # Errors
    ///
    /// What a read of it says.
    pub fn remembered(&self) -> io::Result<Option<Vec<u8>>> {
        let Some(memory) = self.holds.take(PROGRAM) else { return Ok(None) };
        let mut memory = File::from(memory);
        // The place to read at is shared with whoever wrote it (open(2)).
        memory.seek(SeekFrom::Start(0))?;
        let mut what = Vec::new();
        memory.read_to_end(&mut what)?;
        Ok(Some(what))
    }
}

/// Splits this process: the parent becomes the keeper and never returns; the child is the master, and so is each one that
/// follows a crash. `in_keeper` lets go of what only a master should have.
///
/// # Errors
///
/// What the kernel says; then there is one process, as before.
pub fn keep(in_keeper: impl FnOnce()) -> io::Result<Kept> {
    nix::sys::prctl::set_child_subreaper(true)?;
    // Ignored, children would be reaped by the kernel, and their ends lost.
    restore_child_signal();
    share_pid_cells(None)?;
    let heard = heard();
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&heard), Some(&mut before))?;
    let begun = begin(heard, before, in_keeper);
    if begun.is_err() {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
        let _ = nix::sys::prctl::set_child_subreaper(false);
    }
    begun
}

fn begin(heard: SigSet, before: SigSet, in_keeper: impl FnOnce()) -> io::Result<Kept> {
    let signals = SignalFd::with_flags(&heard, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    let mut keeper = Keeper { signals, held: HashMap::new(), leaves_with: None, crashes: Crashes::default() };
    let (mut crash, mut in_keeper) = (None, Some(in_keeper));
    let pid = std::process::id();
    let score = oom_score();
    loop {
        let kind = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, kind)?;
        match split() {
            Ok(None) => {
                drop((ours, keeper.signals));
                sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
                // Only the keeper is the last to be killed for want of memory.
                set_oom_score(score);
                let _ = nix::sys::prctl::set_name(c"drover");
                let link = Arc::new(KeeperLink::new(theirs));
                let holds = Holds::new(link, keeper.held);
                return Ok(Kept { holds, crash, keeper: pid });
            }
            Ok(Some(master)) => {
                drop(theirs);
                if let Some(in_keeper) = in_keeper.take() {
                    in_keeper();
                    let _ = nix::sys::prctl::set_name(NAME);
                    set_oom_score(score.map(|score| (score - 100).max(-1000)));
                }
                crash = Some(keeper.keep(master, &ours));
            }
            // The first one is not there: nobody is a keeper.
            Err(error) if crash.is_none() => return Err(error),
            Err(error) => keeper.give_up(&format!("another master can't be started: {error}")),
        }
    }
}

/// What is heard of signals: all but those by which a terminal stops a whole group, and those that tell of a fault of the keeper itself.
fn heard() -> SigSet {
    let mut heard = SigSet::all();
    let own = [
        Number::SIGTSTP,
        Number::SIGTTIN,
        Number::SIGTTOU,
        Number::SIGCONT,
        Number::SIGSEGV,
        Number::SIGBUS,
        Number::SIGILL,
        Number::SIGFPE,
        Number::SIGTRAP,
        Number::SIGABRT,
        Number::SIGSYS,
    ];
    own.into_iter().for_each(|signal| heard.remove(signal));
    heard
}

struct Keeper {
    signals: SignalFd,
    held: HashMap<String, OwnedFd>,
    /// The end of the master is meant, and this is what the keeper exits with.
    leaves_with: Option<u8>,
    crashes: Crashes,
}

impl Keeper {
    /// Serves a master until it ends. Returns if it has crashed, and another one is to follow.
    fn keep(&mut self, master: i32, socket: &OwnedFd) -> MasterCrash {
        let status = self.serve(master, socket);
        // What it said last is read before it is taken for gone: a pipe that it had held would be closed.
        while self.hear(socket) {}
        // Reaped only now, so that no signal could have meant another process.
        let _ = ended_child_of(master, true);
        let is_crash = match status {
            ExitStatus::Code(code) => code == PANICKED,
            ExitStatus::Signal { .. } | ExitStatus::Taken => true,
        };
        if let Some(status) = self.leaves_with {
            std::process::exit(status.into());
        }
        if !is_crash || !self.held.keys().any(|name| name.starts_with(STATE)) {
            end_like(status);
        }
        let crash = MasterCrash { pid: master.unsigned_abs(), status };
        if self.crashes.is_too_many(now()) {
            let (count, within) = LIMIT;
            self.give_up(&format!(
                "the master crashed more than {count} times within {within:?}, and {crash}; everything is ended"
            ));
        }
        crash
    }

    /// Until the master has ended, which is not reaped yet.
    fn serve(&mut self, master: i32, socket: &OwnedFd) -> ExitStatus {
        let mut has_closed = false;
        loop {
            match ended_child_of(master, false) {
                Ok(Some((status, _))) => return status,
                Ok(None) => {}
                Err(_) => return ExitStatus::Taken,
            }
            reap_strangers(master);
            let flags = if has_closed { PollFlags::empty() } else { PollFlags::POLLIN };
            let mut ready =
                [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN), PollFd::new(socket.as_fd(), flags)];
            let polled = if has_closed { &mut ready[..1] } else { &mut ready[..] };
            match nix::poll::poll(polled, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                // ENOMEM: nothing can be done but to try again.
                Err(_) => std::thread::sleep(Duration::from_millis(LOOK_AGAIN_MS.into())),
            }
            let is_heard = ready[1].any().unwrap_or(false);
            while let Ok(Some(signal)) = self.signals.read_signal() {
                pass_on(&signal, master);
            }
            if is_heard && !has_closed {
                while self.hear(socket) {}
                // Its end of the connection alone does not mean that it is gone.
                has_closed = is_closed(socket);
            }
        }
    }

    /// Takes one message, if there is one.
    fn hear(&mut self, socket: &OwnedFd) -> bool {
        let mut buffer = [0; MAX_MESSAGE];
        let datagram = match receive(socket.as_fd(), &mut buffer) {
            Ok(datagram) if datagram.length > 0 => datagram,
            Ok(_) => return false,
            Err(error) => return error.kind() == io::ErrorKind::Interrupted,
        };
        match Request::decode(&buffer[..datagram.length]) {
            Some(Request::Hold { name }) => {
                if let Some(fd) = datagram.descriptors.into_iter().next() {
                    self.held.insert(name, fd);
                }
            }
            Some(Request::Drop { name }) => drop(self.held.remove(&name)),
            Some(Request::Look { pid }) => {
                let state = match ended_child_of(pid, false) {
                    Ok(Some((status, usage))) => ChildState::Ended(status, usage),
                    Ok(None) => ChildState::Lives,
                    Err(_) => ChildState::Unknown,
                };
                let answer = Answer { pid, state }.encode();
                // A master that does not read its answers does not get them: it asks a bounded number of questions at once.
                let _ = send(socket.as_raw_fd(), &answer, MsgFlags::MSG_NOSIGNAL);
            }
            Some(Request::Reap { pid }) => drop(ended_child_of(pid, true)),
            Some(Request::Notify { text }) => tell_service_manager(&text),
            Some(Request::Leave { status }) => self.leaves_with = Some(status),
            None => {}
        }
        true
    }

    /// Ends everything, and then itself.
    fn give_up(&mut self, why: &str) -> ! {
        tell(why);
        // Workers of the protocol learn by it that nobody comes back.
        self.held.clear();
        let workers: Vec<i32> = pids_in_cells().collect();
        let until = now() + END_WITHIN;
        let mut left = signal_all(&workers, Number::SIGTERM);
        while left > 0 && now() < until {
            let mut child = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            let _ = nix::poll::poll(&mut child, PollTimeout::from(LOOK_AGAIN_MS));
            while let Ok(Some(_)) = self.signals.read_signal() {}
            left = workers.iter().filter(|pid| matches!(ended_child_of(**pid, false), Ok(None))).count();
        }
        signal_all(&workers, Number::SIGKILL);
        std::process::exit(1);
    }
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
fn reap_strangers(master: i32) {
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
        if pid == master || pids_in_cells().any(|worker| worker == pid) {
            return;
        }
        let _ = ended_child_of(pid, true);
    }
}

/// Passes a signal on that was sent to the keeper. What a terminal sends, it sends to the master too.
fn pass_on(signal: &nix::sys::signalfd::siginfo, master: i32) {
    let number = signal.ssi_signo.cast_signed();
    let is_of_terminal = signal.ssi_code == libc::SI_KERNEL && number != libc::SIGHUP;
    if is_of_terminal || number == libc::SIGCHLD || number == libc::SIGPIPE {
        return;
    }
    if let Ok(master) = pidfd_open(master) {
        let _ = pidfd_signal(master.as_fd(), number);
    }
}

fn is_closed(socket: &OwnedFd) -> bool {
    let mut ready = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    let polled = nix::poll::poll(&mut ready, PollTimeout::ZERO);
    polled.is_ok() && ready[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
}

fn tell_service_manager(text: &[u8]) {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    let Some(path) = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else { return };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&path),
    };
    let socket = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
    if let (Ok(address), Ok(socket)) = (address, socket) {
        // Whoever set the variable and does not listen has no use for it.
        let _ = socket.send_to_addr(text, &address);
    }
}

/// Says something to people, unless nobody reads: the keeper waits for nobody.
fn tell(text: &str) {
    let stderr = io::stderr();
    let mut ready = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    let can_write = nix::poll::poll(&mut ready, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
    if can_write || stderr.is_terminal() {
        let _ = writeln!(stderr.lock(), "drover: {text}");
    }
}

/// Ends as the master did.
fn end_like(status: ExitStatus) -> ! {
    let code = match status {
        ExitStatus::Code(code) => code,
        ExitStatus::Signal { signal, .. } => {
            if let Ok(number) = Number::try_from(signal.number()) {
                let mut only = SigSet::empty();
                only.add(number);
                // The default of a signal that has ended the master ends this, too.
                let _ = nix::sys::signal::raise(number);
                let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&only), None);
            }
            128 + signal.number()
        }
        ExitStatus::Taken => 1,
    };
    std::process::exit(code)
}

fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default()
}

fn oom_score() -> Option<i32> {
    std::fs::read_to_string("/proc/self/oom_score_adj").ok()?.trim().parse().ok()
}

/// Lowering it takes a privilege (`CAP_SYS_RESOURCE`); without that the keeper is as likely to be killed as anybody.
fn set_oom_score(score: Option<i32>) {
    if let Some(score) = score {
        let _ = std::fs::write("/proc/self/oom_score_adj", score.to_string());
    }
}
