//! The connection to the master: one task, in which a reader and a writer run independently of each other.
//!
//! ```text
//!  MessageBus ── messages, bounded ──► writer ──► socket ──► reader ──► lifecycle, requests
//!             ── newest status ──────►   ▲                     │
//!                                        └── answers, bounded ─┘
//! ```
//!
//! Whichever of the two ends first ends the link; the bus learns of it once, in [`Link`]'s destructor, so that it
//! learns of it even when the runtime is torn down.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use drover_proto::codec::{CodecError, FrameCodec};
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{Error, ErrorCode, MasterFrame, Pong, WorkerFrame, master_frame, worker_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::codec::{Decoder, Encoder};

use crate::error::ConnectError;
use crate::handshake::Welcomed;
use crate::identity::Identity;
use crate::lifecycle::BadState;
use crate::orphan;
use crate::outbox::{Outbox, Outgoing};
use crate::shared::Shared;

/// How many messages may wait for the socket. A worker says three in its life and an answer for each ping; a peer that
/// asks more without reading the answers is not read until it does.
const QUEUED: usize = 32;

/// What is read at once when no frame is under way: room for many small frames, little to hold while idle.
const READ_BYTES: usize = 1024;

/// How long a last word to the master is waited for before the link is closed.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Starts the task of a welcomed connection, and the watch for its end.
pub(crate) fn start(
    welcomed: Welcomed,
    identity: Identity,
    orphan_timeout: Duration,
    can_resume: bool,
) -> Result<Arc<Shared>, ConnectError> {
    let Welcomed { stream, session, received } = welcomed;
    let limit = frame_limit(session.limits.max_frame_bytes);
    let connection = stream.as_fd().try_clone_to_owned().map_err(ConnectError::OrphanWatch)?;
    let connection = Arc::new(StdUnixStream::from(connection));
    let (messages, queue) = mpsc::channel(QUEUED);
    let (status, statuses) = watch::channel(worker_frame::Body::Status(Default::default()));
    let outbox = Outbox { messages: messages.clone(), status };
    let shared = Arc::new(Shared::under_master(identity, outbox, orphan_timeout, can_resume));
    orphan::watch(Arc::clone(&connection), shared.leaving.clone(), orphan_timeout)
        .map_err(ConnectError::OrphanWatch)?;
    let link = Link { shared: Arc::clone(&shared), connection, can_resume };
    tokio::spawn(link.run(stream, limit, received, messages, queue, statuses));
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
    /// A second handle, shared with the orphan watch, so dropping the stream alone would not close.
    connection: Arc<StdUnixStream>,
    can_resume: bool,
}

impl Link {
    async fn run(
        self,
        mut stream: UnixStream,
        limit: FrameLimit,
        received: BytesMut,
        answers: mpsc::Sender<Outgoing>,
        queue: mpsc::Receiver<Outgoing>,
        statuses: watch::Receiver<worker_frame::Body>,
    ) {
        let (read_half, write_half) = stream.split();
        let codec = FrameCodec::new(limit);
        let reader = Reader { shared: &self.shared, answers, codec, can_resume: self.can_resume };
        let writer = Writer { socket: write_half, limit, wire: BytesMut::new() };
        let end = tokio::select! {
            end = reader.run(read_half, received) => end,
            end = writer.run(queue, statuses) => end,
        };
        match end {
            Ok(()) => tracing::debug!(target: "drover::worker", "the connection to the master ended"),
            Err(error) => tracing::warn!(
                target: "drover::worker",
                error = &error as &dyn std::error::Error,
                "the connection to the master failed"
            ),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Fails only if the master was faster to close.
        let _closed_already = self.connection.shutdown(std::net::Shutdown::Both);
        self.shared.master_gone();
    }
}

/// Frames of the master into the worker's lifecycle.
struct Reader<'a> {
    shared: &'a Shared,
    answers: mpsc::Sender<Outgoing>,
    codec: FrameCodec<WorkerFrame, MasterFrame>,
    can_resume: bool,
}

impl Reader<'_> {
    /// Reads until the end of the stream (`Ok`) or until the link can't go on.
    async fn run(mut self, mut socket: ReadHalf<'_>, mut wire: BytesMut) -> Result<(), CodecError> {
        loop {
            match self.codec.decode(&mut wire) {
                Ok(Some(frame)) => self.take(frame).await?,
                Ok(None) => {
                    wire.reserve(READ_BYTES);
                    if socket.read_buf(&mut wire).await? == 0 {
                        return self.codec.decode_eof(&mut wire).map(|_| ());
                    }
                }
                Err(error) => {
                    self.last_word(0, ErrorCode::BadFrame, error.to_string()).await;
                    return Err(error);
                }
            }
        }
    }

    async fn take(&self, frame: MasterFrame) -> Result<(), CodecError> {
        let MasterFrame { seq, reply_to, expects_reply, must_understand, body } = frame;
        let Some(body) = body else {
            return self.take_unknown(seq, expects_reply, must_understand).await;
        };
        let name = name(&body);
        tracing::debug!(target: "drover::protocol", seq, reply_to, "{name} received");
        let result = match body {
            master_frame::Body::Stop(stop) => self.shared.stop_received(seq, stop.deadline_ms),
            master_frame::Body::Quit(quit) => self.shared.quit_received(seq, quit.deadline_ms),
            master_frame::Body::Ping(_) => {
                self.answer(seq, worker_frame::Body::Pong(Pong {})).await;
                Ok(())
            }
            master_frame::Body::Error(error) => {
                let code = ErrorCode::try_from(error.code).unwrap_or(ErrorCode::Unspecified);
                tracing::warn!(
                    target: "drover::worker", reply_to, ?code, message = error.message, "the master reports an error"
                );
                Ok(())
            }
            master_frame::Body::Resume(resume) if self.can_resume => {
                self.shared.resume_received(seq, resume.deadline_ms)
            }
            // The capability was not announced.
            master_frame::Body::Message(_)
            | master_frame::Body::Reply(_)
            | master_frame::Body::Accepted(_) => {
                return self.take_unknown(seq, expects_reply, must_understand).await;
            }
            // The capability was not announced.
            master_frame::Body::Resume(_) => {
                tracing::warn!(target: "drover::worker", "Resume refused: not supported by this worker");
                self.refuse(seq, expects_reply, ErrorCode::Unimplemented, "this worker cannot resume").await;
                Ok(())
            }
        };
        if result == Err(BadState) {
            let phase = self.shared.phase();
            tracing::warn!(target: "drover::worker", ?phase, "{name} refused: it does not fit the state");
            let message = format!("{name} does not fit the worker's state, {phase:?}");
            self.refuse(seq, expects_reply, ErrorCode::BadState, message).await;
        }
        Ok(())
    }

    /// A body of a later version: ignored, refused, or the end, as its sender wishes.
    async fn take_unknown(
        &self,
        seq: u64,
        expects_reply: bool,
        must_understand: bool,
    ) -> Result<(), CodecError> {
        const MESSAGE: &str = "the body of this frame is unknown to the worker";
        tracing::debug!(target: "drover::protocol", seq, expects_reply, must_understand, "unknown body received");
        if must_understand {
            self.last_word(seq, ErrorCode::Unimplemented, MESSAGE).await;
            return Err(io::Error::other("a frame that must be understood is not").into());
        }
        self.refuse(seq, expects_reply, ErrorCode::Unimplemented, MESSAGE).await;
        Ok(())
    }

    async fn refuse(&self, seq: u64, expects_reply: bool, code: ErrorCode, message: impl Into<String>) {
        if expects_reply {
            self.answer(seq, error(code, message)).await;
        }
    }

    async fn answer(&self, reply_to: u64, body: worker_frame::Body) {
        let frame = WorkerFrame { reply_to, body: Some(body), ..Default::default() };
        // Fails only when the writer has ended, and with it the link.
        let _ended = self.answers.send(Outgoing { frame, written: None }).await;
    }

    /// Tells the master why the link is about to be closed, if it listens.
    async fn last_word(&self, reply_to: u64, code: ErrorCode, message: impl Into<String>) {
        let frame = WorkerFrame { reply_to, body: Some(error(code, message)), ..Default::default() };
        let (written, is_written) = oneshot::channel();
        let _unheard = tokio::time::timeout(LAST_WORD, async {
            if self.answers.send(Outgoing { frame, written: Some(written) }).await.is_ok() {
                let _ended = is_written.await;
            }
        })
        .await;
    }
}

fn error(code: ErrorCode, message: impl Into<String>) -> worker_frame::Body {
    worker_frame::Body::Error(Error { code: code.into(), message: message.into() })
}

const fn name(body: &master_frame::Body) -> &'static str {
    match body {
        master_frame::Body::Stop(_) => "Stop",
        master_frame::Body::Resume(_) => "Resume",
        master_frame::Body::Quit(_) => "Quit",
        master_frame::Body::Ping(_) => "Ping",
        master_frame::Body::Error(_) => "Error",
        master_frame::Body::Message(_) => "Message",
        master_frame::Body::Reply(_) => "Reply",
        master_frame::Body::Accepted(_) => "Accepted",
    }
}

/// The worker's messages onto the socket.
struct Writer<'a> {
    socket: WriteHalf<'a>,
    limit: FrameLimit,
    wire: BytesMut,
}

impl Writer<'_> {
    async fn run(
        mut self,
        mut queue: mpsc::Receiver<Outgoing>,
        mut statuses: watch::Receiver<worker_frame::Body>,
    ) -> Result<(), CodecError> {
        loop {
            let message = tokio::select! {
                biased;
                Some(message) = queue.recv() => Some(message),
                Ok(()) = statuses.changed() => None,
                else => return Ok(()),
            };
            // A status that was given before the message is written before it, at most one, so that a worker that
            // reports without pause can't hold its messages up.
            if message.is_none() || statuses.has_changed().unwrap_or(false) {
                let status = statuses.borrow_and_update().clone();
                self.write(WorkerFrame { body: Some(status), ..Default::default() }).await?;
            }
            if let Some(Outgoing { frame, written }) = message {
                self.write(frame).await?;
                if let Some(written) = written {
                    // Nobody waits any more: the caller's future was dropped.
                    let _ = written.send(());
                }
            }
        }
    }

    async fn write(&mut self, frame: WorkerFrame) -> Result<(), CodecError> {
        if let Some(body) = &frame.body {
            tracing::debug!(target: "drover::protocol", reply_to = frame.reply_to, "{} sent", sent_name(body));
        }
        FrameCodec::<WorkerFrame, MasterFrame>::new(self.limit).encode(frame, &mut self.wire)?;
        self.socket.write_all_buf(&mut self.wire).await?;
        Ok(())
    }
}

const fn sent_name(body: &worker_frame::Body) -> &'static str {
    match body {
        worker_frame::Body::Started(_) => "Started",
        worker_frame::Body::Stopped(_) => "Stopped",
        worker_frame::Body::ShutDown(_) => "ShutDown",
        worker_frame::Body::Extend(_) => "Extend",
        worker_frame::Body::Status(_) => "Status",
        worker_frame::Body::Pong(_) => "Pong",
        worker_frame::Body::Error(_) => "Error",
        worker_frame::Body::Progress(_) => "Progress",
        worker_frame::Body::Message(_) => "Message",
        worker_frame::Body::Reply(_) => "Reply",
        worker_frame::Body::Subscribe(_) => "Subscribe",
        worker_frame::Body::Unsubscribe(_) => "Unsubscribe",
        worker_frame::Body::Consumed(_) => "Consumed",
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
