//! The connections of a listener as a stream, for servers that take one.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::net::{TcpStream, UnixStream};

use super::{Listener, UnixListener};

/// The pause after an error that persists, as in axum for tokio's listener.
const PAUSE: Duration = Duration::from_secs(1);

/// The connections that a [`Listener`] or a [`UnixListener`] takes, as a [`Stream`]; from [`Listener::incoming`] and
/// [`UnixListener::incoming`].
///
/// It never ends: once the worker is asked to stop it has nothing to give, as [`Listener::accept`] says. Dropping it drops the listener.
///
/// Errors are those of `accept`. After one that persists, such as `EMFILE`, the next try follows 1 s later, so that a
/// server which only logs it does not spin.
#[must_use = "nothing is taken until it is polled"]
pub struct Incoming<S> {
    accept: Box<dyn Fn(Option<Duration>) -> Accepting<S> + Send + Sync>,
    accepting: Accepting<S>,
}

type Accepting<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

impl Listener {
    /// All connections that this takes from here on, for a server that takes a stream, such as tonic's.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let address = socket.local_addr()?;
    /// # let listener = drover_worker::Listener::from_std(socket)?;
    /// use futures_util::StreamExt;
    ///
    /// let mut incoming = listener.incoming();
    /// # let _client = tokio::net::TcpStream::connect(address).await?;
    /// if let Some(stream) = incoming.next().await {
    ///     let _serve_it = stream?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn incoming(self) -> Incoming<TcpStream> {
        let listener = Arc::new(self);
        Incoming::new(move |pause| {
            let listener = Arc::clone(&listener);
            Box::pin(async move { after(pause, listener.accept()).await.map(|(stream, _)| stream) })
        })
    }
}

impl UnixListener {
    /// As [`Listener::incoming`].
    pub fn incoming(self) -> Incoming<UnixStream> {
        let listener = Arc::new(self);
        Incoming::new(move |pause| {
            let listener = Arc::clone(&listener);
            Box::pin(async move { after(pause, listener.accept()).await.map(|(stream, _)| stream) })
        })
    }
}

async fn after<T>(pause: Option<Duration>, accept: impl Future<Output = T>) -> T {
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
    }
    accept.await
}

impl<S> Incoming<S> {
    fn new(accept: impl Fn(Option<Duration>) -> Accepting<S> + Send + Sync + 'static) -> Self {
        let accepting = accept(None);
        Self { accept: Box::new(accept), accepting }
    }
}

impl<S> Stream for Incoming<S> {
    type Item = io::Result<S>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<S>>> {
        let accepted = ready!(self.accepting.as_mut().poll(cx));
        self.accepting = (self.accept)(accepted.as_ref().err().and_then(pause_after));
        Poll::Ready(Some(accepted))
    }
}

impl<S> fmt::Debug for Incoming<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

/// How long to wait after an error: not at all if it was of a single connection.
pub(crate) fn pause_after(error: &io::Error) -> Option<Duration> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    match error.kind() {
        ConnectionAborted | ConnectionRefused | ConnectionReset => None,
        _ => Some(PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_stream_gives_each_connection_and_goes_on_after_an_error_once_it_has_paused() {
        let listener = Listener::from_std(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut incoming = listener.incoming();
        for _ in 0..3 {
            let client = TcpStream::connect(address).await.unwrap();
            let stream = incoming.next().await.unwrap().unwrap();
            assert_eq!(stream.peer_addr().unwrap(), client.local_addr().unwrap());
        }

        tokio::time::pause();
        let begin = tokio::time::Instant::now();
        let mut failing = Incoming::<()>::new(|pause| {
            Box::pin(after(pause, async { Err(io::Error::from_raw_os_error(libc::EMFILE)) }))
        });
        for seconds in 0..3 {
            assert!(failing.next().await.unwrap().is_err());
            assert_eq!(begin.elapsed().as_secs(), seconds);
        }
    }

    #[test]
    fn only_errors_of_the_process_make_a_listener_pause() {
        for (errno, pause) in [
            (libc::EMFILE, Some(PAUSE)),
            (libc::ENFILE, Some(PAUSE)),
            (libc::ENOMEM, Some(PAUSE)),
            (libc::ECONNABORTED, None),
            (libc::ECONNRESET, None),
        ] {
            assert_eq!(pause_after(&io::Error::from_raw_os_error(errno)), pause, "errno {errno}");
        }
    }
}
