//! What the driver holds of one worker, from spawn to reap.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use drover_proto::latest::RejectCode;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;

use crate::ids::WorkerId;
use crate::keeper::Hold;
use crate::link::{ConnectionId, Outgoing, RefusalKind, Token, WorkerAdmission};
use crate::machine::worker::{Identity, Question};
use crate::notify::{Applied, Notification, NotifyPath, Refusals, Source};
use crate::process::{AwaitedText, Death, Ended, SpawnFailure, Spawned, Tree};
use crate::upkeep::UpkeepNews;

/// The process, the token and the connection of one worker.
#[derive(Debug)]
pub(super) struct Contact {
    pub identity: Identity,
    pub token: Option<Token>,
    /// Whoever asks it from outside whether it is ready; ends with the contact.
    pub probe: Option<AbortOnDrop>,
    /// What listens for a text that it is to print, until it is made and somebody waits for that.
    pub awaited: Option<Arc<AwaitedText>>,
    /// Whoever asks about its health, by [`Question`]; ends with the contact.
    pub asking: [Option<AbortOnDrop>; Question::ALL.len()],
    /// A permit for each question, held as long as there is a process of it; closed when the worker is dead. The probe of its
    /// start takes one of them, before any other is asked.
    pub probing: Arc<Semaphore>,
    /// What it notifies by, until it is there and listened to.
    pub notified_by: Option<Source>,
    /// Where its notification socket is, as long as it may write to it.
    pub notify_path: Option<NotifyPath>,
    /// The process of its tree that does the work, if it has named another.
    pub main: Option<(u32, OwnedFd)>,
    /// Descriptors of its that there was no room for.
    pub not_kept: Refusals,
    /// Whoever waits until its queues are empty.
    pub emptying: Option<AbortOnDrop>,
    /// Its process, once it is made.
    pub tree: Option<Arc<Tree>>,
    /// What the keeper holds of it.
    pub holds: [Hold; 2],
    /// Told when what its process left behind is not waited for any more.
    pub is_abandoned: Arc<Notify>,
    pub link: Option<(ConnectionId, Outgoing)>,
    /// The number of the last Stop, Resume or Quit that it was sent.
    pub asked: Option<u64>,
    /// Whether it takes messages of the application, as it said last.
    pub takes_messages: bool,
    /// A Hello that was faster than the news of the process it comes from.
    pub early: Option<(ConnectionId, HelloAnswer)>,
    /// The same of a Hello that was refused.
    pub early_refusal: Option<HandshakeRefusal>,
    /// The end of its process, while what it said last may still be on its way.
    pub ended: Option<Ended>,
}

impl Contact {
    pub(super) fn new(identity: Identity, token: Option<Token>) -> Self {
        Self {
            identity,
            token,
            probe: None,
            awaited: None,
            asking: [None, None],
            probing: Arc::new(Semaphore::new(Question::ALL.len())),
            notified_by: None,
            notify_path: None,
            main: None,
            not_kept: Refusals::default(),
            emptying: None,
            tree: None,
            holds: [Hold::default(), Hold::default()],
            is_abandoned: Arc::default(),
            link: None,
            asked: None,
            takes_messages: false,
            early: None,
            early_refusal: None,
            ended: None,
        }
    }
}

/// A task that ends when its owner lets go of it.
#[derive(Debug)]
pub(super) struct AbortOnDrop(pub JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection that waits to be accepted.
pub(super) type HelloAnswer = oneshot::Sender<Result<WorkerAdmission, (RejectCode, String)>>;

/// Why a peer was turned away in its handshake.
#[derive(Debug)]
pub(super) struct HandshakeRefusal {
    pub trouble: Arc<str>,
    pub kind: RefusalKind,
}

/// News of a process.
#[derive(Debug)]
pub(super) enum ProcessNews {
    Made {
        id: WorkerId,
        result: Result<Spawned, SpawnFailure>,
    },
    /// Its main process has ended; the evidence follows.
    Died {
        id: WorkerId,
        death: Death,
        /// Whoever waits until that is written down, and asks whether it has left on its own.
        by_itself: oneshot::Sender<bool>,
    },
    /// Others of its tree live on.
    RestFound {
        id: WorkerId,
        pids: Arc<[u32]>,
    },
    Ended {
        id: WorkerId,
        ended: Ended,
    },
    /// It notified the master.
    Notified {
        id: WorkerId,
        heard: Vec<Notification>,
        applied: Applied,
    },
    /// It answered its probe.
    ProbePassed {
        id: WorkerId,
    },
    /// It was asked, and fails its probe for another reason than before.
    ProbeFailed {
        id: WorkerId,
        reason: Arc<str>,
    },
    /// It was asked about its health.
    Asked {
        id: WorkerId,
        question: Question,
        number: u64,
        fault: Option<Arc<str>>,
    },
    /// No connection waits for it any more.
    QueueEmptied {
        id: WorkerId,
    },
    /// A socket was swept away.
    Upkeep(UpkeepNews),
    /// No worker has a socket open any more that the app listens on.
    SocketsLetGo,
    /// The wait for what an ended worker had to say is over.
    SaidNoMore {
        id: WorkerId,
    },
}
