//! `drover up -d`: the master in the background.
//!
//! It is this program again, as a process of its own session. Its stdin is at first a socket to the one that starts it, on
//! which it [says](crate::output::said) how the start goes; its stdout and stderr are the log. A fork without an exec would
//! carry the runtime of this process over.

mod child;
mod log;

pub(super) use child::become_master;

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use drover_master::control::goes_with_login;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};

use self::log::Log;
use super::interrupt::Interrupt;
use super::{deadline, patience, serve, wait};
use crate::args::{Global, UpArgs};
use crate::exit_status::ExitStatus;
use crate::output::message;
use crate::output::start_report::StartReport;

/// How long the process of a master that has said its last may take to be gone.
const GONE: Duration = Duration::from_secs(1);

/// How often it is looked for: a child can't be awaited without reaping the children of others.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Starts the master of this name, and waits for what was asked for. `text`: the configuration, where it was read from what can't be
/// read again.
pub(super) async fn run(global: &Global, args: &UpArgs, name: String, text: Option<String>) -> ExitStatus {
    let socket = match serve::lasting_path(global, name).to_serve() {
        Ok(socket) => socket,
        Err(error) => {
            message::error(&error);
            return ExitStatus::Failed;
        }
    };
    let path = args.log.clone().unwrap_or_else(|| socket.with_extension("log"));
    let started = Log::open(&path).and_then(|log| Ok((spawn(global, args, &log, text)?, log)));
    let ((child, listener), log) = match started {
        Ok(started) => started,
        Err(error) => {
            message::error_text(&format!(
                "the master can't be started with its log `{}`: {error}",
                path.display()
            ));
            return ExitStatus::Failed;
        }
    };
    let mut interrupt = Interrupt::new();
    let mut master = Background { child, says: BufReader::new(listener).lines(), log, kept_at: None };
    tokio::select! {
        status = master.follow(global, args.no_wait) => status,
        () = patience::tell_of(global, &socket, |_| true) => ExitStatus::Done,
        () = deadline::passed(args.timeout) => {
            let limit = args.timeout.unwrap_or_default();
            message::error_text(&format!("not ready within {limit:?}; the start continues"));
            ExitStatus::TimedOut
        }
        () = interrupt.pressed() => {
            message::note("interrupted; the start continues");
            ExitStatus::Interrupted
        }
    }
}

fn spawn(
    global: &Global,
    args: &UpArgs,
    log: &Log,
    text: Option<String>,
) -> io::Result<(Child, tokio::net::UnixStream)> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let child = Command::new(std::env::current_exe()?)
        .args(child::arguments(global, args, text.is_some()))
        // It is not one of the processes of a master above that end with that one.
        .env_remove("DROVER_MASTER")
        // Sockets that a service manager keeps could not be handed to it.
        .env_remove("FDSTORE")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(log.to_stdio()?)
        .stderr(log.to_stdio()?)
        .spawn()?;
    // It reads this before it does anything else. One that has died already says so by its end.
    if let Some(text) = text {
        let _ = ours.write_all(text.as_bytes());
    }
    ours.shutdown(Shutdown::Write)?;
    ours.set_nonblocking(true)?;
    Ok((child, tokio::net::UnixStream::from_std(ours)?))
}

/// A master that was started, and what is heard of it.
struct Background {
    child: Child,
    says: Lines<BufReader<tokio::net::UnixStream>>,
    log: Log,
    /// Where it answers, if it has a keeper.
    kept_at: Option<PathBuf>,
}

impl Background {
    async fn follow(&mut self, global: &Global, only_served: bool) -> ExitStatus {
        loop {
            // A line that can't be read is the end of what is heard: the master died while it wrote it.
            let line = self.says.next_line().await.ok().flatten();
            match line.and_then(|line| serde_json::from_str(&line).ok()) {
                Some(StartReport::Serves { socket, is_kept }) => {
                    self.tell_where(global, &socket, is_kept);
                    if only_served {
                        return ExitStatus::Done;
                    }
                    self.kept_at = is_kept.then_some(socket);
                }
                Some(StartReport::Ready) => {
                    if !global.quiet {
                        message::note("every app is ready");
                    }
                    return ExitStatus::Done;
                }
                Some(StartReport::Error(text)) => message::error_text(&text),
                Some(StartReport::LastWords(lines)) => message::last_words(&lines),
                Some(StartReport::Plain(text)) => message::plain(&text),
                Some(StartReport::Ended(code)) => return self.ended(code).await,
                None => return self.died(global).await,
            }
        }
    }

    fn tell_where(&self, global: &Global, socket: &Path, is_kept: bool) {
        if !global.quiet {
            // The one that can be signalled.
            let what = if is_kept { "keeper" } else { "master" };
            message::note(&format!("{what} pid {}", self.child.id()));
            message::note(&format!("control socket {}", socket.display()));
            message::note(&format!("log {}", self.log.path().display()));
            if goes_with_login(socket) {
                message::note(
                    "the end of your last login removes both; choose another place with -s and --log, or keep the login's \
                     directory (`loginctl enable-linger`)",
                );
            }
        }
    }

    /// It ended, and has said why.
    async fn ended(&mut self, code: u8) -> ExitStatus {
        // Whoever tries again finds the socket free.
        self.gone().await;
        match ExitStatus::of_code(code) {
            ExitStatus::Done => {
                message::error_text("the master was ended before every app was ready");
                ExitStatus::Failed
            }
            status => status,
        }
    }

    /// It ended without a word. Below a keeper that is still there another one goes on, which can only be asked.
    async fn died(&mut self, global: &Global) -> ExitStatus {
        let how = match (self.gone().await, self.kept_at.take()) {
            (Some(how), _) => format!(", {how}"),
            (None, Some(socket)) => {
                if !global.quiet {
                    message::note("the master crashed, and another one goes on with the start");
                }
                return self.follow_next(global, socket).await;
            }
            (None, None) => String::new(),
        };
        message::error_text(&format!("the master died before every app was ready{how}"));
        let (path, lines) = (self.log.path().display(), self.log.last_lines());
        if lines.is_empty() {
            message::plain(&format!("its log {path} is empty"));
        } else {
            message::plain(&format!("the last lines of its log {path}:"));
            lines.iter().for_each(|line| message::plain(&format!("  {line}")));
        }
        ExitStatus::Failed
    }

    async fn follow_next(&mut self, global: &Global, socket: PathBuf) -> ExitStatus {
        global.located.get_or_init(|| socket);
        match wait::until_all_ready(global).await {
            Ok(()) => {
                if !global.quiet {
                    message::note("every app is ready");
                }
                ExitStatus::Done
            }
            Err(_) => ExitStatus::Failed,
        }
    }

    /// Waits until the process is gone, but not for long: how it ended is no more than a help.
    async fn gone(&mut self) -> Option<std::process::ExitStatus> {
        let look = async {
            loop {
                match self.child.try_wait() {
                    Ok(None) => tokio::time::sleep(LOOK_AGAIN).await,
                    Ok(Some(status)) => return Some(status),
                    Err(_) => return None,
                }
            }
        };
        tokio::time::timeout(GONE, look).await.ok().flatten()
    }
}

/// A path as it is wherever it is read.
fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
