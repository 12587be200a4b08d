//! A child process with a process group of its own. One thread makes it, waits for its end and reaps it: each of these may block.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{self, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::sync::{oneshot, watch};

use super::exit::Exit;

/// Kills its own process group once stdin ends, which it does with this process, even by SIGKILL. Whoever tests a worker that hangs
/// is not to find it still there.
const GUARD: &str = "read -r _; kill -KILL 0";

/// A child that was started. Dropped, it is killed with its group.
#[derive(Debug)]
pub(super) struct Child {
    pid: u32,
    group: Group,
    /// The exit, once there is one. Closed when nothing is left of the group that this process could reap.
    exit: watch::Receiver<Option<Exit>>,
}

/// What a child prints: its stdout and its stderr.
pub(super) type Pipes = [OwnedFd; 2];

/// The number of the child's process group, for as long as it is the child's: the kernel may give it to somebody else once its
/// leader is reaped.
#[derive(Debug, Clone, Default)]
struct Group(Arc<Mutex<Option<Pid>>>);

impl Child {
    /// Starts the command in a process group of its own, with pipes for what it prints.
    pub(super) async fn start(command: Command) -> io::Result<(Self, Pipes)> {
        let group = Group::default();
        let (started, is_started) = oneshot::channel();
        let (ended, exit) = watch::channel(None);
        let own = group.clone();
        thread::Builder::new()
            .name("conform-child".to_owned())
            .spawn(move || live(command, &own, started, &ended))?;
        let ended_early = || io::Error::other("the thread that starts it has ended");
        let (pid, pipes) = is_started.await.map_err(|_| ended_early())??;
        Ok((Self { pid, group, exit }, pipes))
    }

    /// Its process id. That of another process once it has ended.
    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    /// Its exit, as it comes.
    pub(super) fn exit(&self) -> watch::Receiver<Option<Exit>> {
        self.exit.clone()
    }

    /// Kills it with its group, and waits until they are reaped.
    pub(super) async fn end(mut self) {
        self.group.kill();
        while self.exit.changed().await.is_ok() {}
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.group.kill();
    }
}

impl Group {
    fn lock(&self) -> MutexGuard<'_, Option<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self) {
        if let Some(group) = *self.lock() {
            // All of it may be zombies already.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// The whole life of a child, on a thread of its own.
fn live(
    command: Command,
    group: &Group,
    started: oneshot::Sender<io::Result<(u32, Pipes)>>,
    ended: &watch::Sender<Option<Exit>>,
) {
    // Before the child, which then never lives without it: this process may be killed at any moment.
    let guard = guard();
    let (child, begun) = match spawn(command, guard.as_ref()) {
        Ok((pid, pipes)) => (Pid::from_raw(pid.cast_signed()), Ok((pid, pipes))),
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    let leader = guard.as_ref().map_or(child, Guard::pid);
    *group.lock() = Some(leader);
    if started.send(begun).is_err() {
        group.kill();
    }
    // It stays a zombie, and its number its own, until all that is left of its group is killed.
    let exit = loop {
        match waitid(Id::Pid(child), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Err(Errno::EINTR) => {}
            waited => break Exit::of(waited),
        }
    };
    group.kill();
    *group.lock() = None;
    ended.send_replace(Some(exit));
    drop(guard);
    while waitid(Id::Pid(child), WaitPidFlag::WEXITED) == Err(Errno::EINTR) {}
    // With them those of its group that it left behind: they have become children of this process, the subreaper.
    while waitid(Id::PGid(leader), WaitPidFlag::WEXITED) != Err(Errno::ECHILD) {}
}

fn spawn(mut command: Command, guard: Option<&Guard>) -> io::Result<(u32, Pipes)> {
    command.process_group(guard.map_or(0, |guard| guard.pid().as_raw()));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().expect("it was asked for").into();
    let stderr = child.stderr.take().expect("it was asked for").into();
    Ok((child.id(), [stdout, stderr]))
}

/// A process that outlives this one for a moment, to kill a group, which it leads.
struct Guard(process::Child);

/// Makes a group that is guarded. Without a shell nobody does, and all else works.
fn guard() -> Option<Guard> {
    let mut shell = Command::new("sh");
    shell.args(["-c", GUARD]).stdin(Stdio::piped());
    // In a group of its own Ctrl-C does not reach it.
    shell.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().ok().map(Guard)
}

impl Guard {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().cast_signed())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Before its stdin ends.
        let _ = self.0.kill();
        while waitid(Id::Pid(self.pid()), WaitPidFlag::WEXITED) == Err(Errno::EINTR) {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        command
    }

    async fn exit_of(child: &Child) -> Exit {
        let mut exit = child.exit();
        let exit = tokio::time::timeout(PATIENCE, exit.wait_for(Option::is_some)).await.unwrap().unwrap();
        exit.unwrap()
    }

    #[tokio::test]
    async fn its_end_is_told_and_its_zombie_reaped() {
        let (child, _pipes) = Child::start(shell("exit 7")).await.unwrap();
        assert_eq!(exit_of(&child).await, Exit::Code(7));
        let pid = child.pid();
        tokio::time::timeout(PATIENCE, child.end()).await.unwrap();
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }

    #[tokio::test]
    async fn killed_it_goes_with_its_group() {
        let (child, [stdout, _stderr]) = Child::start(shell("sleep 1000 & echo $!; wait")).await.unwrap();
        let mut line = String::new();
        let stdout = std::fs::File::from(stdout);
        io::BufRead::read_line(&mut io::BufReader::new(&stdout), &mut line).unwrap();
        tokio::time::timeout(PATIENCE, child.end()).await.unwrap();
        // The pipe is closed once the last of them is gone.
        let rest = tokio::task::spawn_blocking(move || io::read_to_string(stdout).unwrap());
        assert_eq!(tokio::time::timeout(PATIENCE, rest).await.unwrap().unwrap(), "");
        assert!(line.trim().parse::<u32>().is_ok(), "{line}");
    }

    #[tokio::test]
    async fn a_program_that_does_not_exist_is_an_error() {
        let error = Child::start(Command::new("/nowhere/at/all")).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
