//! The future of an operation that has begun.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::error::{Opening, Unavailable};

/// Resolves to the verdict of an operation that is under way already, on an app or one of its workers. Dropping it cancels
/// nothing.
#[derive(Debug)]
#[must_use = "the operation runs without it, but its verdict is lost"]
pub struct Ticket<E> {
    verdict: PendingVerdict<E>,
    /// Closed once the operation was let in, or refused; none once that is known.
    gate: Option<oneshot::Receiver<()>>,
    is_let_in: bool,
}

#[derive(Debug)]
enum PendingVerdict<E> {
    Awaited(oneshot::Receiver<Result<(), E>>),
    Known(Result<(), E>),
}

/// Where the answers to a ticket come from.
#[derive(Debug)]
pub(crate) struct Reply<E> {
    /// Takes the verdict.
    pub verdict: oneshot::Sender<Result<(), E>>,
    /// Sent to, or dropped, once the request was let in; dropped if it was refused, with its verdict told by then.
    pub gate: Option<oneshot::Sender<()>>,
}

impl<E> Ticket<E> {
    /// A ticket that waits, and the other end of it.
    pub(crate) fn waiting() -> (Self, Reply<E>) {
        let (verdict, verdict_received) = oneshot::channel();
        let (gate, gate_passed) = oneshot::channel();
        let ticket = Self {
            verdict: PendingVerdict::Awaited(verdict_received),
            gate: Some(gate_passed),
            is_let_in: false,
        };
        (ticket, Reply { verdict, gate: Some(gate) })
    }

    /// The ticket of what was not even asked.
    pub(crate) fn refused(why: impl Into<E>) -> Self {
        Self { verdict: PendingVerdict::Known(Err(why.into())), gate: None, is_let_in: false }
    }
}

impl<E> Reply<E> {
    /// Accepts it. If nobody listens any more, nothing changes.
    pub(crate) fn admit(&mut self) {
        if let Some(gate) = self.gate.take() {
            let _ = gate.send(());
        }
    }

    /// It is over; if it was not let in, it is refused.
    pub(crate) fn answer(self, verdict: Result<(), E>) {
        let _ = self.verdict.send(verdict);
        // Only now the gate goes, with the rest: a refusal has its verdict.
    }
}

impl<E: Opening + Send + 'static> Reply<E> {
    /// Refuses. If a port is in use, a thread that may walk over `/proc` looks up by which process first.
    pub(crate) fn refuse(self, error: E) {
        let Some(in_use) = error.lacking_holder() else { return self.answer(Err(error)) };
        tokio::spawn(async move {
            let found = tokio::task::spawn_blocking(move || in_use.with_holder()).await;
            let error = match found {
                Ok(Some(found)) => error.with(Arc::new(found)),
                _ => error,
            };
            self.answer(Err(error));
        });
    }
}

impl<E: From<Unavailable> + Clone + Unpin> Ticket<E> {
    /// Waits until the operation was let in, not until it is done: for whoever does not want to wait for the verdict. The ticket
    /// can be awaited all the same, and asked again.
    ///
    /// # Errors
    ///
    /// The verdict, if the operation was refused, or had failed before it was told that it was let in. Whoever awaits the
    /// ticket gets the same.
    ///
    /// # Cancel safety
    ///
    /// A dropped future changes nothing.
    pub async fn admitted(&mut self) -> Result<(), E> {
        if let Some(gate) = &mut self.gate {
            self.is_let_in = gate.await.is_ok();
            self.gate = None;
        }
        if self.is_let_in {
            return Ok(());
        }
        let verdict = match &mut self.verdict {
            PendingVerdict::Known(verdict) => return verdict.clone(),
            PendingVerdict::Awaited(verdict) => match verdict.try_recv() {
                Ok(verdict) => verdict,
                Err(oneshot::error::TryRecvError::Empty) => {
                    self.is_let_in = true;
                    return Ok(());
                }
                Err(oneshot::error::TryRecvError::Closed) => Err(Unavailable::Gone.into()),
            },
        };
        self.verdict = PendingVerdict::Known(verdict.clone());
        verdict
    }
}

impl<E: From<Unavailable> + Clone + Unpin> Future for Ticket<E> {
    type Output = Result<(), E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let waiting = match &mut self.verdict {
            PendingVerdict::Known(verdict) => return Poll::Ready(verdict.clone()),
            PendingVerdict::Awaited(verdict) => Pin::new(verdict).poll(context),
        };
        waiting.map(|answer| {
            let verdict = answer.unwrap_or_else(|_| Err(Unavailable::Gone.into()));
            self.verdict = PendingVerdict::Known(verdict.clone());
            verdict
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::EndError;

    fn refusal() -> EndError {
        EndError::Unkillable { pid: 7 }
    }

    fn is_refusal(verdict: Result<(), EndError>) -> bool {
        matches!(verdict, Err(EndError::Unkillable { pid: 7 }))
    }

    #[tokio::test]
    async fn a_refusal_is_the_same_however_and_how_often_it_is_asked_for() {
        let (answered, reply) = Ticket::waiting();
        reply.answer(Err(refusal()));
        for mut ticket in [answered, Ticket::refused(refusal())] {
            assert!(is_refusal(ticket.admitted().await));
            assert!(is_refusal(ticket.admitted().await));
            assert!(is_refusal((&mut ticket).await));
            assert!(is_refusal(ticket.await));
        }
    }

    #[tokio::test]
    async fn what_was_let_in_stays_let_in_whatever_its_verdict() {
        let (mut told, mut reply) = Ticket::waiting();
        reply.admit();
        reply.answer(Err(refusal()));
        assert!(told.admitted().await.is_ok());
        assert!(is_refusal(told.await));

        let (mut dropped, Reply { verdict, gate }) = Ticket::waiting();
        drop(gate);
        assert!(dropped.admitted().await.is_ok());
        verdict.send(Err(refusal())).unwrap();
        assert!(dropped.admitted().await.is_ok());
        assert!(is_refusal(dropped.await));
    }

    #[tokio::test]
    async fn nobody_answers_for_a_driver_that_is_gone() {
        let (mut ticket, reply) = Ticket::<EndError>::waiting();
        drop(reply);
        assert!(matches!(ticket.admitted().await, Err(EndError::Unavailable(Unavailable::Gone))));
        assert!(matches!(ticket.await, Err(EndError::Unavailable(Unavailable::Gone))));
    }
}
