//! The worker's process: started as a master starts it, with the protocol's variables and a socket to serve on. Its end is an
//! event, and nothing of it is left when it is over.

mod child;
mod exit;
pub(super) mod orphans;
mod printed;
mod program;

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::AcceptConn};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use child::Child;
use printed::Printed;

use crate::case::{Fault, failed};

pub(super) use exit::Exit;

/// The app's name: `DROVER_APP` of the worker.
pub(super) const APP: &str = "conform";

/// The name of the socket that is handed over.
const LISTENER: &str = "http";

/// Variables of a master above, or of a service manager, that are not meant for the worker.
const OF_OTHERS: [&str; 8] = [
    "DROVER_MASTER",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
];

/// Becomes the program that follows, with stdin as descriptor 3. `LISTEN_PID` has to name the process itself, which only that
/// knows: so a shell stands in its place until it is the program.
const HANDS_OVER: &str = "exec 3<&0 </dev/null; LISTEN_PID=$$; export LISTEN_PID; exec \"$@\"";

/// How many of the last lines that it printed are shown.
const SHOWN: usize = 15;

/// How long a killed process may take to be gone. One that can't be killed is the kernel's matter.
const KILLED: Duration = Duration::from_secs(20);

/// How often to look again whether the socket still listens, which no event tells.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A worker's process. Whoever is done with it awaits [`end`](Self::end).
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// The socket that it serves on. It stays open here, as it does in a master.
    socket: Option<(TcpListener, SocketAddr)>,
    printed: Printed,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts the command; with a socket if `has_listener`.
    pub(super) async fn start(
        command: &[OsString],
        has_listener: bool,
        socket: &Path,
        token: &str,
    ) -> Result<Self, Fault> {
        let (program, args) = command.split_first().ok_or_else(|| failed("there is no command"))?;
        if let Some(obstacle) = program::obstacle(program) {
            return Err(failed(format!("it could not be started: {obstacle}")));
        }
        let listener = has_listener.then(listen).transpose()?;
        let mut command = match &listener {
            Some((listener, _)) => with_listener(command, listener.try_clone().map_err(no_socket)?.into()),
            None => without_listener(program, args),
        };
        for name in OF_OTHERS {
            command.env_remove(name);
        }
        command
            .env("DROVER_SOCKET", socket)
            .env("DROVER_TOKEN", token)
            .env("DROVER_APP", APP)
            .env("DROVER_SLOT", "0")
            .env("DROVER_GENERATION", "1")
            .env("DROVER_WORKER_ID", "1")
            // Without a value it counts as absent, which every start checks.
            .env("DROVER_WATCHDOG_MS", "");
        if listener.is_some() {
            command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", LISTENER);
        }
        let started = Child::start(command).await;
        let (child, pipes) = started.map_err(|error| failed(format!("it could not be started: {error}")))?;
        let printed = Printed::default();
        let readers = pipes.map(|pipe| tokio::spawn(printed.clone().read(pipe, child.exit())));
        Ok(Self { child, socket: listener, printed, readers: readers.into() })
    }

    /// Waits for its end, and for all that it has printed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub(super) async fn ended(&mut self) -> Exit {
        while let Some(reader) = self.readers.last_mut() {
            let _ = reader.await;
            self.readers.pop();
        }
        let mut exit = self.child.exit();
        let exit = exit.wait_for(Option::is_some).await;
        exit.ok().and_then(|exit| *exit).expect("its thread tells the exit before it ends")
    }

    /// Whether its socket is shut down within this time.
    pub(super) async fn shuts_socket(&self, within: Duration) -> bool {
        let Some((listener, _)) = &self.socket else { return false };
        let until = Instant::now() + within;
        while getsockopt(listener, AcceptConn) != Ok(false) {
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        true
    }

    /// The process that was started; none once it is gone.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.exit().borrow().is_none().then_some(self.child.pid())
    }

    /// Where its socket listens.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.socket.as_ref().map(|(_, address)| *address)
    }

    /// Whether a line that it printed on either stream contains this.
    pub(super) fn has_printed(&self, text: &str) -> bool {
        self.printed.has(text)
    }

    /// The last lines it printed.
    pub(super) fn last_lines(&self) -> Vec<String> {
        self.printed.last(SHOWN)
    }

    /// Ends it by SIGKILL with all that it has started, and waits until that is gone.
    pub(super) async fn end(self) {
        let _ = tokio::time::timeout(KILLED, self.child.end()).await;
    }
}

fn listen() -> Result<(TcpListener, SocketAddr), Fault> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(no_socket)?;
    let address = listener.local_addr().map_err(no_socket)?;
    Ok((listener, address))
}

fn without_listener(program: &OsString, args: &[OsString]) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    command
}

fn with_listener(command: &[OsString], listener: OwnedFd) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", HANDS_OVER, "sh"]).args(command).stdin(listener);
    shell
}

fn no_socket(error: std::io::Error) -> Fault {
    failed(format!("a socket to serve on can't be made: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn started(script: &str) -> Process {
        let command: Vec<OsString> = ["sh", "-c", script].map(OsString::from).into();
        Process::start(&command, true, Path::new("/nowhere"), "secret").await.unwrap()
    }

    async fn exit_of(process: &mut Process) -> Exit {
        tokio::time::timeout(Duration::from_secs(60), process.ended()).await.unwrap()
    }

    #[tokio::test]
    async fn a_worker_is_handed_its_socket_as_descriptor_three_and_knows_that_it_is_for_it() {
        let script =
            "echo $LISTEN_PID $$ $LISTEN_FDS $LISTEN_FDNAMES; readlink /proc/$$/fd/0 /proc/$$/fd/3; exit 5";
        let mut process = started(script).await;
        assert_eq!(exit_of(&mut process).await, Exit::Code(5));
        let lines = process.last_lines();
        let words: Vec<&str> = lines[0].split(' ').collect();
        assert_eq!((words[0], &words[2..]), (words[1], &["1", "http"][..]), "{lines:?}");
        assert_eq!(lines[1], "/dev/null");
        assert!(lines[2].starts_with("socket:["), "{lines:?}");
        process.end().await;
    }

    #[tokio::test]
    async fn a_socket_that_listens_is_not_shut() {
        let process = started("exec sleep 1000").await;
        assert!(!process.shuts_socket(Duration::ZERO).await);
        assert!(process.pid().is_some());
        process.end().await;
    }
}
