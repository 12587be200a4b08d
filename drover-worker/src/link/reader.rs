//! From the socket: what the master asks into the lifecycle, messages into the inbox, answers to whoever awaits them.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use drover_proto::bus::{Direction, Frames, Incoming, Lull, MessageView, View, ViewBody};
use drover_proto::codec::{CodecError, decode_frame};
use drover_proto::latest::{
    Error, ErrorCode, MasterFrame, Message, Pong, Scope, WorkerFrame, master_frame, worker_frame,
};
use tokio::io::AsyncReadExt;
use tokio::net::unix::ReadHalf;
use tokio::sync::{mpsc, oneshot};

use super::outbox::Outgoing;
use super::shared::Shared;
use super::topics::Topics;
use crate::lifecycle::{Announcement, BadState};
use crate::messages::{Answer, Parcel, Post, Reach, Sender};

/// How long to wait for a last word to the master before the link is closed.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The largest payload that shares memory with its neighbours, and how much memory that is, in bytes: what an app holds that keeps
/// one small payload out of a burst. Less gains less; with more, such an app holds more.
const NEIGHBOUR: usize = 256;
const NEIGHBOURS: usize = 4096;

/// Less than this many bytes are no burst: their memory is given back at once, without a timer that would wake an idle worker.
const SMALL: usize = 4096;

/// After this many reads in a row, others are let run even if none of them filled the buffer.
const READS_IN_A_ROW: u32 = 8;

/// Frames of the master into what they are for.
pub(super) struct Reader<'a> {
    shared: &'a Shared,
    post: &'a Post,
    answers: mpsc::Sender<Outgoing>,
    can_resume: bool,
    topics: Topics,
    /// How many bytes were read since memory was given back the last time.
    since_rest: usize,
    /// Where the small payloads of a burst are put, side by side.
    small: BytesMut,
    /// Messages that are not in the inbox yet: its lock is taken once for many.
    batch: VecDeque<Parcel>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        post: &'a Post,
        answers: mpsc::Sender<Outgoing>,
        can_resume: bool,
    ) -> Self {
        let (topics, small, batch) = (Topics::default(), BytesMut::new(), VecDeque::new());
        Self { shared, post, answers, can_resume, topics, since_rest: 0, small, batch }
    }

    /// Reads until the end of the stream (`Ok`) or until the link can't go on.
    pub(super) async fn run(
        mut self,
        mut socket: ReadHalf<'_>,
        mut incoming: Incoming,
    ) -> Result<(), CodecError> {
        let (mut in_a_row, mut lull) = (0, Lull::default());
        loop {
            if let Err(error) = self.take_whole(&mut incoming).await {
                if let CodecError::Frame(error) = &error {
                    self.last_word(0, ErrorCode::BadFrame, error.to_string()).await;
                }
                return Err(error);
            }
            if in_a_row == READS_IN_A_ROW {
                // What was read is with the app by now, and the app may be on this very thread.
                in_a_row = 0;
                tokio::task::yield_now().await;
            }
            // The memory of a burst is kept for the next one, and given back if none comes.
            let is_burst = self.since_rest > SMALL;
            if !(is_burst && lull.unless_silent(socket.readable()).await.transpose()?.is_some()) {
                incoming.rest();
                self.rest();
                socket.readable().await?;
            }
            let room = incoming.room();
            let free = room.capacity() - room.len();
            let read = socket.read_buf(room).await?;
            if read == 0 {
                return Ok(incoming.end()?);
            }
            self.since_rest += read;
            in_a_row = if read == free { READS_IN_A_ROW } else { in_a_row + 1 };
        }
    }

    fn rest(&mut self) {
        self.since_rest = 0;
        self.small = BytesMut::new();
        self.batch = VecDeque::new();
        self.post.inbox.rest();
    }

    /// Takes all frames that are there as a whole.
    async fn take_whole(&mut self, incoming: &mut Incoming) -> Result<(), CodecError> {
        loop {
            let (frames, mut are_some) = (incoming.frames()?, false);
            for frame in frames.iter() {
                are_some = true;
                match View::of(frame, Direction::ToWorker) {
                    Some(view) => self.take_view(&frames, frame.len(), view).await?,
                    None => {
                        // In the order of the wire, and not held up by what may wait for the writer.
                        self.deliver().await;
                        self.take(decode_frame(frame)?, frame.len()).await?;
                    }
                }
            }
            self.deliver().await;
            if !are_some {
                return Ok(());
            }
        }
    }

    async fn take_view(&mut self, frames: &Frames, length: usize, view: View<'_>) -> Result<(), CodecError> {
        let View { seq, reply_to, expects_reply, body } = view;
        match body {
            ViewBody::Message(message) if self.post.takes => {
                let payload = self.keep(frames, message.payload);
                self.put(seq, expects_reply, &message, payload, length);
            }
            ViewBody::Message(_) => self.take_unknown(seq, expects_reply, false).await?,
            ViewBody::Reply { payload } => self.answered(reply_to, Answer::Reply(frames.keep(payload))),
        }
        Ok(())
    }

    /// Keeps the payload of a message. One that comes alone gets memory of its own, however long it is held. The small ones of
    /// a burst share theirs with their neighbours: to allocate for each is a third of all that a message costs.
    fn keep(&mut self, frames: &Frames, payload: &[u8]) -> Bytes {
        if self.since_rest <= SMALL || payload.len() > NEIGHBOUR {
            return frames.keep(payload);
        }
        if self.small.capacity() < payload.len() {
            // As new, so that its size does not depend on what it was before.
            self.small = BytesMut::with_capacity(NEIGHBOURS);
        }
        self.small.extend_from_slice(payload);
        self.small.split().freeze()
    }

    /// Puts a message to those that go into the inbox.
    fn put(
        &mut self,
        seq: u64,
        expects_reply: bool,
        message: &MessageView<'_>,
        payload: Bytes,
        length: usize,
    ) {
        tracing::trace!(target: "drover::protocol", seq, message.topic, "Message received");
        self.batch.push_back(Parcel {
            topic: self.topics.shared(message.topic),
            payload,
            from: if message.worker == 0 { Sender::App } else { Sender::Worker(message.worker) },
            reach: match message.scope() {
                Scope::All => Reach::Broadcast,
                Scope::Subscribers => Reach::Published,
                Scope::Unspecified | Scope::App | Scope::Worker | Scope::Slot => Reach::Direct,
            },
            request: (expects_reply && seq != 0).then_some(seq),
            length: u32::try_from(length).unwrap_or(u32::MAX),
        });
    }

    /// Into the inbox with all that is there.
    async fn deliver(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        self.post.inbox.deliver(&mut self.batch);
        while let Some(received) = self.batch.pop_front() {
            let window = self.post.inbox.window();
            tracing::warn!(
                target: "drover::worker", topic = &*received.topic, window,
                "message dropped: the master sends more than the window of this worker has room for"
            );
            self.post.inbox.forget(received.length);
            if let Some(seq) = received.request {
                let message = format!("the worker's window of {window} bytes has no room");
                self.answer(seq, error(ErrorCode::Busy, message)).await;
            }
        }
    }

    /// Hands an answer to whoever waits for it.
    fn answered(&self, reply_to: u64, answer: Answer) {
        if let Err(late) = self.post.questions.answer(reply_to, answer) {
            match late {
                Answer::Error(error) => tracing::warn!(
                    target: "drover::worker", reply_to, code = ?error.code(), message = error.message,
                    "the master reports an error"
                ),
                Answer::Reply(_) | Answer::Accepted(_) => tracing::debug!(
                    target: "drover::protocol", reply_to, "an answer that nobody waits for is dropped"
                ),
            }
        }
    }

    async fn take(&mut self, frame: MasterFrame, length: usize) -> Result<(), CodecError> {
        let MasterFrame { seq, reply_to, expects_reply, must_understand, body } = frame;
        let Some(body) = body else {
            return self.take_unknown(seq, expects_reply, must_understand).await;
        };
        let name = name(&body);
        tracing::debug!(target: "drover::protocol", seq, reply_to, "{name} received");
        let result = match body {
            master_frame::Body::Stop(stop) => {
                let late = self.shared.stop_received(seq, stop.deadline_ms);
                self.answer_late(seq, late).await
            }
            master_frame::Body::Quit(quit) => {
                let late = self.shared.quit_received(seq, quit.deadline_ms);
                self.answer_late(seq, late).await
            }
            master_frame::Body::Ping(_) => {
                self.answer(seq, worker_frame::Body::Pong(Pong {})).await;
                Ok(())
            }
            master_frame::Body::Error(error) => {
                self.answered(reply_to, Answer::Error(error));
                Ok(())
            }
            master_frame::Body::Reply(reply) => {
                self.answered(reply_to, Answer::Reply(reply.payload));
                Ok(())
            }
            master_frame::Body::Accepted(accepted) => {
                self.answered(reply_to, Answer::Accepted(accepted));
                Ok(())
            }
            master_frame::Body::Message(message) if self.post.takes => {
                let Message { topic, payload, scope, worker, .. } = message;
                let view = MessageView { topic: &topic, worker, scope_number: scope, ..Default::default() };
                self.put(seq, expects_reply, &view, payload, length);
                self.deliver().await;
                Ok(())
            }
            master_frame::Body::Resume(resume) if self.can_resume => {
                let late = self.shared.resume_received(seq, resume.deadline_ms);
                self.answer_late(seq, late).await
            }
            // The capability was not announced.
            master_frame::Body::Message(_) => {
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

    /// Answers by what the worker said before it was asked: because a signal was faster, or on a connection that was lost.
    async fn answer_late(
        &self,
        seq: u64,
        late: Result<Option<Announcement>, BadState>,
    ) -> Result<(), BadState> {
        if let Some(body) = late?.and_then(Announcement::body) {
            self.answer(seq, body).await;
        }
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
