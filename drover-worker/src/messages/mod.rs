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
mod post;
mod publish;
mod questions;
mod send;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use drover_proto::latest::{Error, ErrorCode, Scope};

pub use self::error::{
    InvalidMessageError, NoBusError, PublishError, RefusedError, ReplyError, RequestError, SendMessageError,
    SubscribeError, TooManyOpenError,
};
pub(crate) use self::inbox::Received;
pub use self::message::{Message, Reach, Sender};
pub(crate) use self::post::Post;
pub(crate) use self::questions::Answer;
use self::questions::Question;
use crate::bus::MessageBus;

/// How long the master is waited for to confirm what it does at once. Shorter gives up on a starved host, longer hides a
/// master that hangs.
const CONFIRMATION: Duration = Duration::from_secs(30);

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
    const fn scope(self) -> Scope {
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
    /// How many workers it goes to. 0 is no error: there may be no other, or no subscriber.
    pub delivered: u32,
    /// How many it does not go to, because their queues are full.
    pub refused: u32,
}

impl MessageBus {
    /// Waits for the next message to this worker, of a bus set up with [`messages`](crate::MessageBusBuilder::messages); any number
    /// of tasks may. `None`: the worker is to leave ([`quit_requested`](Self::quit_requested)) or the connection has ended, and no
    /// message is left.
    ///
    /// A request to stop does not end it: what was on the way still comes, and other workers may wait for replies.
    ///
    /// Messages of one sender come in the order in which it sent them.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no message is lost.
    pub async fn message(&self) -> Option<Message> {
        let Some(post) = &self.shared.post else {
            self.quit_requested().await;
            return None;
        };
        // A flood must not keep this task from letting others run.
        tokio::task::coop::consume_budget().await;
        post.inbox.next().await.map(|received| Message::new(received, post))
    }

    fn post(&self) -> Result<&Arc<Post>, NoBusError> {
        let post = self.shared.post.as_ref().ok_or(NoBusError::Standalone)?;
        post.check_carried()?;
        Ok(post)
    }
}

/// Waits for what the master answers at once; `None`: it did not.
async fn confirmed(question: &mut Question<'_>) -> Result<Option<Answer>, NoBusError> {
    tokio::time::timeout(CONFIRMATION, question.answered()).await.ok().transpose()
}

fn error_of(answer: Answer) -> Error {
    match answer {
        Answer::Error(error) => error,
        Answer::Reply(_) | Answer::Accepted(_) => {
            let message = "the answer is of another kind than what was asked".to_owned();
            Error { code: ErrorCode::Unspecified.into(), message }
        }
    }
}

/// The protocol's name of an error; one of a later version is unspecified.
fn name(code: i32) -> &'static str {
    ErrorCode::try_from(code).unwrap_or_default().as_str_name().trim_start_matches("ERROR_CODE_")
}
