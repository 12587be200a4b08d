//! The program's own part in the bus: what workers send to it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use drover_proto::latest::ErrorCode;

use super::answer::{Answer, NoReply};
use super::deadlines::RequestDeadlines;
use super::keep::Keep;
use super::peer::Peer;
use crate::machine::worker::Identity;

/// A message that a worker has sent to the program.
///
/// It is lent to the handler: what is to be kept of the payload is copied, or taken by [`to_bytes`](Self::to_bytes).
#[derive(Debug)]
pub struct Message<'a> {
    pub(super) from: Identity,
    pub(super) topic: &'a str,
    pub(super) payload: &'a [u8],
    pub(super) keep: Keep<'a>,
    pub(super) responder: Option<Responder>,
}

impl<'a> Message<'a> {
    /// The worker that sent it.
    pub fn from(&self) -> Identity {
        self.from
    }

    /// What it is about; may be empty.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// What it says.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// What it says, to be kept: a large payload is not copied.
    pub fn to_bytes(&self) -> Bytes {
        self.keep.keep(self.payload)
    }

    /// Whether the worker waits for a reply.
    pub fn is_request(&self) -> bool {
        self.responder.is_some()
    }

    /// By which it is answered, now or later, if it is a request. Taken once.
    pub fn responder(&mut self) -> Option<Responder> {
        self.responder.take()
    }
}

/// Answers one request, once. Dropped, it answers with an error, so that nobody waits in vain.
#[derive(Debug)]
#[must_use = "dropped, it answers with an error"]
pub struct Responder {
    /// Weak, as is who asked: a handler may keep this for as long as it likes.
    deadlines: Weak<RequestDeadlines>,
    asker: Weak<Peer>,
    seq: u64,
}

impl Responder {
    pub(super) fn new(deadlines: Weak<RequestDeadlines>, asker: Weak<Peer>, seq: u64) -> Self {
        Self { deadlines, asker, seq }
    }

    /// Replies. What is over 1 MiB is not sent: the worker gets an error that says so. If the worker does not wait any more, or
    /// is gone, nothing happens.
    pub fn reply(self, payload: impl Into<Bytes>) {
        let payload = payload.into();
        let answer = match super::error::check("", payload.len()) {
            Ok(()) => Ok(payload),
            Err(error) => Err(NoReply::Error(ErrorCode::Failed, error.to_string())),
        };
        self.answer(answer);
    }

    /// Answers with an error: its kind, and a sentence for people.
    pub fn refuse(self, code: ErrorCode, message: impl Into<String>) {
        self.answer(Err(NoReply::Error(code, message.into())));
    }

    fn answer(&self, answer: Answer) {
        let Some(asker) = self.asker.upgrade() else { return };
        let Some(open) = asker.ledger().close(self.seq) else { return };
        if let Some(deadlines) = self.deadlines.upgrade() {
            deadlines.remove(open.deadline, asker.identity.id, self.seq);
        }
        asker.reply(self.seq, answer);
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // Nothing is left to answer if it was.
        let message = "the program did not answer the request".to_owned();
        self.answer(Err(NoReply::Error(ErrorCode::Failed, message)));
    }
}

/// The program's closure.
#[derive(Clone)]
pub(crate) struct Handler(Arc<dyn Fn(Message<'_>) + Send + Sync>);

impl Handler {
    pub(crate) fn new(closure: impl Fn(Message<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(closure))
    }

    /// Calls the closure. One that panics has lost this message; a request is answered with an error.
    pub(super) fn call(&self, message: Message<'_>) {
        let worker = message.from.id;
        if catch_unwind(AssertUnwindSafe(|| (self.0)(message))).is_err() {
            tracing::error!(target: "drover::bus", worker = worker.0, "the message handler panicked; the message is lost");
        }
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler(…)")
    }
}
