//! Where a case is played: a socket in a private directory, and one worker after the other on it.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use drover_proto::latest::{Hello, Welcome};
use tokio::net::UnixListener;

use super::deadlines::AMPLE;
use super::process::{Exit, Process};
use super::said::{reply, welcome};
use super::tested::Worker;
use crate::case::{self, Fault, failed};
use crate::peer::Peer;
use crate::runner;
use crate::transcript::Log;

/// What holds for every case.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The worker's command: the program, then its arguments.
    pub command: Vec<OsString>,
    /// How long the first start may take to connect, and then to be ready: it may install something.
    /// Default: 5 minutes.
    pub first_start: Duration,
    /// The same of every later start. Default: 10 s. Shorter blames a worker for a busy machine; longer holds up a run whose
    /// worker does not start.
    pub start: Duration,
    /// Whether to hand it a socket to serve on. Default: yes; without one, the cases about clients are skipped.
    pub has_listener: bool,
    /// Where mutations begin: the same seed makes the same ones. Default: 0.
    pub seed: u64,
    /// How many mutated frames to send. Default: 50.
    pub mutations: u32,
}

impl Settings {
    /// The defaults, for the worker of this command.
    pub fn new(command: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            first_start: Duration::from_secs(5 * 60),
            start: Duration::from_secs(10),
            has_listener: true,
            seed: 0,
            mutations: 50,
        }
    }
}

/// A case that is played against a worker.
pub(super) type WorkerCase = case::Case<WorkerStage>;

/// Where one case is played.
#[derive(Debug)]
pub(super) struct WorkerStage {
    pub(super) settings: Settings,
    /// What the worker names in its Hello, as its first start told.
    pub(super) capabilities: Vec<String>,
    pub(super) log: Log,
    start_timeout: Duration,
    socket: PathBuf,
    listener: Option<UnixListener>,
    token: String,
    worker: Option<Worker>,
    /// Whether the worker has followed a lost connection by another.
    has_come_back: bool,
}

impl WorkerStage {
    /// A stage whose socket is `name` in this directory.
    pub(super) fn new(
        settings: Settings,
        directory: &std::path::Path,
        name: &str,
        start_timeout: Duration,
    ) -> Result<Self, Fault> {
        let socket = directory.join(format!("{name}.sock"));
        // As a master's: nothing to be guessed, and the same for no two of them.
        let token = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let mut stage = Self {
            settings,
            capabilities: Vec::new(),
            log: Log::new(),
            start_timeout,
            socket,
            listener: None,
            token,
            worker: None,
            has_come_back: false,
        };
        stage.listen()?;
        Ok(stage)
    }

    fn listen(&mut self) -> Result<(), Fault> {
        if self.listener.is_none() {
            let listener = UnixListener::bind(&self.socket).map_err(|error| {
                failed(format!("the socket {} can't be made: {error}", self.socket.display()))
            })?;
            self.listener = Some(listener);
        }
        Ok(())
    }

    /// Nobody listens any more: a worker that would come back finds no master.
    pub(super) fn close_socket(&mut self) {
        if self.listener.take().is_some() {
            let _ = fs::remove_file(&self.socket);
        }
    }

    /// The token of its workers.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Starts a worker and waits until it has connected. The one before is ended.
    pub(super) async fn connected(&mut self) -> Result<&mut Worker, Fault> {
        self.clear().await;
        // One that has come back for nothing may wait at the old one.
        self.close_socket();
        self.listen()?;
        let listener = self.listener.as_ref().expect("it was made just now");
        let mut process =
            Process::start(&self.settings.command, self.settings.has_listener, &self.socket, &self.token)
                .await?;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted
                .map(|(stream, _)| stream)
                .map_err(|error| failed(format!("a connection can't be taken: {error}"))),
            exit = process.ended() => Err(failed(format!(
                "it {exit}, and had not connected to DROVER_SOCKET, which was expected first"
            ))),
            () = tokio::time::sleep(self.start_timeout) => {
                Err(failed(format!(
                    "it did not connect to DROVER_SOCKET, which was expected within {:?}",
                    self.start_timeout
                )))
            }
        };
        match accepted {
            Ok(stream) => {
                let peer = Peer::new(stream, self.log.clone());
                let worker = Worker::new(process, peer, self.log.clone(), self.start_timeout);
                Ok(self.worker.insert(worker))
            }
            Err(fault) => {
                self.note(&process);
                process.end().await;
                Err(fault)
            }
        }
    }

    /// A worker that has said Hello.
    pub(super) async fn introduced(&mut self) -> Result<(&mut Worker, Hello), Fault> {
        let worker = self.connected().await?;
        let hello = worker.peer.next::<Hello>("Hello").await?;
        match hello {
            Some(hello) => {
                worker.pid = hello.pid;
                Ok((worker, hello))
            }
            None => Err(failed("it closed the connection; its Hello was expected")),
        }
    }

    /// A worker that has been welcomed.
    pub(super) async fn welcomed(&mut self) -> Result<&mut Worker, Fault> {
        self.welcomed_by(welcome()).await
    }

    /// A worker that has been welcomed with these words.
    pub(super) async fn welcomed_by(&mut self, welcome: Welcome) -> Result<&mut Worker, Fault> {
        let (worker, _) = self.introduced().await?;
        worker.peer.send(&reply(welcome)).await?;
        Ok(worker)
    }

    /// A worker that has said that it is ready.
    pub(super) async fn started(&mut self) -> Result<&mut Worker, Fault> {
        self.started_by(welcome()).await
    }

    /// A worker that has been welcomed with these words, and said that it is ready.
    pub(super) async fn started_by(&mut self, welcome: Welcome) -> Result<&mut Worker, Fault> {
        let worker = self.welcomed_by(welcome).await?;
        worker.becomes_ready().await?;
        Ok(worker)
    }

    /// The connection is lost, and a successor of the master welcomes the worker with these words. Skipped for one that takes it for its
    /// master's death.
    pub(super) async fn comes_back(&mut self, welcome: Welcome) -> Result<&mut Worker, Fault> {
        self.worker()?.peer.hang_up()?;
        let mut peer = self.next_connection(AMPLE).await?;
        self.is_the_same(peer.next::<Hello>("Hello").await?)?;
        peer.send(&reply(welcome)).await?;
        self.has_come_back = true;
        let worker = self.worker()?;
        worker.peer = peer;
        Ok(worker)
    }

    /// Whether the worker says on a new connection who it is.
    pub(super) fn is_the_same(&self, hello: Option<Hello>) -> Result<(), Fault> {
        match hello {
            None => Err(failed("it closed its new connection; its Hello was expected")),
            Some(hello) if hello.token != self.token => {
                Err(failed("the Hello on its new connection has another token; the same was expected"))
            }
            Some(_) => Ok(()),
        }
    }

    /// Waits until the worker has connected again.
    pub(super) async fn next_connection(&mut self, time: Duration) -> Result<Peer, Fault> {
        let exit = match self.connection_or_end(time).await? {
            Ok(peer) => return Ok(peer),
            Err(exit) => exit,
        };
        Err(match exit {
            Exit::Code(_) if !self.has_come_back => Fault::Skipped(format!(
                "the worker {exit}: it takes the end of its connection for the end of its master, as it may"
            )),
            exit => failed(format!("it {exit}; that it connects again was expected")),
        })
    }

    /// Waits until the worker has connected again, or has ended.
    pub(super) async fn connection_or_end(&mut self, time: Duration) -> Result<Result<Peer, Exit>, Fault> {
        let (Some(listener), Some(worker)) = (&self.listener, &mut self.worker) else {
            return Err(failed("it is gone; a worker that stays was expected"));
        };
        tokio::select! {
            biased;
            accepted = listener.accept() => accepted
                .map(|(stream, _)| Ok(Peer::new(stream, self.log.clone())))
                .map_err(|error| failed(format!("a connection can't be taken: {error}"))),
            exit = worker.process.ended() => Ok(Err(exit)),
            () = tokio::time::sleep(time) => Err(failed(format!(
                "it runs on and has not connected again, which was expected within {time:?}"
            ))),
        }
    }

    /// Takes the worker that is on the stage.
    pub(super) fn worker(&mut self) -> Result<&mut Worker, Fault> {
        self.worker.as_mut().ok_or_else(|| failed("it is gone; a worker that stays was expected"))
    }

    /// Ends the worker, if there is one.
    pub(super) async fn clear(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.process.end().await;
        }
    }

    fn note(&self, process: &Process) {
        for line in process.last_lines() {
            self.log.remark(&format!("it printed: {line}"));
        }
    }
}

impl runner::Stage for WorkerStage {
    fn log(&self) -> &Log {
        &self.log
    }

    fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known == capability)
    }

    fn printed(&self) -> Vec<String> {
        self.worker.as_ref().map_or_else(Vec::new, |worker| worker.process.last_lines())
    }

    async fn close(mut self) {
        self.clear().await;
    }
}

impl Drop for WorkerStage {
    fn drop(&mut self) {
        self.close_socket();
    }
}
