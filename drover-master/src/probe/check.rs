//! A program that tells by its exit code whether the worker is ready.
//!
//! Its process is owned by a task of its own, which ends it and reaps it even if who asked does not wait any more.

use crate::signal::Signal;
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use crate::config::{Command, Line, Output, OutputSink};
use crate::ids::SlotIndex;
use crate::machine::exit::ExitStatus;
use crate::process::{
    KeptSpawn, NotifyBy, OutputReader, SpawnFailure, SpawnRequest, Spawned, Stamp, Tail, spawn, until_gone,
};

/// How long to wait for the last output after an exit. Usually it is there at once; a grandchild may hold the pipe open for
/// ever.
const LAST_OUTPUT: Duration = Duration::from_millis(100);

/// What the worker that is asked about runs in.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub app: Arc<str>,
    pub slot: SlotIndex,
    /// The worker's own command: its user, directory, limits and environment are the check's.
    pub command: Command,
    /// The words of the master.
    pub words: Vec<(&'static str, OsString)>,
    /// A permit is held as long as there is a process of a check; closed when the worker is dead.
    pub turn: Arc<Semaphore>,
}

impl Surroundings {
    /// Runs the program once; otherwise tells why it did not pass, as what follows the program's name.
    pub(super) async fn check(
        &self,
        program: &OsStr,
        args: &[OsString],
        within: Duration,
    ) -> Result<(), String> {
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else {
            return Err("was not asked: the worker has ended".to_owned());
        };
        let mut command = self.command.clone();
        (command.program, command.args) = (program.to_owned(), args.to_vec());
        // What it prints last is why the worker is not ready.
        let last = Arc::new(LastLine::default());
        let (made, news) = oneshot::channel();
        let request = SpawnRequest {
            app: Arc::clone(&self.app),
            command,
            output: Output::Sink(Arc::clone(&last) as Arc<dyn OutputSink>),
            words: self.words.clone(),
            sockets: Vec::new(),
            stdin: Default::default(),
            notify: NotifyBy::default(),
            parent_death_signal: Some(libc::SIGKILL),
            stamp: Stamp::draw(),
            kept: KeptSpawn::default(),
            // Whom nobody waits for is dropped, and so killed.
            done: Box::new(move |result| drop(made.send(result))),
        };
        spawn(request).map_err(not_made)?;
        let reader = OutputReader {
            app: Arc::clone(&self.app),
            slot: self.slot,
            output: Output::Sink(Arc::clone(&last) as Arc<dyn OutputSink>),
            log: None,
            sinks: None,
            tail: Arc::default(),
            awaited: Weak::new(),
            transit: None,
        };
        // Dropped with this future.
        let (asker, gone) = oneshot::channel::<Infallible>();
        let ending = tokio::spawn(until_ended(news, reader, within, gone, turn));
        let verdict = ending.await;
        drop(asker);
        let fault = match verdict {
            Ok(Ok(ExitStatus::Code(0))) => return Ok(()),
            Ok(Ok(ExitStatus::Code(code))) => format!("exited with code {code}"),
            Ok(Ok(ExitStatus::Signal { signal, .. })) => format!("was ended by {signal}"),
            Ok(Ok(ExitStatus::Taken)) => {
                "ended, but another part of this program took its exit status".to_owned()
            }
            Ok(Err(Unended::NotMade(failure))) => return Err(not_made(failure)),
            Ok(Err(Unended::TooLong)) => format!("took longer than {within:?}"),
            // The runtime is going.
            Err(_) => "can't be waited for".to_owned(),
        };
        Err(match last.text() {
            Some(said) => format!("{fault}: {said}"),
            None => fault,
        })
    }
}

/// Why there is no exit of its own.
enum Unended {
    NotMade(SpawnFailure),
    TooLong,
}

/// Sees a process to its end. Nothing of its group is left when this resolves.
async fn until_ended(
    news: oneshot::Receiver<Result<Spawned, SpawnFailure>>,
    reader: OutputReader,
    within: Duration,
    gone: oneshot::Receiver<Infallible>,
    _turn: OwnedSemaphorePermit,
) -> Result<ExitStatus, Unended> {
    // The thread that makes processes answers in bounded time.
    let Ok(made) = news.await else { return Err(Unended::TooLong) };
    let Spawned { tree, stdout, stderr, .. } = made.map_err(Unended::NotMade)?;
    let tree = Arc::new(tree);
    let mut reading = tokio::spawn(reader.run(stdout, stderr));
    let mut death = pin!(crate::process::until_ended(&tree));
    let in_time = tokio::select! {
        death = &mut death => Some(death),
        () = sleep(within) => None,
        _ = gone => None,
    };
    let (death, is_own) = match in_time {
        Some(death) => (death, true),
        None => {
            if let Err(error) = tree.signal(Signal::KILL) {
                tracing::error!(target: "drover::process", %error, pid = tree.pid(), "can't end the program of a probe");
            }
            (death.await, false)
        }
    };
    until_gone(&tree).await;
    let _ = timeout(LAST_OUTPUT, &mut reading).await;
    reading.abort();
    if is_own { Ok(death.0) } else { Err(Unended::TooLong) }
}

fn not_made(failure: SpawnFailure) -> String {
    format!("could not be run: {}", failure.sentence)
}

/// Keeps the last line that is not blank, from either stream.
#[derive(Debug, Default)]
struct LastLine(Tail);

impl LastLine {
    fn text(&self) -> Option<String> {
        self.0.lines().pop()
    }
}

impl OutputSink for LastLine {
    fn take<'a>(&'a self, line: Line<'a>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let said = line.bytes.trim_ascii();
        if !said.is_empty() {
            self.0.feed(said);
            self.0.feed(b"\n");
        }
        Box::pin(ready(()))
    }
}

#[cfg(test)]
impl Surroundings {
    pub(super) fn of(app: &str, command: Command) -> Self {
        Self {
            app: app.into(),
            slot: SlotIndex(0),
            command,
            words: Vec::new(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Prober;
    use super::*;
    use crate::config::Probe;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> Probe {
        Probe { timeout: PATIENCE, ..Probe::exec("/bin/sh", ["-c", script]) }
    }

    fn surroundings() -> Surroundings {
        Surroundings {
            words: vec![("DROVER_PID", "4711".into())],
            ..Surroundings::of("app", Command::new("/no/such/worker").env("OWN", "own"))
        }
    }

    async fn asked(probe: Probe) -> Result<(), String> {
        let news = timeout(PATIENCE, async { Prober::new(probe, surroundings(), None).until_news().await });
        news.await.expect("it is asked").map_err(|reason| reason.to_string())
    }

    #[tokio::test]
    async fn code_0_passes_and_all_else_is_told_with_the_last_line_it_printed() {
        for (script, verdict) in [
            ("exit 0", Ok(())),
            ("[ $DROVER_PID$OWN = 4711own ]", Ok(())),
            ("exit 3", Err("/bin/sh exited with code 3")),
            (
                "echo one; echo 'no tables yet'; echo; exit 1",
                Err("/bin/sh exited with code 1: no tables yet"),
            ),
            ("printf 'no line' >&2; exit 1", Err("/bin/sh exited with code 1: no line")),
            ("kill -SEGV $$", Err("/bin/sh was ended by SIGSEGV")),
        ] {
            assert_eq!(asked(shell(script)).await, verdict.map_err(str::to_owned), "{script}");
        }
        let never: [&str; 0] = [];
        let error = asked(Probe::exec("/no/such/check", never)).await.unwrap_err();
        assert!(error.starts_with("/no/such/check could not be run: "), "{error}");
    }

    /// A script that tells its pid and that of its child, and then waits for ever.
    fn hanging(told: &std::path::Path) -> String {
        format!("sleep 300 & echo $$ $! > {0}.new; mv {0}.new {0}; wait", told.display())
    }

    fn is_running(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_killed_with_its_group() {
        let dir = tempfile::tempdir().unwrap();
        let told = dir.path().join("pids");
        let probe = Probe { timeout: Duration::from_secs(2), ..shell(&hanging(&told)) };
        assert_eq!(asked(probe).await, Err("/bin/sh took longer than 2s".to_owned()));
        let pids = std::fs::read_to_string(told).unwrap();
        assert_eq!(pids.split_whitespace().map(is_running).collect::<Vec<_>>(), [false, false]);
    }

    #[tokio::test]
    async fn one_that_nobody_waits_for_any_more_is_killed_before_its_turn_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let told = dir.path().join("pids");
        let around = surroundings();
        let turn = Arc::clone(&around.turn);
        let mut asker = Prober::new(shell(&hanging(&told)), around, None);
        let begun = async {
            while !told.exists() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = asker.until_news() => panic!("it hangs"),
            () = async { timeout(PATIENCE, begun).await.expect("it begins") } => {}
        }
        drop(asker);
        let _over = timeout(PATIENCE, turn.acquire()).await.expect("its turn ends").unwrap();
        let pids = std::fs::read_to_string(told).unwrap();
        assert_eq!(pids.split_whitespace().map(is_running).collect::<Vec<_>>(), [false, false]);
    }
}
