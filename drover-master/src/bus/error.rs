//! Why a message did not get through.

use std::time::Duration;

use drover_proto::bus::{PAYLOAD_LIMIT, TOPIC_LIMIT};
use drover_proto::latest::ErrorCode;

use crate::machine::readable::Readable;

/// Why a message was not sent. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Misuse: the topic is too long.
    #[error("a topic of {length} bytes is over the limit of {TOPIC_LIMIT} bytes")]
    TopicTooLong {
        /// In bytes.
        length: usize,
    },
    /// Misuse: who subscribes to nothing gets nothing.
    #[error("a publication needs a topic")]
    NoTopic,
    /// Misuse: the payload is too large.
    #[error("a payload of {length} bytes is over the limit of {PAYLOAD_LIMIT} bytes")]
    PayloadTooLarge {
        /// In bytes.
        length: usize,
    },
    /// There is no such worker.
    #[error("{to} of {app} does not exist, or speaks no protocol")]
    NoWorker {
        /// The app.
        app: String,
        /// The worker or the slot.
        to: String,
    },
    /// The worker is not ready, or not any more.
    #[error("{app}/{worker} is not ready")]
    NotReady {
        /// The app.
        app: String,
        /// Its slot.
        worker: u32,
    },
    /// The worker did not name the capability `bus`.
    #[error("{app}/{worker} takes no messages")]
    TakesNone {
        /// The app.
        app: String,
        /// Its slot.
        worker: u32,
    },
    /// The worker does not take what waits for it already.
    #[error("the queue of {app}/{worker} is full: {bytes} bytes wait")]
    Full {
        /// The app.
        app: String,
        /// Its slot.
        worker: u32,
        /// What waits for it.
        bytes: usize,
    },
    /// There was no room for it in time.
    #[error("the queue of {app}/{worker} was full for {after:?}")]
    TimedOut {
        /// The app.
        app: String,
        /// Its slot.
        worker: u32,
        /// So long.
        after: Duration,
    },
}

impl SendError {
    /// The error's name on the wire.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::TopicTooLong { .. } | Self::NoTopic | Self::PayloadTooLarge { .. } => {
                ErrorCode::InvalidArgument
            }
            Self::NoWorker { .. } => ErrorCode::NotFound,
            Self::NotReady { .. } => ErrorCode::NotReady,
            Self::TakesNone { .. } => ErrorCode::Unimplemented,
            Self::Full { .. } => ErrorCode::Busy,
            Self::TimedOut { .. } => ErrorCode::Deadline,
        }
    }
}

/// Why a request has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It was not sent.
    #[error(transparent)]
    NotSent(#[from] SendError),
    /// The worker did not reply in time. If it does later, nobody hears it.
    #[error("{app}/{worker} did not reply within {after:?}")]
    TimedOut {
        /// The app.
        app: String,
        /// Its slot.
        worker: u32,
        /// So long.
        after: Duration,
    },
    /// The worker's answer is an error.
    #[error("{app}/{worker} refused: {} ({code:?})", Readable(message))]
    Refused {
        /// The app.
        app: String,
        /// Its slot.
        worker: u32,
        /// What kind of refusal it is.
        code: ErrorCode,
        /// What it said.
        message: String,
    },
    /// The worker ended, or lost its connection, before it replied.
    #[error("{app}/{worker} was gone before it replied")]
    Gone {
        /// The app.
        app: String,
        /// Its slot.
        worker: u32,
    },
}

impl RequestError {
    /// The error's name on the wire.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::NotSent(error) => error.code(),
            Self::TimedOut { .. } => ErrorCode::Deadline,
            Self::Refused { code, .. } => *code,
            Self::Gone { .. } => ErrorCode::Failed,
        }
    }
}

/// Why a worker's message is refused: the code and the sentence of the Error that it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MessageRefusal {
    pub code: ErrorCode,
    pub message: String,
}

impl MessageRefusal {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<SendError> for MessageRefusal {
    fn from(error: SendError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// Checks what every sender has to keep.
pub(super) fn check(topic: &str, payload: usize) -> Result<(), SendError> {
    if topic.len() > TOPIC_LIMIT {
        return Err(SendError::TopicTooLong { length: topic.len() });
    }
    if payload > PAYLOAD_LIMIT {
        return Err(SendError::PayloadTooLarge { length: payload });
    }
    Ok(())
}
