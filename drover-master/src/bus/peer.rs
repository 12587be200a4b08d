//! One worker on the bus, for as long as its connection lasts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use drover_proto::bus::{Batch, Direction, EncodedFrame, Mailbox, Outbound, OutboundBody, Refused};
use drover_proto::codec::encode_frame;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{ErrorCode, MasterFrame, master_frame};

use super::answer::{Answer, NoReply};
use super::ledger::Ledger;
use crate::frames::error_frame;
use crate::machine::worker::Identity;

/// What may wait for one worker, in bytes, of answers and of messages each: one of the largest frames, or some ten thousand small
/// ones. Too low: bursts are refused. Too high: memory for each worker that does not read.
const MAILBOX: usize = FrameLimit::WORKER.bytes() as usize;

/// How much of an error's sentence is handed on, in bytes. It is for people, and has to fit into any queue.
const SENTENCE: usize = 4096;

/// The bus's end of one connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) identity: Identity,
    pub(super) mailbox: Mailbox,
    /// Whether it takes messages at all.
    pub(super) takes: bool,
    /// Whether it is started. Written by the driver.
    is_ready: AtomicBool,
    ledger: Mutex<Ledger<Weak<Self>>>,
}

impl Peer {
    pub(crate) fn new(identity: Identity, takes: bool, is_ready: bool) -> Self {
        let mailbox = Mailbox::new(Direction::ToWorker, MAILBOX);
        Self { identity, mailbox, takes, is_ready: is_ready.into(), ledger: Mutex::default() }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    pub(super) fn set_ready(&self, is_ready: bool) {
        self.is_ready.store(is_ready, Ordering::Release);
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger<Weak<Self>>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be written next; `false`: nothing ever.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn outgoing(&self, batch: &mut Batch) -> bool {
        self.mailbox.take(batch).await
    }

    /// Nothing can be written to it any more, though it may be heard: nobody waits for room.
    pub(crate) fn no_longer_reads(&self) {
        self.mailbox.close();
    }

    /// The worker has room for this many bytes more, and, if it is not 0, for this many at once.
    pub(crate) fn consumed(&self, bytes: u64, window: u64) {
        self.mailbox.set_window(window);
        self.mailbox.consumed(bytes);
    }

    /// Puts in what the worker is owed for its own frame, when there is room. A worker that does not read its answers is not
    /// read either.
    pub(crate) async fn answer(&self, frame: Bytes) {
        // Without the connection there is nobody to answer.
        let _ = self.mailbox.push_answer(&EncodedFrame::of_frame(frame)).await;
    }

    /// Resolves when the answers that were not read yet leave room for another.
    pub(crate) async fn room(&self) {
        self.mailbox.room_for_answers().await;
    }

    /// Puts in a small answer, whether there is room or not.
    pub(super) fn owe(&self, frame: Bytes) {
        let _ = self.mailbox.push_owed(&EncodedFrame::of_frame(frame));
    }

    /// Answers a request of this worker.
    pub(super) fn reply(&self, reply_to: u64, answer: Answer) {
        let owed = match answer {
            Ok(payload) => {
                let reply = Outbound { reply_to, body: OutboundBody::Reply, ..Default::default() };
                match self.mailbox.try_push(&reply, payload) {
                    Ok(()) | Err(Refused::Closed) => return,
                    Err(Refused::Full) => error_frame(
                        reply_to,
                        ErrorCode::Busy,
                        "the reply is lost: it did not fit beside the answers that were not read yet",
                    ),
                }
            }
            Err(NoReply::Error(code, message)) => error_frame(reply_to, code, cut(&message)),
            Err(NoReply::Gone(slot)) => {
                let gone = format!("the worker of slot {slot} was gone before it replied");
                error_frame(reply_to, ErrorCode::Failed, &gone)
            }
        };
        // Small, and no more of them than it may have requests open.
        self.owe(owed);
    }
}

/// As much of a sentence as fits into a small frame.
fn cut(message: &str) -> &str {
    let end = (0..=SENTENCE.min(message.len())).rev().find(|at| message.is_char_boundary(*at));
    &message[..end.unwrap_or(0)]
}

/// A frame that answers one of a worker's.
pub(super) fn answer_frame(reply_to: u64, body: master_frame::Body) -> Bytes {
    let frame = MasterFrame { reply_to, body: Some(body), ..Default::default() };
    encode_frame(&frame, FrameLimit::WORKER).expect("an answer of a few numbers is below the limit")
}
