//! The connection to the master: one task, in which a reader and a writer run independently of each other.
//!
//! ```text
//!  MessageBus ── what it says, bounded ────► writer ──► socket ──► reader ──► lifecycle, requests
//!             ── newest status ────────────►  ▲ ▲                   │ │
//!             ── messages, bounded ────────►  │ └─ answers, bounded ┘ └───► inbox ──► message()
//!                                             └─ half a window taken ◄────────┘
//! ```
//!
//! Whichever of the two ends first ends the link; the bus learns of it once, in [`Link`]'s destructor, so that it
//! learns of it even when the runtime is torn down.

pub(crate) mod handshake;
pub(crate) mod outbox;
mod reader;
pub(crate) mod shared;
mod topics;
mod writer;

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;

use drover_proto::bus::Incoming;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{Consumed, WorkerFrame, worker_frame};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

use self::handshake::MasterConnection;
use self::outbox::{Outbox, Outgoing};
use self::reader::Reader;
use self::shared::Shared;
use self::writer::{Reports, Writer};
use crate::error::ConnectError;
use crate::identity::Identity;
use crate::lifecycle::orphan;
use crate::messages::Post;
use crate::sys;

/// How many messages may wait for the socket. A worker says three in its life and an answer for each ping; a peer that
/// asks more without reading the answers is not read until it does.
const QUEUED: usize = 32;

/// How long is read to the end when nothing can be written any more. What lies in the socket is there at once; a master that only does
/// not read is not a master.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Starts the task of a welcomed connection, and the watch for its end.
pub(crate) fn start(
    welcomed: MasterConnection,
    identity: Identity,
    orphan_timeout: Duration,
    can_resume: bool,
    window: Option<u64>,
) -> Result<Arc<Shared>, ConnectError> {
    let MasterConnection { stream, session, received } = welcomed;
    let limit = frame_limit(session.limits.max_frame_bytes);
    let connection = stream.as_fd().try_clone_to_owned().map_err(ConnectError::OrphanWatch)?;
    let connection = Arc::new(StdUnixStream::from(connection));
    let (messages, queue) = mpsc::channel(QUEUED);
    let (status, statuses) = watch::channel(worker_frame::Body::Status(Default::default()));
    let (progress, progresses) = watch::channel(None);
    let post = Arc::new(Post::new(window, &session.capabilities, limit));
    if let (Some(window), Ok(())) = (window, post.check_carried()) {
        // Before all else, and so before Started. The queue is new: it has room, and is not closed.
        let body = Some(worker_frame::Body::Consumed(Consumed { bytes: 0, window }));
        let frame = WorkerFrame { body, ..Default::default() };
        let _has_room = messages.try_send(Outgoing { frame, written: None });
    }
    let outbox = Outbox { messages: messages.clone(), status, progress };
    let shared = Shared::under_master(identity, outbox, Arc::clone(&post), orphan_timeout, can_resume);
    let shared = Arc::new(shared);
    // Who listens at the other end: the master, whoever this process is a child of.
    let master = stream.peer_cred().map_err(ConnectError::OrphanWatch)?.pid();
    // Linux tells it always.
    let master = master.ok_or_else(|| ConnectError::OrphanWatch(io::ErrorKind::Unsupported.into()))?;
    let bell = sys::terminate_bell(master).map_err(ConnectError::OrphanWatch)?;
    let signalled = Arc::downgrade(&shared);
    let rung = move || {
        if let Some(shared) = signalled.upgrade() {
            tracing::info!(target: "drover::worker", "SIGTERM, and not of the master: asked to leave");
            shared.signalled();
        }
    };
    let is_own_master = u32::try_from(master) == Ok(std::process::id());
    let leaving = shared.leaving.clone();
    orphan::watch(Arc::clone(&connection), leaving, orphan_timeout, is_own_master, bell, rung)
        .map_err(ConnectError::OrphanWatch)?;
    let link = Link { shared: Arc::clone(&shared), post, connection, can_resume };
    tokio::spawn(link.run(
        stream,
        limit,
        Incoming::new(limit, received),
        messages,
        queue,
        (statuses, progresses),
    ));
    Ok(shared)
}

/// The limit that the master names, kept below what a frame's header can say; without one the protocol's.
fn frame_limit(bytes: u32) -> FrameLimit {
    const LARGEST: u32 = (1 << 24) - 1;
    if bytes == 0 { FrameLimit::WORKER } else { FrameLimit::new(bytes.min(LARGEST)) }
}

/// The live connection; its end is the end of the master's rule.
struct Link {
    shared: Arc<Shared>,
    post: Arc<Post>,
    /// A second handle, shared with the orphan watch, so dropping the stream alone would not close.
    connection: Arc<StdUnixStream>,
    can_resume: bool,
}

impl Link {
    async fn run(
        self,
        mut stream: UnixStream,
        limit: FrameLimit,
        incoming: Incoming,
        answers: mpsc::Sender<Outgoing>,
        queue: mpsc::Receiver<Outgoing>,
        reports: Reports,
    ) {
        let (read_half, write_half) = stream.split();
        let reader = Reader::new(&self.shared, &self.post, answers, self.can_resume);
        let writer = Writer::new(write_half, &self.post, limit);
        let mut read = std::pin::pin!(reader.run(read_half, incoming));
        let end = tokio::select! {
            end = &mut read => end,
            end = writer.run(queue, reports) => match end {
                // What the master said before it went still lies in the socket: a reply, or Quit.
                Err(error) => tokio::time::timeout(LAST_WORDS, read).await.unwrap_or(Err(error)),
                end => end,
            },
        };
        match end {
            Ok(()) => tracing::debug!(target: "drover::worker", "the connection to the master ended"),
            Err(error) => tracing::warn!(
                target: "drover::worker",
                ?error,
                "the connection to the master failed"
            ),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Fails only if the master was faster to close.
        let _closed_already = self.connection.shutdown(std::net::Shutdown::Both);
        self.post.close();
        self.shared.master_gone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_masters_limit_holds_as_far_as_a_frame_can_say_it() {
        for (named, limit) in [
            (0, FrameLimit::WORKER.bytes()),
            (4096, 4096),
            (1 << 24, (1 << 24) - 1),
            (u32::MAX, (1 << 24) - 1),
        ] {
            assert_eq!(frame_limit(named).bytes(), limit);
        }
    }
}
