//! What the driver hears of connections, and what it lets a worker in with.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drover_proto::latest::{Identity, Limits, RejectCode};
use tokio::sync::{mpsc, oneshot};

use super::Token;
use super::seat::Seat;
use crate::machine::worker::WorkerReport;

/// Tells connections apart, in the whole process: a worker may come back on a new one, and late news of an app's last run may
/// come in the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionId(pub u64);

/// News of a connection.
#[derive(Debug)]
pub(crate) struct LinkNews {
    pub connection: ConnectionId,
    pub news: ConnectionNews,
}

/// What a failed handshake says of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalKind {
    /// It may succeed by trying again.
    Open,
    /// It can't.
    Final,
    /// Its connection ended before it said anything.
    Silent,
}

/// What happened on a connection.
#[derive(Debug)]
pub(crate) enum ConnectionNews {
    /// A usable Hello with this token. Whoever answers decides.
    Claimed {
        token: Token,
        /// The library that speaks, for people.
        sdk: String,
        /// Whether the worker can take work again after it has drained.
        can_resume: bool,
        /// Whether it takes messages of the application.
        takes_messages: bool,
        answer: oneshot::Sender<Result<WorkerAdmission, (RejectCode, String)>>,
    },
    /// The handshake failed before anybody was asked.
    Refused {
        /// The token, if one was shown.
        token: Option<Token>,
        /// The process at the other end, as the kernel says.
        peer: Option<u32>,
        trouble: Arc<str>,
        kind: RefusalKind,
    },
    /// The worker said something. `taken`: dropped when that has had its effect, for what has to precede the frames after it.
    Said { said: WorkerReport, seq: u64, taken: Option<oneshot::Sender<()>> },
    /// The connection has ended. With trouble, the peer is to blame.
    Lost { trouble: Option<Arc<str>> },
}

/// Lets a worker in.
#[derive(Debug)]
pub(crate) struct WorkerAdmission {
    pub identity: Identity,
    pub limits: Limits,
    /// How often it is asked for a sign of life; zero: never.
    pub heartbeat_interval: Duration,
    /// What the master is able to do beyond the protocol's base.
    pub capabilities: Vec<String>,
    /// What is to be sent to it, from here on.
    pub outgoing: mpsc::Receiver<Bytes>,
    /// Its place on the bus.
    pub seat: Seat,
}

/// Where one connection puts its news.
#[derive(Debug)]
pub(super) struct NewsSender {
    pub(super) id: ConnectionId,
    pub(super) queue: mpsc::Sender<LinkNews>,
}

impl NewsSender {
    /// The driver's queue is bounded, so a worker that floods waits here, in its own task.
    pub(super) async fn tell(&self, news: ConnectionNews) {
        let _ = self.queue.send(LinkNews { connection: self.id, news }).await;
    }
}
