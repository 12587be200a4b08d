//! Reads the frames of a worker, and hands each to whom it concerns.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use drover_proto::bus::{Direction, Incoming, Lull, MessageView, View, ViewBody};
use drover_proto::codec::decode_frame;
use drover_proto::frame::{FrameError, FrameLimit};
use drover_proto::latest::{ErrorCode, WorkerFrame, worker_frame};
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{mpsc, oneshot};

use super::news::{ConnectionNews, NewsSender};
use super::seat::Seat;
use super::words::{line, name, said};
use crate::bus::{FollowUp, Keep, NoReply};
use crate::frames::error_frame;
use crate::machine::worker::WorkerReport;
use crate::sentence::sentence;

/// After this many bytes of frames the reader lets others run: a worker that floods takes its turns like everybody.
const TURN: usize = 16 * 1024;

/// Frames of the worker, to whom they concern.
pub(super) struct Reader<'a> {
    news: &'a NewsSender,
    seat: &'a Seat,
    answers: mpsc::Sender<Bytes>,
    /// Answers to nothing, so far.
    stray: u64,
}

/// The connection has to end, and this is why.
struct Broken(Arc<str>);

impl<'a> Reader<'a> {
    pub(super) const fn new(news: &'a NewsSender, seat: &'a Seat, answers: mpsc::Sender<Bytes>) -> Self {
        Self { news, seat, answers, stray: 0 }
    }

    /// Reads until the worker ends it, or has to be ended; tells what it is to blame for.
    pub(super) async fn run(mut self, socket: OwnedReadHalf) -> Option<Arc<str>> {
        let mut incoming = Incoming::new(FrameLimit::WORKER, BytesMut::new());
        let (mut lull, mut is_burst) = (Lull::default(), false);
        loop {
            // Waits without a buffer: most workers say nothing most of the time. The memory of a burst is kept for the next one.
            if !(is_burst && lull.unless_silent(socket.readable()).await.is_some()) {
                is_burst = false;
                incoming.rest();
                socket.readable().await.ok()?;
            }
            // Not `read_buf`: see `Drained`. A reset is an end like EOF: the process will tell the rest.
            let read = match socket.try_read_buf(incoming.room()) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => return None,
            };
            is_burst |= read >= TURN;
            if read == 0 {
                return match incoming.end() {
                    Ok(()) => None,
                    Err(error) => Some(self.bad_frame(&error).await),
                };
            }
            if let Err(Broken(trouble)) = self.take_whole(&mut incoming).await {
                return Some(trouble);
            }
        }
    }

    /// Takes all frames that are there as a whole. Until there are none, since what is wrong behind them is told only then, and
    /// the peer may send nothing more.
    async fn take_whole(&mut self, incoming: &mut Incoming) -> Result<(), Broken> {
        loop {
            let frames = match incoming.frames() {
                Ok(frames) if frames.bytes() == 0 => return Ok(()),
                Ok(frames) => frames,
                Err(error) => return Err(Broken(self.bad_frame(&error).await)),
            };
            for frame in frames.iter() {
                match View::of(frame, Direction::ToMaster) {
                    Some(view) => self.message(&view, Keep::Frames(&frames)).await,
                    None => self.frame(frame).await?,
                }
            }
            if frames.bytes() >= TURN {
                tokio::task::yield_now().await;
            }
        }
    }

    /// A message, or the reply to one.
    async fn message(&mut self, view: &View<'_>, keep: Keep<'_>) {
        let heard = self.seat.exchange.heard(&self.seat.peer, view, keep);
        self.follow(heard).await;
    }

    async fn follow(&mut self, follow_up: FollowUp) {
        match follow_up {
            FollowUp::Done => {}
            FollowUp::Answer(frame) => self.seat.peer.answer(frame).await,
            FollowUp::Stray => {
                self.stray += 1;
                tracing::debug!(
                    target: "drover::protocol", connection = self.news.id.0, stray = self.stray, "an answer to nothing"
                );
                // The first, and then ever fewer: it may go on for ever.
                if self.stray.is_power_of_two() {
                    self.say(WorkerReport::Stray, 0).await;
                }
            }
        }
    }

    /// Tells the driver what concerns the worker's life.
    async fn say(&self, said: WorkerReport, seq: u64) {
        // It may be answered by an Error.
        self.seat.peer.room().await;
        if !matches!(said, WorkerReport::Started | WorkerReport::Stopped) {
            return self.news.tell(ConnectionNews::Said { said, seq, taken: None }).await;
        }
        // The worker is ready, or is not any more, for the frames behind this one.
        let (taken, is_taken) = oneshot::channel();
        self.news.tell(ConnectionNews::Said { said, seq, taken: Some(taken) }).await;
        let _ = is_taken.await;
    }

    async fn frame(&mut self, frame: &[u8]) -> Result<(), Broken> {
        let frame: WorkerFrame = match decode_frame(frame) {
            Ok(frame) => frame,
            Err(error) => return Err(Broken(self.bad_frame(&error).await)),
        };
        tracing::debug!(
            target: "drover::protocol", connection = self.news.id.0, seq = frame.seq, "← {}", name(&frame)
        );
        if let Some(said) = said(&frame) {
            self.say(said, frame.seq).await;
            return Ok(());
        }
        let WorkerFrame { seq, reply_to, expects_reply, must_understand, body } = frame;
        match body {
            Some(worker_frame::Body::Message(message)) => {
                let view = MessageView {
                    topic: &message.topic,
                    payload: &message.payload,
                    scope_number: message.scope,
                    worker: message.worker,
                    slot: message.slot,
                    timeout_ms: message.timeout_ms,
                    confirm: message.confirm,
                };
                let view = View { seq, reply_to, expects_reply, body: ViewBody::Message(view) };
                self.message(&view, Keep::Payload(&message.payload)).await;
            }
            Some(worker_frame::Body::Reply(reply)) => {
                let body = ViewBody::Reply { payload: &reply.payload };
                let view = View { seq, reply_to, expects_reply, body };
                self.message(&view, Keep::Payload(&reply.payload)).await;
            }
            // It may answer a request. If not, it is about a frame of the master's own, and matters if that asked for something.
            Some(worker_frame::Body::Error(error)) => {
                let code = ErrorCode::try_from(error.code).unwrap_or_default();
                let why = line(&error.message).into();
                let answer = Err(NoReply::Error(code, error.message));
                let heard = self.seat.exchange.answered(&self.seat.peer, reply_to, answer);
                if heard == FollowUp::Stray && code == ErrorCode::Failed && reply_to != 0 {
                    self.say(WorkerReport::Failed { asked: reply_to, why }, seq).await;
                }
            }
            Some(worker_frame::Body::Subscribe(subscribe)) => {
                self.subscription(seq, expects_reply, &subscribe.topic, true).await;
            }
            Some(worker_frame::Body::Unsubscribe(unsubscribe)) => {
                self.subscription(seq, expects_reply, &unsubscribe.topic, false).await;
            }
            Some(worker_frame::Body::Consumed(consumed)) => {
                self.seat.peer.consumed(consumed.bytes, consumed.window);
            }
            _ if must_understand => {
                let message = "a message that must be understood is not known here";
                let _ = self.answers.send(error_frame(seq, ErrorCode::Unimplemented, message)).await;
                return Err(Broken(message.into()));
            }
            _ if expects_reply => {
                let message = "this message is not known to the master";
                let _ = self.answers.send(error_frame(seq, ErrorCode::Unimplemented, message)).await;
            }
            _ => {}
        }
        Ok(())
    }

    async fn subscription(&mut self, seq: u64, expects_reply: bool, topic: &str, is_wanted: bool) {
        let answer = self.seat.exchange.subscription(&self.seat.peer, seq, topic, is_wanted);
        if expects_reply {
            self.seat.peer.answer(answer).await;
        }
    }

    /// Says what is wrong, and repeats it as the reason of the end.
    async fn bad_frame(&self, error: &FrameError) -> Arc<str> {
        let message = sentence(error);
        let _ = self.answers.send(error_frame(0, ErrorCode::BadFrame, &message)).await;
        message.into()
    }
}
