//! What can happen to a worker: facts, in the past tense.

use crate::signal::Signal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Question, WorkerGauges};
use crate::machine::exit::{ExitStatus, SpawnStep, Usage};

/// One fact about a worker.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum WorkerInput {
    /// Its process exists.
    Spawned {
        /// The process.
        pid: u32,
    },
    /// Its process could not be created.
    SpawnFailed {
        /// Where it failed.
        step: SpawnStep,
        /// The errno of that step.
        errno: i32,
        /// A sentence for people.
        detail: Option<Arc<str>>,
    },
    /// The handshake is done.
    Connected,
    /// What it can do beyond the protocol's base; told before its connection stands.
    SaidCapable {
        /// Whether it can take work again after it has drained.
        resume: bool,
    },
    /// Somebody wants it to take no work, and to stay.
    SuspendAsked,
    /// Somebody wants it to take work again.
    ResumeAsked,
    /// It answered the probe.
    ProbePassed,
    /// Its process was looked at.
    Looked {
        /// The signal that has stopped it, if it is stopped.
        stopped_by: Option<Signal>,
    },
    /// It was asked from outside, and is not ready.
    ProbeFailed {
        /// Why.
        reason: Arc<str>,
    },
    /// The time of [`Worker::next_try`](super::Worker::next_try) has come.
    TryDue,
    /// It was asked about its health.
    Answered {
        /// What it was asked.
        question: Question,
        /// The number of the try.
        number: u64,
        /// Why it has failed, if it has.
        fault: Option<Arc<str>>,
    },
    /// No connection waits in its queues any more, or there is no use in waiting.
    QueueEmptied,
    /// The connection is gone.
    Disconnected,
    /// It sent a message.
    Said {
        /// Which one.
        said: WorkerReport,
        /// The number it gave the frame, to be named in an answer; 0 if it gave none.
        seq: u64,
    },
    /// It notified the master, by `sd_notify(3)` or by its notification descriptor.
    Notified(Notice),
    /// Something that came as a notification of it was not taken. Evidence only.
    NoticeRefused {
        /// Why.
        trouble: Arc<str>,
    },
    /// Somebody wants it to read its configuration again, without a new process.
    ReloadAsked,
    /// What it sent can't be understood.
    ProtocolBroken {
        /// What was wrong.
        trouble: Arc<str>,
    },
    /// It was turned away in the handshake. Evidence only: its start deadline decides.
    HandshakeRefused {
        /// What was wrong.
        trouble: Arc<str>,
    },
    /// Somebody wants it to drain and leave.
    ShutdownAsked {
        /// Who.
        by: Arc<str>,
    },
    /// Somebody does not want to wait any longer.
    Hurried {
        /// Who.
        by: Arc<str>,
    },
    /// Somebody wants it gone now.
    KillAsked {
        /// Who.
        by: Arc<str>,
    },
    /// The time of [`Worker::deadline`](super::Worker::deadline) has come.
    DeadlinePassed,
    /// Nobody looked at deadlines for a while: the master was stopped, perhaps, and the worker with it.
    MasterWasAway {
        /// By how much every deadline is moved.
        by: Duration,
    },
    /// Another master has taken over from one that is gone, and with it the worker's connection.
    MasterReplaced {
        /// How long there was none: by how much every deadline is moved.
        by: Duration,
    },
    /// The main process has ended, and is not reaped yet. `Exited` follows once nothing of its tree is left.
    Died {
        /// What the kernel said.
        status: ExitStatus,
    },
    /// The main process is gone, and others of its tree live on.
    RestFound {
        /// Some of them.
        pids: Arc<[u32]>,
    },
    /// They outlived SIGKILL.
    RestSurvived {
        /// Some of them.
        pids: Arc<[u32]>,
    },
    /// The process has been reaped, and its last words are known.
    Exited {
        /// What the kernel said.
        status: ExitStatus,
        /// What it used.
        usage: Usage,
        /// Its last lines on stderr.
        stderr_tail: Vec<String>,
    },
}

/// A message of the worker that concerns its life.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum WorkerReport {
    /// It is ready.
    Started,
    /// It is drained.
    Stopped,
    /// It is about to exit.
    ShutDown,
    /// It lives.
    Pong,
    /// The application itself makes progress.
    Progress,
    /// It has answered what nobody asked, or has answered already.
    Stray,
    /// It can't do what it was asked, by Stop, Resume or Quit.
    Failed {
        /// What it was asked by: the number of that frame.
        asked: u64,
        /// Why, in its words.
        why: Arc<str>,
    },
    /// It needs longer.
    Extend {
        /// From now.
        by: Duration,
    },
    /// How it is.
    Status {
        /// A line for people.
        text: String,
        /// Requests under way.
        in_flight: u64,
        /// Requests done since its process began.
        requests: u64,
        /// What it measures of itself.
        gauges: WorkerGauges,
    },
}

/// What a worker notifies of its life (`sd_notify(3)`).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Notice {
    /// It is ready; or its reload is done.
    Ready,
    /// It reads its configuration again.
    Reloading {
        /// Since when, if it says.
        #[serde(default, with = "crate::written")]
        since: Option<Instant>,
    },
    /// It is about to leave.
    Stopping,
    /// How it is.
    Status {
        /// A line for people.
        text: String,
    },
    /// It makes progress.
    KeepAlive,
    /// It asks to be ended, as if it had not said so in time.
    Trigger,
    /// How often it will say that it makes progress.
    WatchdogEvery {
        /// At least this often; zero: no longer.
        every: Duration,
    },
    /// It needs longer.
    Extend {
        /// From now.
        by: Duration,
    },
    /// What went wrong, by the number of `errno(3)`.
    Errno {
        /// The number; 0 takes back what it said before.
        errno: i32,
    },
    /// How what it runs ended.
    ExitStatus {
        /// The code.
        code: i32,
    },
    /// It can't say any more that it is ready.
    Unsaid {
        /// Why.
        how: Arc<str>,
    },
}

impl From<WorkerReport> for WorkerInput {
    /// A message without a number, as most are.
    fn from(said: WorkerReport) -> Self {
        Self::Said { said, seq: 0 }
    }
}

impl WorkerReport {
    /// The message's name in the protocol.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Stopped => "Stopped",
            Self::ShutDown => "ShutDown",
            Self::Pong => "Pong",
            Self::Progress => "Progress",
            Self::Stray => "an answer to nothing",
            Self::Failed { .. } => "Error",
            Self::Extend { .. } => "Extend",
            Self::Status { .. } => "Status",
        }
    }
}
