//! Where a case is played: an app of stand-ins under a running master, one of which the case speaks for.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use drover_proto::latest::{
    AppStatus, Hello, HelloReply, OperateRequest, Operation, Phase, Started, Welcome, WorkerFrame,
    WorkerStatus, hello_reply, worker_frame::Body,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::UnixStream;

use super::control::Control;
use crate::case::{self, Fault, failed};
use crate::peer::Peer;
use crate::runner;
use crate::transcript::Log;

/// How long a master may take to start or end a process. The start of a failed app waits for its pause.
const PROCESS: Duration = Duration::from_secs(20);

/// How often is looked again at what no event tells.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// `SIGUSR1` in the mask of caught signals (proc_pid_status(5)).
const CATCHES_HOLD: u64 = 1 << (Signal::SIGUSR1 as u64 - 1);

/// A case that is played against a master.
pub(super) type MasterCase = case::Case<MasterStage>;

/// Where one case is played.
#[derive(Debug)]
pub(super) struct MasterStage {
    control: PathBuf,
    app: String,
    pub(super) log: Log,
    pub(super) seed: u64,
    pub(super) mutations: u32,
    held: Option<StandIn>,
}

/// A process of the app, for which the case speaks.
#[derive(Debug, Clone)]
pub(super) struct StandIn {
    pub(super) pid: u32,
    pub(super) id: u64,
    /// The environment that it was started with.
    pub(super) variables: BTreeMap<String, String>,
}

impl StandIn {
    pub(super) fn variable(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }
}

impl MasterStage {
    pub(super) fn new(control: PathBuf, app: String, seed: u64, mutations: u32) -> Self {
        Self { control, app, log: Log::new(), seed, mutations, held: None }
    }

    /// Has the app running anew, and one of its processes held still. It speaks to nobody yet.
    pub(super) async fn held(&mut self) -> Result<StandIn, Fault> {
        self.clear().await?;
        self.operate(Operation::Start).await?;
        let stand_in = within("the master started no stand-in", async {
            loop {
                if let Some(stand_in) = self.statuses().await?.into_iter().find_map(|row| waiting(&row)) {
                    return Ok(stand_in);
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
        .await?;
        signal(stand_in.pid, Signal::SIGUSR1);
        self.log.remark(&format!("process {} stands in as worker {}", stand_in.pid, stand_in.id));
        self.held = Some(stand_in.clone());
        Ok(stand_in)
    }

    /// A connection of the stand-in on which nothing was said.
    pub(super) async fn connected(&mut self) -> Result<(Peer, StandIn), Fault> {
        let stand_in = self.held().await?;
        Ok((self.connect(&stand_in).await?, stand_in))
    }

    /// One more connection.
    pub(super) async fn connect(&self, stand_in: &StandIn) -> Result<Peer, Fault> {
        let socket = stand_in.variable("DROVER_SOCKET");
        match UnixStream::connect(socket).await {
            Ok(stream) => Ok(Peer::new(stream, self.log.clone())),
            Err(error) => Err(failed(format!(
                "DROVER_SOCKET, `{socket}`, can't be connected to: {error}; a master that listens was expected"
            ))),
        }
    }

    /// A worker that was welcomed.
    pub(super) async fn welcomed(&mut self) -> Result<(Peer, StandIn, Welcome), Fault> {
        let (mut peer, stand_in) = self.connected().await?;
        peer.send(&hello(&stand_in)).await?;
        let welcome = welcome(&mut peer).await?;
        Ok((peer, stand_in, welcome))
    }

    /// A worker that the master takes for ready.
    pub(super) async fn started(&mut self) -> Result<(Peer, StandIn), Fault> {
        let (mut peer, stand_in, _) = self.welcomed().await?;
        peer.send(&said(Body::Started(Started {}))).await?;
        self.is(&stand_in, Phase::Started).await?;
        Ok((peer, stand_in))
    }

    /// Waits until the master says that the stand-in's worker is in this phase.
    pub(super) async fn is(&self, stand_in: &StandIn, phase: Phase) -> Result<(), Fault> {
        let mut last = Phase::Unspecified;
        let reached = async {
            loop {
                last = self.phase_of(stand_in).await?;
                if last == phase {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        match tokio::time::timeout(PROCESS, reached).await {
            Ok(reached) => reached,
            Err(_) => Err(failed(format!(
                "the status says that the worker is {}; {} was expected",
                last.name(),
                phase.name()
            ))),
        }
    }

    /// The worker's phase at this moment; unspecified if it has no process any more.
    pub(super) async fn phase_of(&self, stand_in: &StandIn) -> Result<Phase, Fault> {
        let rows = self.statuses().await?;
        let own = rows.iter().find(|row| row.id == stand_in.id && row.pid != 0);
        Ok(own.map_or(Phase::Unspecified, WorkerStatus::phase))
    }

    /// Waits until the master has ended the stand-in.
    pub(super) async fn is_ended(&self, stand_in: &StandIn) -> Result<(), Fault> {
        within("the master did not end the worker", async {
            while self.phase_of(stand_in).await? != Phase::Unspecified {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Ok(())
        })
        .await
    }

    /// Has the stand-in exit with 0.
    pub(super) fn release(&self, stand_in: &StandIn) {
        signal(stand_in.pid, Signal::SIGUSR2);
    }

    /// Asks the master to do something with the app, and waits until it is let in.
    pub(super) async fn operate(&self, operation: Operation) -> Result<(), Fault> {
        self.log.remark(&format!("the master is asked: {}", operation.as_str_name()));
        let names = vec![self.app.clone()];
        let request = OperateRequest { operation: operation.into(), names, no_wait: true, now: false };
        self.control().await?.operate(request).await
    }

    /// Ends what the last case has left. The stand-in is killed: a case may still hold its connection and never answer Stop,
    /// and then every deadline of the app would pass first, which may be longer than anybody waits here.
    pub(super) async fn clear(&mut self) -> Result<(), Fault> {
        self.operate(Operation::Stop).await?;
        if let Some(stand_in) = self.held.take()
            && self.phase_of(&stand_in).await? != Phase::Unspecified
        {
            signal(stand_in.pid, Signal::SIGKILL);
        }
        within("the app did not end", async {
            while !self.apps().await?.iter().all(has_ended) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Ok(())
        })
        .await
    }

    /// Has the app running by itself again.
    pub(super) async fn give_back(&mut self) -> Result<(), Fault> {
        self.clear().await?;
        self.operate(Operation::Start).await
    }

    async fn statuses(&self) -> Result<Vec<WorkerStatus>, Fault> {
        Ok(self.apps().await?.into_iter().flat_map(|app| app.workers).collect())
    }

    async fn apps(&self) -> Result<Vec<AppStatus>, Fault> {
        self.control().await?.status(&self.app).await
    }

    async fn control(&self) -> Result<Control, Fault> {
        Control::connect(&self.control).await
    }
}

impl runner::Stage for MasterStage {
    fn log(&self) -> &Log {
        &self.log
    }

    /// Only the Welcome to a worker tells, so each case looks by itself.
    fn can(&self, _capability: &str) -> bool {
        true
    }

    fn printed(&self) -> Vec<String> {
        Vec::new()
    }

    /// The next case begins by ending what this one has left.
    async fn close(self) {}
}

/// The Hello of a worker that keeps the rules.
pub(super) fn hello(stand_in: &StandIn) -> Hello {
    let token = stand_in.variable("DROVER_TOKEN").to_owned();
    Hello { min_version: 1, max_version: 1, token, pid: stand_in.pid, ..Default::default() }
}

/// A one-way frame of a worker.
pub(super) fn said(body: Body) -> WorkerFrame {
    WorkerFrame { body: Some(body), ..Default::default() }
}

/// The Welcome that answers a Hello.
pub(super) async fn welcome(peer: &mut Peer) -> Result<Welcome, Fault> {
    match peer.next::<HelloReply>("a Welcome").await?.map(|reply| reply.reply) {
        Some(Some(hello_reply::Reply::Welcome(welcome))) => Ok(welcome),
        Some(Some(hello_reply::Reply::Reject(reject))) => {
            Err(failed(format!("it rejects a good Hello, `{}`; a Welcome was expected", reject.message)))
        }
        Some(None) => Err(failed("its reply is empty; a Welcome was expected")),
        None => Err(failed("it closed the connection; an answer to Hello was expected")),
    }
}

/// Whether the app has ended, and not only its processes: what it is asked while it still stops would be lost, and one that it
/// begins to start has none yet.
fn has_ended(app: &AppStatus) -> bool {
    let has_ended = matches!(app.phase(), Phase::Initialized | Phase::ShutDown | Phase::Failed);
    has_ended && app.operation.is_empty() && app.workers.iter().all(|row| row.pid == 0)
}

/// A process that waits for somebody to speak for it.
fn waiting(row: &WorkerStatus) -> Option<StandIn> {
    let status = fs::read_to_string(format!("/proc/{}/status", row.pid)).ok()?;
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
    let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
    if caught & CATCHES_HOLD == 0 || row.phase() != Phase::Starting {
        return None;
    }
    let bytes = fs::read(format!("/proc/{}/environ", row.pid)).ok()?;
    let pairs = bytes.split(|byte| *byte == 0).map(|pair| String::from_utf8_lossy(pair).into_owned());
    let variables = pairs
        .filter_map(|pair| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())))
        .collect();
    Some(StandIn { pid: row.pid, id: row.id, variables })
}

fn signal(pid: u32, signal: Signal) {
    // It may be gone already, which the status tells.
    let _ = i32::try_from(pid).map(|pid| kill(Pid::from_raw(pid), signal));
}

async fn within<T>(otherwise: &str, wait: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    match tokio::time::timeout(PROCESS, wait).await {
        Ok(result) => result,
        Err(_) => Err(failed(format!("{otherwise} within {PROCESS:?}"))),
    }
}
