//! Onto the socket: what the worker says of itself first, and then messages, as many as there are at once.

use bytes::BytesMut;
use drover_proto::bus::Batch;
use drover_proto::codec::{CodecError, FrameCodec, encode_frame};
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{Consumed, MasterFrame, Progress, WorkerFrame, worker_frame};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::WriteHalf;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::codec::Encoder;

use super::outbox::Outgoing;
use crate::messages::Post;

/// The worker's frames onto the socket, each as a whole.
pub(super) struct Writer<'a> {
    socket: WriteHalf<'a>,
    post: &'a Post,
    limit: FrameLimit,
    wire: BytesMut,
}

/// What the application reports: how it is, and when it last got on. Of each only the newest is written.
pub(super) type Reports = (watch::Receiver<worker_frame::Body>, watch::Receiver<Option<Instant>>);

/// What is to be written next.
enum Next {
    Announcement(Outgoing),
    Status,
    Progress,
    Credit(u64),
    /// Messages; `false`: there will be no more.
    Messages(bool),
}

impl<'a> Writer<'a> {
    pub(super) fn new(socket: WriteHalf<'a>, post: &'a Post, limit: FrameLimit) -> Self {
        Self { socket, post, limit, wire: BytesMut::new() }
    }

    pub(super) async fn run(
        mut self,
        first: Vec<WorkerFrame>,
        mut queue: mpsc::Receiver<Outgoing>,
        (statuses, progresses): &mut Reports,
    ) -> Result<(), CodecError> {
        for frame in first {
            self.write(frame).await?;
        }
        let (mut batch, mut are_more) = (Batch::default(), true);
        loop {
            let next = tokio::select! {
                biased;
                Some(said) = queue.recv() => Next::Announcement(said),
                Ok(()) = statuses.changed() => Next::Status,
                Ok(()) = progresses.changed() => Next::Progress,
                bytes = self.post.inbox.credit() => Next::Credit(bytes),
                are_some = self.post.mailbox.take(&mut batch), if are_more => Next::Messages(are_some),
                else => return Ok(()),
            };
            // A status that was given before the worker said something is written before it, at most one, so that a worker
            // that reports without pause can't hold its words up.
            if matches!(next, Next::Status)
                || (matches!(next, Next::Announcement(_)) && statuses.has_changed().unwrap_or(false))
            {
                let status = statuses.borrow_and_update().clone();
                self.write(WorkerFrame { body: Some(status), ..Default::default() }).await?;
            }
            match next {
                Next::Announcement(said) => self.write_said(said, &mut batch).await?,
                Next::Status => {}
                Next::Progress => {
                    let body = Some(worker_frame::Body::Progress(Progress {}));
                    self.write(WorkerFrame { body, ..Default::default() }).await?;
                }
                Next::Credit(bytes) => {
                    let body = Some(worker_frame::Body::Consumed(Consumed { bytes, window: 0 }));
                    let frame = WorkerFrame { body, ..Default::default() };
                    // It goes with the messages that are there: one write, and one wakeup of the master, less.
                    batch.push_frame(encode_frame(&frame, self.limit)?);
                    if are_more && self.post.mailbox.bytes() > 0 {
                        are_more = self.post.mailbox.take(&mut batch).await;
                    }
                    self.socket.write_all_buf(&mut batch).await?;
                }
                Next::Messages(are_some) => {
                    are_more = are_some;
                    self.socket.write_all_buf(&mut batch).await?;
                }
            }
        }
    }

    async fn write_said(&mut self, said: Outgoing, batch: &mut Batch) -> Result<(), CodecError> {
        let Outgoing { frame, written } = said;
        let is_last = matches!(frame.body, Some(worker_frame::Body::ShutDown(_)));
        if is_last && self.post.mailbox.bytes() > 0 && self.post.mailbox.take(batch).await {
            // What was sent before ShutDown is not lost by it, and nothing is sent after it.
            self.socket.write_all_buf(batch).await?;
        }
        if is_last {
            self.post.mailbox.close();
        }
        self.write(frame).await?;
        if let Some(written) = written {
            // Nobody waits any more: the caller's future was dropped.
            let _ = written.send(());
        }
        Ok(())
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
