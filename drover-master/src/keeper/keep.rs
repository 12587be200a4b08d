//! A process that becomes a keeper, and the masters that it starts, one after the other.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::holds::Holds;
use super::kept::{Kept, MasterCrash};
use super::link::KeeperLink;
use super::process::{Keeper, Successor, release_memory};
use super::signals::{heard, pass_on};
use super::surroundings::{monotonic, oom_score, pause, set_oom_score};
use crate::nofile::raise_nofile;
use crate::process::{follow_files, remember_files};
use crate::sys::{restore_child_signal, share_pid_cells, split};

/// How long it may take until another master can be started. Less would end everything when memory or processes are scarce for a moment; more
/// would leave workers without a master for longer.
const SPLIT_WITHIN: Duration = Duration::from_secs(10);

/// The name of the process in lists of processes, and in the kernel's log.
const NAME: &std::ffi::CStr = c"drover-keeper";

/// Splits this process: the parent becomes the keeper and never returns; the child is the master, and so is each one that
/// follows a crash. `in_keeper` lets go of what only a master should have. The limit of open files is raised first, as by
/// [`raise_nofile`](crate::raise_nofile).
///
/// # Errors
///
/// What the kernel says; then there is one process, as before.
pub fn keep(in_keeper: impl FnOnce()) -> io::Result<Kept> {
    nix::sys::prctl::set_child_subreaper(true)?;
    // Ignored, children would be reaped by the kernel, and their ends lost.
    restore_child_signal();
    share_pid_cells(None)?;
    // It holds almost as many files as its master has open, which inherits this.
    raise_nofile()?;
    // By the names that they have now: a master that follows a crash may find them moved.
    remember_files();
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
    let mut keeper = Keeper::new(signals, before);
    let (mut crash, mut in_keeper) = (None, Some(in_keeper));
    let pid = std::process::id();
    let score = oom_score();
    // Of the next master: it is there before all other files that may be open are.
    let mut spare = pair()?;
    loop {
        let (ours, theirs) = spare;
        let missed = keeper.read_signals(false);
        match if crash.is_some() { split_patiently() } else { split() } {
            Ok(None) => {
                drop((ours, keeper.signals));
                // Only the keeper is the last to be killed for want of memory.
                set_oom_score(score);
                let _ = nix::sys::prctl::set_name(c"drover");
                if crash.is_some() {
                    follow_files();
                } else {
                    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
                }
                let link = Arc::new(KeeperLink::new(theirs));
                let holds = Holds::new(link, keeper.held, crash.map(|crash: MasterCrash| crash.at));
                return Ok(Kept { holds, crash, keeper: pid });
            }
            Ok(Some(master)) => {
                drop(theirs);
                if let Some(in_keeper) = in_keeper.take() {
                    in_keeper();
                    let _ = nix::sys::prctl::set_name(NAME);
                    set_oom_score(score.map(|score| (score - 100).max(-1000)));
                    // What it needs from here on is little.
                    release_memory();
                }
                missed.into_iter().for_each(|number| pass_on(number, master));
                spare = match pair() {
                    Ok(spare) => spare,
                    Err(error) => keeper.give_up(&format!("no other master could be started: {error}")),
                };
                let (mut master, mut socket) = (master, ours);
                crash = loop {
                    match keeper.keep(master, &socket) {
                        Successor::Another(crash) => break Some(crash),
                        Successor::Standby(pid, connection) => (master, socket) = (pid, connection),
                    }
                };
            }
            // The first one is not there: nobody is a keeper.
            Err(error) if crash.is_none() => return Err(error),
            Err(error) => keeper.give_up(&format!("another master can't be started: {error}")),
        }
    }
}

fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// The same for a master that follows a crash, perhaps for want of memory: there may be enough again in a moment.
fn split_patiently() -> io::Result<Option<i32>> {
    let until = monotonic() + SPLIT_WITHIN;
    loop {
        match split() {
            Err(_) if monotonic() < until => pause(),
            verdict => return verdict,
        }
    }
}
