//! Messages of the application: to the program that embeds the master, to other workers, and from all of them.
//!
//! ```text
//!  send, request ─────► Mailbox ──► writer ──► socket ──► reader ──► Inbox ──► message()
//!  reply, refuse ─────►    256 KiB                           │         window
//!                                                            └──► Questions ──► request(), send()
//! ```

mod error;
mod inbox;
mod message;
pub(crate) mod post;
mod questions;
mod subscriptions;

use std::fmt;
use std::time::Duration;

use drover_proto::latest::{Error, ErrorCode, Scope};

pub use self::error::{
    InvalidMessageError, NoBusError, PublishError, RefusedError, ReplyError, RequestError, SendMessageError,
    SubscribeError, TooManyOpenError,
};
pub(crate) use self::inbox::Parcel;
pub use self::message::{Message, Reach, Sender};
pub(crate) use self::post::Post;
pub(crate) use self::questions::Answer;
use self::questions::Question;

/// How long to wait for the master to confirm what it does at once. Shorter gives up on a starved host, longer hides a
/// master that hangs.
pub(crate) const CONFIRMATION: Duration = Duration::from_secs(30);

/// Who gets a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum To {
    /// The program that embeds the master.
    App,
    /// The worker of the same app with this id; it may be oneself.
    Worker(u64),
    /// The worker of the same app that is ready in this slot.
    Slot(u32),
}

impl To {
    pub(crate) const fn scope(self) -> Scope {
        match self {
            Self::App => Scope::App,
            Self::Worker(_) => Scope::Worker,
            Self::Slot(_) => Scope::Slot,
        }
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App => f.write_str("the program of the master"),
            Self::Worker(id) => write!(f, "worker {id}"),
            Self::Slot(slot) => write!(f, "worker of slot {slot}"),
        }
    }
}

/// How many got a message to several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// How many workers it goes to. 0 is not an error: there may be no other, or no subscriber.
    pub delivered: u32,
    /// How many it does not go to, because their queues are full.
    pub refused: u32,
}

/// Waits for what the master answers at once; `None`: it did not.
pub(crate) async fn confirmed(question: &mut Question<'_>) -> Result<Option<Answer>, NoBusError> {
    tokio::time::timeout(CONFIRMATION, question.answered()).await.ok().transpose()
}

pub(crate) fn error_of(answer: Answer) -> Error {
    match answer {
        Answer::Error(error) => error,
        Answer::Reply(_) | Answer::Accepted(_) => {
            let message = "the answer is of another kind than what was asked".to_owned();
            Error { code: ErrorCode::Unspecified.into(), message }
        }
    }
}

/// The protocol's name of an error; one of a later version is unspecified.
pub(crate) fn name(code: i32) -> &'static str {
    ErrorCode::try_from(code).unwrap_or_default().as_str_name().trim_start_matches("ERROR_CODE_")
}
