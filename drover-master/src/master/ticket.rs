//! The future of an accepted operation.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::error::Unavailable;

/// Resolves to the verdict of an operation that is under way already. Dropping it cancels nothing.
#[derive(Debug)]
#[must_use = "the operation runs without it, but its verdict is lost"]
pub struct Ticket<T, E> {
    state: State<T, E>,
}

#[derive(Debug)]
enum State<T, E> {
    Waiting(oneshot::Receiver<Result<T, E>>),
    Refused(Option<Unavailable>),
}

impl<T, E> Ticket<T, E> {
    pub(super) fn waiting(verdict: oneshot::Receiver<Result<T, E>>) -> Self {
        Self { state: State::Waiting(verdict) }
    }

    pub(super) fn refused(why: Unavailable) -> Self {
        Self { state: State::Refused(Some(why)) }
    }
}

impl<T: Unpin, E: From<Unavailable> + Unpin> Future for Ticket<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Waiting(verdict) => Pin::new(verdict)
                .poll(context)
                .map(|answer| answer.unwrap_or_else(|_| Err(Unavailable::Gone.into()))),
            State::Refused(why) => Poll::Ready(Err(why.take().unwrap_or(Unavailable::Gone).into())),
        }
    }
}
