//! The states of a worker, and the parts they are made of.

use crate::machine::exit::Exit;
use crate::machine::phase::Phase;
use crate::written::Plain;

/// Where a worker stands, with the data that is legal there.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum WorkerState {
    /// The process is being created.
    Initialized {
        /// Its end was asked for before it was there: the rung to take as soon as it is.
        doomed: Option<Rung>,
    },
    /// A process that is not ready yet.
    Starting,
    /// Ready by its own word or its uptime; its readiness is asked about before that counts.
    Checking,
    /// Ready.
    Started,
    /// Asked to leave, but not told yet: it serves on until the pre-stop delay is over and its queues are empty.
    Lingering,
    /// Draining.
    Stopping,
    /// Drained and alive.
    Stopped,
    /// Drained, and told to take work again.
    Resuming,
    /// On its way out.
    ShuttingDown {
        /// How hard it was told.
        rung: Rung,
    },
    /// Gone. The only final state.
    Exited {
        /// How it ended.
        exit: Exit,
        /// Whether it ended as asked, or with a success.
        as_wished: bool,
    },
}

impl WorkerState {
    /// The data-free twin.
    pub const fn phase(&self) -> Phase {
        match self {
            Self::Initialized { .. } => Phase::Initialized,
            Self::Starting | Self::Checking => Phase::Starting,
            Self::Started => Phase::Started,
            Self::Lingering | Self::Stopping => Phase::Stopping,
            Self::Stopped | Self::Resuming => Phase::Stopped,
            Self::ShuttingDown { .. } => Phase::ShuttingDown,
            Self::Exited { as_wished: true, .. } => Phase::ShutDown,
            Self::Exited { as_wished: false, .. } => Phase::Failed,
        }
    }
}

/// How hard a worker was told to leave. Each rung is taken at most once, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Rung {
    /// Quit over the protocol, or the stop signal.
    Asked,
    /// SIGTERM to the tree.
    Terminated,
    /// SIGKILL to the tree.
    Killed,
}

/// The worker's end of the protocol, as far as its life is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum LinkState {
    /// It has not connected yet.
    Never,
    /// The handshake is done and the connection stands.
    Up,
    /// It was there and is gone.
    Lost,
}

/// What a worker's one deadline is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum DeadlineKind {
    /// To be there at all.
    Create,
    /// To be ready.
    Start,
    /// Not a limit but the aim: alive until here means ready.
    MinUptime,
    /// Not a limit: until here it serves on though it will be stopped.
    PreStop,
    /// To have taken what waits in its queues.
    Queue,
    /// To be drained.
    Drain,
    /// To be gone after Quit.
    Quit,
    /// To be gone after SIGTERM.
    Term,
    /// To be gone after SIGKILL.
    Kill,
    /// Not a limit: the time of the next Ping.
    Heartbeat,
    /// To have read its configuration again.
    Reload,
    /// To be back on the socket.
    Reconnect,
}

impl Plain for DeadlineKind {}
