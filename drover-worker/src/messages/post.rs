//! What the handles of a bus and its connection share for messages: the queue out, the queue in, the open questions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use drover_proto::bus::{
    Direction, EncodedFrame, Mailbox, Outbound, OutboundBody, PAYLOAD_LIMIT, TOPIC_LIMIT,
};
use drover_proto::codec::encode_frame;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{Error, ErrorCode, Scope, WorkerFrame, worker_frame};

use super::To;
use super::error::{InvalidMessageError, NoBusError};
use super::inbox::Inbox;
use super::questions::Questions;
use super::subscriptions::Subscriptions;

/// How many bytes may wait for the connection. Too low: senders wait often. Too high: a Pong waits until as much is
/// written as was taken off the queue at once, which may be all of it.
pub(crate) const QUEUE_LIMIT: usize = 256 * 1024;

/// What a frame may hold around topic and payload, with room to spare: envelope, numbers, and the lengths of the parts.
const AROUND: usize = 128;

/// One for each connection.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) mailbox: Mailbox,
    pub(crate) inbox: Inbox,
    pub(crate) questions: Questions,
    /// Outlives the connection.
    pub(crate) subscriptions: Arc<Subscriptions>,
    /// Whether this worker has announced that it takes messages.
    pub(crate) takes: bool,
    /// Whether the master carries messages, and whether the program that embeds it takes some.
    carries: bool,
    pub(crate) has_app: bool,
    limit: FrameLimit,
    /// The connection is lost, and perhaps another follows.
    is_lost: AtomicBool,
}

impl Post {
    /// `window`: that of a worker that takes messages. `capabilities`: the master's.
    pub(crate) fn new(window: Option<u64>, capabilities: &[String], limit: FrameLimit) -> Self {
        let has = |name| capabilities.iter().any(|capability| capability == name);
        Self {
            mailbox: Mailbox::new(Direction::ToMaster, QUEUE_LIMIT),
            inbox: Inbox::new(window.unwrap_or_default()),
            questions: Questions::default(),
            subscriptions: Arc::default(),
            takes: window.is_some(),
            carries: has("bus"),
            has_app: has("app"),
            limit,
            is_lost: AtomicBool::new(false),
        }
    }

    /// That of the next connection: questions and duties end with this one, what has come and was not taken does not.
    pub(crate) fn of_next_connection(&self) -> Self {
        Self {
            mailbox: Mailbox::new(Direction::ToMaster, QUEUE_LIMIT),
            inbox: self.inbox.of_next_connection(),
            questions: Questions::default(),
            subscriptions: Arc::clone(&self.subscriptions),
            is_lost: AtomicBool::new(false),
            ..*self
        }
    }

    /// Whether it is as good for a master that says this.
    pub(crate) fn fits(&self, capabilities: &[String], limit: FrameLimit) -> bool {
        let other = Self::new(None, capabilities, limit);
        (self.carries, self.has_app, self.limit) == (other.carries, other.has_app, other.limit)
    }

    /// The same, for a master that says this.
    pub(crate) fn of_next_master(&self, capabilities: &[String], limit: FrameLimit) -> Self {
        let Self { carries, has_app, .. } = Self::new(None, capabilities, limit);
        Self { carries, has_app, limit, ..self.of_next_connection() }
    }

    /// Whether messages can be sent at all.
    pub(crate) fn check_carried(&self) -> Result<(), NoBusError> {
        if self.carries { Ok(()) } else { Err(NoBusError::NotCarried) }
    }

    /// Whether a message of this size can be sent, or a reply under this topic.
    pub(crate) fn check(&self, topic: &str, payload: usize) -> Result<(), InvalidMessageError> {
        check_topic(topic)?;
        let room = (self.limit.bytes() as usize).saturating_sub(TOPIC_LIMIT + AROUND);
        let limit = PAYLOAD_LIMIT.min(room);
        if payload > limit {
            return Err(InvalidMessageError::PayloadTooLarge {
                topic: topic.to_owned(),
                bytes: payload,
                limit,
            });
        }
        Ok(())
    }

    /// Puts a frame into the queue, when there is room.
    pub(crate) async fn push(&self, outbound: &Outbound<'_>, payload: Bytes) -> Result<(), NoBusError> {
        self.mailbox.push(outbound, payload).await.map_err(|_| NoBusError::MasterGone)
    }

    /// Answers a request with an error, room or not: it is owed, and the window bounds how many are.
    pub(crate) fn refuse(&self, reply_to: u64, code: ErrorCode, message: String) -> Result<(), NoBusError> {
        let body = Some(worker_frame::Body::Error(Error { code: code.into(), message }));
        let frame = WorkerFrame { reply_to, body, ..Default::default() };
        let Ok(frame) = encode_frame(&frame, self.limit) else {
            // Only under a limit that no handshake fits into; the master answers when its time is over.
            return Ok(());
        };
        self.mailbox.push_owed(&EncodedFrame::of_frame(frame)).map_err(|_| NoBusError::MasterGone)
    }

    /// The connection is lost, and perhaps another follows: nobody waits any longer for what was asked and is answered on this one.
    pub(crate) fn lose(&self) {
        self.is_lost.store(true, Ordering::Release);
        self.close();
    }

    /// What comes of an answer: whoever asked on a connection that is lost has been told so, as one that has ceased to wait.
    fn answered(&self, result: Result<(), NoBusError>) -> Result<(), NoBusError> {
        if self.is_lost.load(Ordering::Acquire) { Ok(()) } else { result }
    }

    /// The connection has ended: nobody waits any longer.
    pub(crate) fn close(&self) {
        self.mailbox.close();
        self.questions.close();
        self.inbox.end();
    }
}

/// Whether a topic can be sent.
pub(crate) fn check_topic(topic: &str) -> Result<(), InvalidMessageError> {
    if topic.len() <= TOPIC_LIMIT {
        return Ok(());
    }
    Err(InvalidMessageError::TopicTooLong { topic: topic.to_owned(), bytes: topic.len(), limit: TOPIC_LIMIT })
}

/// What a message's frame asks of the master.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asks {
    Nothing,
    Confirmation { seq: u64 },
    Reply { seq: u64, timeout: Duration },
}

/// The frame of a message, but for its payload.
pub(crate) fn message(scope: Scope, to: Option<To>, topic: &str, asks: Asks) -> Outbound<'_> {
    let (seq, timeout_ms, confirm) = match asks {
        Asks::Nothing => (0, 0, false),
        Asks::Confirmation { seq } => (seq, 0, true),
        Asks::Reply { seq, timeout } => (seq, whole_millis(timeout), false),
    };
    let worker = if let Some(To::Worker(id)) = to { id } else { 0 };
    let slot = if let Some(To::Slot(slot)) = to { slot } else { 0 };
    let body = OutboundBody::Message { topic, scope, worker, slot, timeout_ms, confirm };
    Outbound { seq, reply_to: 0, expects_reply: seq != 0, body }
}

/// In milliseconds, rounded up and at least 1, because 0 means 30 s.
fn whole_millis(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1)
}

/// The duty to answer one request. Dropped, it answers with an error, so that there is exactly one answer.
#[derive(Debug)]
pub(crate) struct Duty {
    post: Arc<Post>,
    /// 0: done.
    seq: u64,
}

impl Duty {
    pub(crate) fn new(post: Arc<Post>, seq: u64) -> Self {
        Self { post, seq }
    }

    pub(crate) async fn reply(mut self, payload: Bytes) -> Result<(), NoBusError> {
        let outbound = Outbound { reply_to: self.seq, body: OutboundBody::Reply, ..Default::default() };
        // CANCEL: dropped before there is room, it is a duty still.
        let result = self.post.push(&outbound, payload).await;
        self.seq = 0;
        self.post.answered(result)
    }

    pub(crate) fn refuse(mut self, message: String) -> Result<(), NoBusError> {
        let seq = std::mem::take(&mut self.seq);
        self.post.answered(self.post.refuse(seq, ErrorCode::Failed, message))
    }

    pub(crate) fn check(&self, topic: &str, payload: usize) -> Result<(), InvalidMessageError> {
        self.post.check(topic, payload)
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        if self.seq != 0 {
            // After the end of the connection nobody waits for it.
            let _ended = self.post.refuse(
                self.seq,
                ErrorCode::Failed,
                "the request was dropped unanswered by the worker".to_owned(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_never_sent_as_the_zero_that_means_thirty_seconds() {
        for (timeout, millis) in [
            (Duration::ZERO, 1),
            (Duration::from_nanos(1), 1),
            (Duration::from_micros(1500), 2),
            (Duration::from_secs(3), 3000),
            (Duration::MAX, u64::MAX),
        ] {
            assert_eq!(whole_millis(timeout), millis);
        }
    }

    #[test]
    fn the_largest_message_fits_into_a_frame_and_a_lower_limit_of_the_master_counts() {
        let topic = "t".repeat(TOPIC_LIMIT);
        let post = Post::new(None, &[], FrameLimit::WORKER);
        post.check(&topic, PAYLOAD_LIMIT).unwrap();
        let asks = Asks::Reply { seq: u64::MAX, timeout: Duration::MAX };
        let largest = message(Scope::Worker, Some(To::Worker(u64::MAX)), &topic, asks);
        let length = largest.length(Direction::ToMaster, PAYLOAD_LIMIT);
        FrameLimit::WORKER.check_length(length).unwrap();
        assert!(length - PAYLOAD_LIMIT - TOPIC_LIMIT <= AROUND);

        let error = post.check("t", PAYLOAD_LIMIT + 1).unwrap_err();
        assert_eq!(error.to_string(), r#"a payload of 1048577 bytes for "t" is over the limit of 1048576"#);
        let low = Post::new(None, &[], FrameLimit::new(1000));
        low.check("t", 1000 - TOPIC_LIMIT - AROUND).unwrap();
        low.check("t", 1000 - TOPIC_LIMIT - AROUND + 1).unwrap_err();
    }
}
