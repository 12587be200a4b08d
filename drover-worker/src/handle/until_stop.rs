//! A stream that ends when the worker is asked to stop.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::MessageBus;

/// A stream that ends when the worker is asked to stop; from [`MessageBus::until_stop`].
#[must_use = "a stream does nothing until it is polled"]
pub struct UntilStop<S> {
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// None once it has ended.
    stream: Option<Pin<Box<S>>>,
}

impl MessageBus {
    /// A stream with the same items, which ends when the worker is asked to stop: for an answer that would go on for ever, such as
    /// events (SSE) or a gRPC stream that watches something. Its client gets a complete answer and asks again, of another worker.
    ///
    /// What the stream has ready at that moment stays where it is; the stream itself is dropped.
    ///
    /// A WebSocket is not a stream of answers: its handler awaits [`stop_requested`](Self::stop_requested), and closes the socket with 1001.
    ///
    /// # Examples
    ///
    /// An answer of axum's that tells a number every second:
    ///
    /// ```
    /// # #[cfg(feature = "axum")]
    /// # mod of_axum {
    /// use std::convert::Infallible;
    /// use std::time::Duration;
    ///
    /// use axum::response::sse::{Event, Sse};
    /// use drover_worker::MessageBus;
    /// use futures_core::Stream;
    ///
    /// fn events(bus: &MessageBus) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
    ///     let numbers = futures_util::stream::unfold(0, async |number| {
    ///         tokio::time::sleep(Duration::from_secs(1)).await;
    ///         Some((Ok(Event::default().data(format!("{number}"))), number + 1))
    ///     });
    ///     Sse::new(bus.until_stop(numbers))
    /// }
    /// # }
    /// ```
    pub fn until_stop<S: Stream>(&self, stream: S) -> UntilStop<S> {
        let (bus, round) = (self.clone(), self.round());
        let stop = async move {
            bus.requested(|requests| requests.stop_of(round)).await;
        };
        UntilStop { stop: Box::pin(stop), stream: Some(Box::pin(stream)) }
    }
}

impl<S: Stream> Stream for UntilStop<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
        if this.stop.as_mut().poll(cx).is_pending() {
            match stream.as_mut().poll_next(cx) {
                Poll::Ready(None) => {}
                other => return other,
            }
        }
        this.stream = None;
        Poll::Ready(None)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.stream.as_ref().map_or(Some(0), |stream| stream.size_hint().1))
    }
}

impl<S> fmt::Debug for UntilStop<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilStop").field("is_over", &self.stream.is_none()).finish_non_exhaustive()
    }
}
