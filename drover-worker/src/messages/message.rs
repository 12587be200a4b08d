//! A message that was received, and its answer.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::error::ReplyError;
use super::inbox::Parcel;
use super::post::{Duty, Post};

/// The most of a refusal's text that is sent, in bytes; what is longer is cut.
const REFUSAL_BYTES: usize = 4096;

/// A message of the application; from [`MessageBus::message`](crate::MessageBus::message).
///
/// One that [is a request](Self::is_request) is answered exactly once: by [`reply`](Self::reply), by [`refuse`](Self::refuse), or, if
/// it is dropped, by an error that says so.
pub struct Message {
    topic: Arc<str>,
    payload: Bytes,
    from: Sender,
    reach: Reach,
    duty: Option<Duty>,
}

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sender {
    /// The program that embeds the master, or a person.
    App,
    /// The worker with this id; see [`Identity::worker_id`](crate::Identity::worker_id).
    Worker(u64),
}

/// As what a message was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reach {
    /// To this worker, or to whichever is in its slot. So counts too what a later version calls otherwise.
    Direct,
    /// To all other workers of the app.
    Broadcast,
    /// To all others that have [subscribed](crate::MessageBus::subscribe) to its topic.
    Published,
}

impl Message {
    pub(crate) fn new(received: Parcel, post: &Arc<Post>) -> Self {
        let Parcel { topic, payload, from, reach, request, length: _ } = received;
        let duty = request.map(|seq| Duty::new(Arc::clone(post), seq));
        Self { topic, payload, from, reach, duty }
    }

    /// Who sent it.
    pub fn from(&self) -> Sender {
        self.from
    }

    /// As what it was sent.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// What it is about; the application's own words, perhaps none.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The application's own bytes. A clone shares them. Small ones of a burst lie side by side in 4 KiB, and what is left of a buffer is
    /// held as long as any of it: copy what is kept for long.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Whether its sender waits for an answer.
    pub fn is_request(&self) -> bool {
        self.duty.is_some()
    }

    /// Answers the request.
    ///
    /// Returns when the reply is in the queue to the master; waits while that is full (256 KiB), which is over as soon as the
    /// master reads.
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nobody waits for an answer, the payload is too large, or the master is gone. A sender that has
    /// ceased to wait is none, nor is a connection that was lost meanwhile: the reply is dropped then.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped while it waits has not replied; the request counts as dropped, and its sender is told so.
    pub async fn reply(self, payload: impl Into<Bytes>) -> Result<(), ReplyError> {
        let payload = payload.into();
        let Self { topic, duty, .. } = self;
        let Some(duty) = duty else { return Err(not_a_request(&topic)) };
        if let Err(error) = duty.check(&topic, payload.len()) {
            // The sender hears of it; that the connection has ended is not what went wrong first.
            let _ended = duty.refuse(error.to_string());
            return Err(error.into());
        }
        Ok(duty.reply(payload).await?)
    }

    /// Answers the request with a failure, in words for people (cut after 4 KiB). Its sender gets
    /// [`RequestError::Failed`](crate::RequestError::Failed) with them. Never waits.
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nobody waits for an answer, or the connection has ended.
    pub fn refuse(self, message: impl Into<String>) -> Result<(), ReplyError> {
        let Some(duty) = self.duty else { return Err(not_a_request(&self.topic)) };
        let mut message = message.into();
        crate::text::cut(&mut message, REFUSAL_BYTES);
        Ok(duty.refuse(message)?)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("from", &self.from)
            .field("reach", &self.reach)
            .field("is_request", &self.is_request())
            .finish()
    }
}

fn not_a_request(topic: &str) -> ReplyError {
    ReplyError::NotARequest { topic: topic.to_owned() }
}
