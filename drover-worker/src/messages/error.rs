//! What can go wrong with a message, one enum for each operation, and what they have in common.

use std::time::Duration;

use super::To;

/// A message that can't be sent: misuse, found before anything was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMessageError {
    /// The topic is too long.
    #[error("a topic of {bytes} bytes is over the limit of {limit}: {}…", begin(topic))]
    TopicTooLong {
        /// The topic.
        topic: String,
        /// Its length.
        bytes: usize,
        /// The longest there may be.
        limit: usize,
    },
    /// What is published or subscribed to needs a topic.
    #[error("the topic is empty, and would reach nobody")]
    NoTopic,
    /// The payload is too large.
    #[error("a payload of {bytes} bytes for {topic:?} is over the limit of {limit}")]
    PayloadTooLarge {
        /// The topic; that of the request, if it is a reply.
        topic: String,
        /// The size of the payload.
        bytes: usize,
        /// The largest there may be.
        limit: usize,
    },
}

/// Why nothing can be sent to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoBusError {
    /// The worker runs [without a master](crate::MessageBus::is_standalone).
    #[error("there is no master to carry messages: the worker is standalone")]
    Standalone,
    /// The master does not carry messages; one of an earlier version, perhaps.
    #[error("the master carries no messages")]
    NotCarried,
    /// The master went away while this was under way: nobody knows what has become of it, and on the next connection it may be tried
    /// again. Or there is no master any more, or the worker has said ShutDown.
    #[error("the master went away: the connection to it has ended")]
    MasterGone,
}

/// Why the master did not pass a message on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedError {
    /// There is no such worker, or none in that slot.
    #[error("there is no {to} for {topic:?}")]
    NotFound {
        /// Who it was for.
        to: To,
        /// What it was about.
        topic: String,
    },
    /// The worker is not started, or not any more.
    #[error("{to} is not ready for {topic:?}")]
    NotReady {
        /// Who it was for.
        to: To,
        /// What it was about.
        topic: String,
    },
    /// The worker, or the program that embeds the master, takes no messages at all.
    #[error("{to} takes no messages, such as {topic:?}")]
    TakesNone {
        /// Who it was for.
        to: To,
        /// What it was about.
        topic: String,
    },
    /// Too much waits already: the queue to the receiver is full, or the master has too many requests of this worker. Try again.
    #[error("{topic:?} to {to} was refused, because too much already waits: {message}")]
    Busy {
        /// Who it was for.
        to: To,
        /// What it was about.
        topic: String,
        /// What is full, in the master's words.
        message: String,
    },
    /// Another reason.
    #[error("{topic:?} to {to} was refused with {code}: {message}")]
    Other {
        /// Who it was for.
        to: To,
        /// What it was about.
        topic: String,
        /// The protocol's name of the reason.
        code: &'static str,
        /// The master's words.
        message: String,
    },
}

/// Why [`send`](crate::MessageBus::send) or [`try_send`](crate::MessageBus::try_send) did not send a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendMessageError {
    /// Misuse.
    #[error(transparent)]
    Invalid(#[from] InvalidMessageError),
    /// Nothing can be sent to anybody.
    #[error(transparent)]
    NoBus(#[from] NoBusError),
    /// The master did not pass it on.
    #[error(transparent)]
    Refused(#[from] RefusedError),
    /// [`try_send`](crate::MessageBus::try_send) only: more waits for the connection than may.
    #[error("no room for {topic:?} to {to}: up to {limit} bytes may wait for the connection")]
    QueueFull {
        /// Who it was for.
        to: To,
        /// What it was about.
        topic: String,
        /// How many bytes may wait.
        limit: usize,
    },
    /// Too many requests already wait for an answer.
    #[error(transparent)]
    TooManyOpen(#[from] TooManyOpenError),
    /// The master did not say whether it passed the message on.
    #[error("the master did not confirm {topic:?} to {to} within {} s", after.as_secs())]
    TimedOut {
        /// Who it was for.
        to: To,
        /// What it was about.
        topic: String,
        /// How long the wait was.
        after: Duration,
    },
}

/// Why [`request`](crate::MessageBus::request) has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Misuse.
    #[error(transparent)]
    Invalid(#[from] InvalidMessageError),
    /// Nothing can be sent to anybody. With [`NoBusError::MasterGone`] the request may have been carried out.
    #[error(transparent)]
    NoBus(#[from] NoBusError),
    /// The master did not pass it on.
    #[error(transparent)]
    Refused(#[from] RefusedError),
    /// The receiver refused, dropped the request unanswered, or has ended. The request may have been carried out.
    #[error("{to} failed to answer {topic:?}: {message}")]
    Failed {
        /// The receiver.
        to: To,
        /// What it was about.
        topic: String,
        /// The receiver's words, or the master's.
        message: String,
    },
    /// Too many requests already wait for an answer.
    #[error(transparent)]
    TooManyOpen(#[from] TooManyOpenError),
    /// No reply in time. The request may have been carried out.
    #[error("{to} did not answer {topic:?} within {} ms", after.as_millis())]
    TimedOut {
        /// The receiver.
        to: To,
        /// What it was about.
        topic: String,
        /// How long the wait for the reply was.
        after: Duration,
    },
}

/// Why [`broadcast`](crate::MessageBus::broadcast) or [`publish`](crate::MessageBus::publish) reached nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Misuse.
    #[error(transparent)]
    Invalid(#[from] InvalidMessageError),
    /// Nothing can be sent to anybody.
    #[error(transparent)]
    NoBus(#[from] NoBusError),
    /// The master did not pass it on.
    #[error("{topic:?} was refused with {code}: {message}")]
    Refused {
        /// What it was about.
        topic: String,
        /// The protocol's name of the reason.
        code: &'static str,
        /// The master's words.
        message: String,
    },
    /// Too many requests already wait for an answer.
    #[error(transparent)]
    TooManyOpen(#[from] TooManyOpenError),
    /// The master did not say whom it reached.
    #[error("the master did not confirm {topic:?} within {} s", after.as_secs())]
    TimedOut {
        /// What it was about.
        topic: String,
        /// How long the wait was.
        after: Duration,
    },
}

/// Why [`subscribe`](crate::MessageBus::subscribe) or [`unsubscribe`](crate::MessageBus::unsubscribe) changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// Misuse.
    #[error(transparent)]
    Invalid(#[from] InvalidMessageError),
    /// Misuse: the bus was set up without [`messages`](crate::MessageBusBuilder::messages).
    #[error("this worker takes no messages, such as {topic:?}: it was set up without messages()")]
    TakesNone {
        /// The topic.
        topic: String,
    },
    /// There is nobody to subscribe with.
    #[error(transparent)]
    NoBus(#[from] NoBusError),
    /// The master refused: `BUSY` means that the worker has too many subscriptions, 256 by the protocol.
    #[error("the subscription to {topic:?} was refused with {code}: {message}")]
    Refused {
        /// The topic.
        topic: String,
        /// The protocol's name of the reason.
        code: &'static str,
        /// The master's words.
        message: String,
    },
    /// Too many requests already wait for an answer.
    #[error(transparent)]
    TooManyOpen(#[from] TooManyOpenError),
    /// The master did not answer.
    #[error("the master did not answer the subscription to {topic:?} within {} s", after.as_secs())]
    TimedOut {
        /// The topic.
        topic: String,
        /// How long the wait was.
        after: Duration,
    },
}

/// Why [`reply`](crate::Message::reply) or [`refuse`](crate::Message::refuse) did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// Misuse: who sent the message does not wait for an answer.
    #[error("{topic:?} is not a request, so nobody waits for an answer")]
    NotARequest {
        /// What it was about.
        topic: String,
    },
    /// Misuse. The asker learns that the request failed.
    #[error(transparent)]
    Invalid(#[from] InvalidMessageError),
    /// The connection has ended, and with it who asked has its answer.
    #[error(transparent)]
    NoBus(#[from] NoBusError),
}

/// At most this many answers may be open in a worker: to requests, confirmations and subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{limit} requests already wait for an answer, which is the maximum")]
pub struct TooManyOpenError {
    /// The most there may be.
    pub limit: usize,
}

fn begin(topic: &str) -> String {
    format!("{:?}", topic.chars().take(32).collect::<String>())
}
