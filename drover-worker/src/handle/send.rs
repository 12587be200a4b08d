//! A message to one: sent, or asked with a reply to wait for.

use std::time::Duration;

use bytes::Bytes;
use drover_proto::bus::Refused;
use drover_proto::latest::ErrorCode;

use super::MessageBus;
use crate::messages::post::{Asks, Post, QUEUE_LIMIT, message};
use crate::messages::{
    Answer, CONFIRMATION, NoBusError, RefusedError, RequestError, SendMessageError, To, confirmed, error_of,
    name,
};

/// How much longer than the master a request waits: the master's answer, which knows more, comes first.
const BACKSTOP: Duration = Duration::from_secs(1);

/// There is no room in the queue.
struct Full;

impl MessageBus {
    /// Sends a message, at most once.
    ///
    /// To the [program of the master](To::App) it returns when the message is in the queue to the master, and waits while that is full
    /// (256 KiB), which slows down a sender that is faster than the master reads. To a worker it returns when the message is in that
    /// worker's queue at the master. Neither says that the receiver handles it; [`request`](Self::request) does.
    ///
    /// # Errors
    ///
    /// [`SendMessageError`]: it went nowhere, but for [`TimedOut`](SendMessageError::TimedOut), and for
    /// [`NoBus`](SendMessageError::NoBus) to a worker, after which it may have.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has sent the message as a whole, or not at all.
    pub async fn send(
        &self,
        to: To,
        topic: impl AsRef<str>,
        payload: impl Into<Bytes>,
    ) -> Result<(), SendMessageError> {
        let (topic, mut payload) = (topic.as_ref(), payload.into());
        if to == To::App {
            // Nearly always there is room, and what does not wait need not be kept for a wait.
            match self.offer(to, topic, &mut payload)? {
                Ok(()) => return Ok(()),
                Err(Full) => return self.send_when_there_is_room(to, topic, payload).await,
            }
        }
        self.send_confirmed(to, topic, payload).await
    }

    async fn send_when_there_is_room(
        &self,
        to: To,
        topic: &str,
        payload: Bytes,
    ) -> Result<(), SendMessageError> {
        let outbound = message(to.scope(), Some(to), topic, Asks::Nothing);
        Ok(self.post()?.push(&outbound, payload).await?)
    }

    async fn send_confirmed(&self, to: To, topic: &str, payload: Bytes) -> Result<(), SendMessageError> {
        let post = self.post()?;
        post.check(topic, payload.len())?;
        let mut question = post.questions.ask::<SendMessageError>()?;
        let asks = Asks::Confirmation { seq: question.seq };
        post.push(&message(to.scope(), Some(to), topic, asks), payload).await?;
        match confirmed(&mut question).await? {
            Some(Answer::Accepted(_)) => Ok(()),
            Some(answer) => Err(refused(to, topic, answer).into()),
            None => Err(SendMessageError::TimedOut { to, topic: topic.to_owned(), after: CONFIRMATION }),
        }
    }

    /// Puts a message that is not answered into the queue and takes its payload, if there is room.
    fn offer(&self, to: To, topic: &str, payload: &mut Bytes) -> Result<Result<(), Full>, SendMessageError> {
        let post = self.post()?;
        post.check(topic, payload.len())?;
        check_app(&post, to, topic)?;
        let outbound = message(to.scope(), Some(to), topic, Asks::Nothing);
        match post.mailbox.try_push_from(&outbound, payload) {
            Ok(()) => Ok(Ok(())),
            Err(Refused::Full) => Ok(Err(Full)),
            Err(Refused::Closed) => Err(NoBusError::MasterGone.into()),
        }
    }

    /// Sends a message if there is room in the queue to the master, without ever waiting. What the master refuses then, because
    /// the worker it is for is not there, say, the master counts and logs.
    ///
    /// # Errors
    ///
    /// [`SendMessageError::QueueFull`] if there is no room (256 KiB). As [`send`](Self::send), but for what the master says.
    pub fn try_send(
        &self,
        to: To,
        topic: impl AsRef<str>,
        payload: impl Into<Bytes>,
    ) -> Result<(), SendMessageError> {
        let (topic, mut payload) = (topic.as_ref(), payload.into());
        let full = || SendMessageError::QueueFull { to, topic: topic.to_owned(), limit: QUEUE_LIMIT };
        self.offer(to, topic, &mut payload)?.map_err(|Full| full())
    }

    /// Sends a request and waits for its reply, up to `timeout`.
    ///
    /// # Errors
    ///
    /// [`RequestError`]: there is no reply. Its variants tell where the request may have been carried out nevertheless.
    ///
    /// # Cancel safety
    ///
    /// A dropped future waits no longer: the request is on its way or not, and its reply is dropped when it comes.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time enabled.
    pub async fn request(
        &self,
        to: To,
        topic: impl AsRef<str>,
        payload: impl Into<Bytes>,
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        self.request_bytes(to, topic.as_ref(), payload.into(), timeout).await
    }

    async fn request_bytes(
        &self,
        to: To,
        topic: &str,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        let post = self.post()?;
        post.check(topic, payload.len())?;
        check_app(&post, to, topic)?;
        let mut question = post.questions.ask::<RequestError>()?;
        let asks = Asks::Reply { seq: question.seq, timeout };
        let outbound = message(to.scope(), Some(to), topic, asks);
        let answer = tokio::time::timeout(timeout.saturating_add(BACKSTOP), async {
            post.push(&outbound, payload).await?;
            question.answered().await
        });
        let timed_out = || RequestError::TimedOut { to, topic: topic.to_owned(), after: timeout };
        match answer.await.map_err(|_| timed_out())?? {
            Answer::Reply(payload) => Ok(payload),
            Answer::Error(error) if error.code() == ErrorCode::Deadline => Err(timed_out()),
            Answer::Error(error) if error.code() == ErrorCode::Failed => {
                Err(RequestError::Failed { to, topic: topic.to_owned(), message: error.message })
            }
            answer => Err(refused(to, topic, answer).into()),
        }
    }
}

/// What is sent to the program of the master needs one that takes messages.
fn check_app(post: &Post, to: To, topic: &str) -> Result<(), RefusedError> {
    if to == To::App && !post.has_app {
        return Err(RefusedError::TakesNone { to, topic: topic.to_owned() });
    }
    Ok(())
}

/// An answer that is not the one hoped for, of the master.
fn refused(to: To, topic: &str, answer: Answer) -> RefusedError {
    let topic = topic.to_owned();
    let error = error_of(answer);
    match error.code() {
        ErrorCode::NotFound => RefusedError::NotFound { to, topic },
        ErrorCode::NotReady => RefusedError::NotReady { to, topic },
        ErrorCode::Unimplemented => RefusedError::TakesNone { to, topic },
        ErrorCode::Busy => RefusedError::Busy { to, topic, message: error.message },
        code => RefusedError::Other { to, topic, code: name(code.into()), message: error.message },
    }
}
