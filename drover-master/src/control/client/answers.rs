//! What a master answers bit by bit: events, lines, results of operations.

use std::fmt;

use drover_proto::latest::control_response::Body;
use drover_proto::latest::{Event, EventsMissed, LogLine, LogsMissed, Plan, StatusReply};

use super::error::ClientError;
use super::link::Link;

/// The answers to one request, one after the other. They borrow the client, so nothing else can be asked meanwhile but what the
/// master answers beside them: [`status`](Self::status).
///
/// Dropping it asks nothing of the master: an operation goes on, and the answers that still come are skipped. A master that
/// follows on for them refuses everything but a look on this connection; drop the client too, and connect anew.
#[must_use = "nothing tells how it came out but these answers"]
pub struct Answers<'c, T> {
    link: &'c mut Link,
    take: fn(Body) -> Option<T>,
    is_over: bool,
}

impl<'c, T> Answers<'c, T> {
    /// The answers to the request that was sent last; `take` takes those of the kind that was asked for.
    pub(super) const fn new(link: &'c mut Link, take: fn(Body) -> Option<T>) -> Self {
        Self { link, take, is_over: false }
    }

    /// The next answer; none after the last.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] if the master refuses the request, with `NotFound` for a name that fits nothing; or that the
    /// connection failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        if self.is_over {
            return Ok(None);
        }
        match self.link.next().await?.body {
            Some(Body::Done(_)) => {
                self.is_over = true;
                Ok(None)
            }
            Some(body) => (self.take)(body).map(Some).ok_or(ClientError::Unexpected),
            None => Err(ClientError::Unexpected),
        }
    }

    /// The plan that goes before the steps of an apply.
    pub(super) async fn plan(&mut self) -> Result<Plan, ClientError> {
        match self.link.next().await?.body {
            Some(Body::Plan(plan)) => Ok(plan),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// What there is now, as [`ControlClient::status`](super::ControlClient::status), on the connection of these answers. Answers
    /// that come meanwhile are kept for [`next`](Self::next).
    ///
    /// # Errors
    ///
    /// As there. A refusal is that of this question; one of the request itself comes of [`next`](Self::next).
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing but its own answer.
    pub async fn status(&mut self, apps: &[String]) -> Result<StatusReply, ClientError> {
        self.link.status(apps).await
    }
}

impl<T> Drop for Answers<'_, T> {
    fn drop(&mut self) {
        self.link.end_row();
    }
}

impl<T> fmt::Debug for Answers<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("link", &self.link).field("is_over", &self.is_over).finish()
    }
}

/// What comes of [`ControlClient::events`](super::ControlClient::events).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Follow {
    /// An event.
    Event(Box<Event>),
    /// Events that are gone.
    Missed(EventsMissed),
}

/// What comes of [`ControlClient::logs`](super::ControlClient::logs).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum LogFollow {
    /// A line.
    Line(LogLine),
    /// Lines that are gone.
    Missed(LogsMissed),
}
