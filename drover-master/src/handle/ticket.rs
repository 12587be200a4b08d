//! The future of an accepted operation.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::error::{Opening, Unavailable};

/// Resolves to the verdict of an operation that is under way already. Dropping it cancels nothing.
#[derive(Debug)]
#[must_use = "the operation runs without it, but its verdict is lost"]
pub struct Ticket<T, E> {
    state: State<T, E>,
    /// Closed once the operation was let in, or refused.
    gate: Option<oneshot::Receiver<()>>,
}

#[derive(Debug)]
enum State<T, E> {
    Waiting(oneshot::Receiver<Result<T, E>>),
    Known(Option<Result<T, E>>),
}

/// The driver's end of a ticket.
#[derive(Debug)]
pub(crate) struct Reply<T, E> {
    /// Takes the verdict.
    pub verdict: oneshot::Sender<Result<T, E>>,
    /// Dropped once the request was let in, or refused; a refusal has its verdict by then.
    pub gate: oneshot::Sender<()>,
}

impl<T, E> Ticket<T, E> {
    /// A ticket that waits, and the other end of it.
    pub(crate) fn waiting() -> (Self, Reply<T, E>) {
        let (verdict, verdict_received) = oneshot::channel();
        let (gate, gate_passed) = oneshot::channel();
        let ticket = Self { state: State::Waiting(verdict_received), gate: Some(gate_passed) };
        (ticket, Reply { verdict, gate })
    }
}

impl<T: Send + 'static, E: Opening + Send + 'static> Reply<T, E> {
    /// Refuses. Who has a port that is in use is looked up first, by a thread that may walk over `/proc`.
    pub(crate) fn refuse(self, error: E) {
        let Some(in_use) = error.lacking_holder() else {
            let _ = self.verdict.send(Err(error));
            // Only now the gate goes, with the rest: a refusal has its verdict.
            return;
        };
        tokio::spawn(async move {
            let found = tokio::task::spawn_blocking(move || in_use.with_holder()).await;
            let error = match found {
                Ok(Some(found)) => error.with(Arc::new(found)),
                _ => error,
            };
            let Self { verdict, gate } = self;
            let _ = verdict.send(Err(error));
            drop(gate);
        });
    }
}

impl<T: Unpin, E: From<Unavailable> + Unpin> Ticket<T, E> {
    pub(crate) fn refused(why: Unavailable) -> Self {
        Self { state: State::Known(Some(Err(why.into()))), gate: None }
    }

    /// Waits until the operation was let in, not until it is done: for who does not want to wait for the verdict. The ticket
    /// can be awaited all the same.
    ///
    /// # Errors
    ///
    /// The verdict, if the operation was refused, or has failed already.
    ///
    /// # Cancel safety
    ///
    /// A dropped future changes nothing.
    pub async fn admitted(&mut self) -> Result<(), E> {
        if let Some(gate) = &mut self.gate {
            // It is never sent to, only closed.
            let _ = gate.await;
            self.gate = None;
        }
        let known = match &mut self.state {
            State::Waiting(verdict) => match verdict.try_recv() {
                Ok(known) => known,
                Err(oneshot::error::TryRecvError::Empty) => return Ok(()),
                Err(oneshot::error::TryRecvError::Closed) => Err(Unavailable::Gone.into()),
            },
            State::Known(known) => match known.take() {
                Some(known) => known,
                None => return Ok(()),
            },
        };
        match known {
            Ok(done) => {
                self.state = State::Known(Some(Ok(done)));
                Ok(())
            }
            Err(error) => {
                self.state = State::Known(None);
                Err(error)
            }
        }
    }
}

impl<T: Unpin, E: From<Unavailable> + Unpin> Future for Ticket<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Waiting(verdict) => Pin::new(verdict)
                .poll(context)
                .map(|answer| answer.unwrap_or_else(|_| Err(Unavailable::Gone.into()))),
            State::Known(known) => Poll::Ready(known.take().unwrap_or(Err(Unavailable::Gone.into()))),
        }
    }
}
