//! A connection that tells what HTTP it speaks, whether anything moves on it, and when it is closed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{oneshot, watch};

/// What a client of HTTP/2 says first (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection, counted until it is closed.
pub(crate) struct ClientStream<I> {
    io: I,
    /// None once it is told, or once it is something else.
    is_http2: Option<oneshot::Sender<()>>,
    /// How much of the preface has come.
    matched: usize,
    moved: Traffic,
    open: watch::Sender<usize>,
}

/// What is seen of it.
pub(crate) struct Seen {
    /// Announcement when the client has introduced itself; closed if it speaks something else.
    pub(crate) is_http2: oneshot::Receiver<()>,
    pub(crate) moved: Traffic,
}

/// How many bytes have moved on a connection, either way.
#[derive(Clone, Default)]
pub(crate) struct Traffic(Arc<AtomicU64>);

impl Traffic {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl<I> ClientStream<I> {
    /// Counts `io` in `open` from here on.
    pub(crate) fn new(io: I, open: &watch::Sender<usize>) -> (Self, Seen) {
        open.send_modify(|open| *open += 1);
        let (sender, is_http2) = oneshot::channel();
        let moved = Traffic::default();
        let seen = Seen { is_http2, moved: moved.clone() };
        (Self { io, is_http2: Some(sender), matched: 0, moved, open: open.clone() }, seen)
    }

    fn look(&mut self, bytes: &[u8]) {
        self.moved.add(bytes.len());
        if self.is_http2.is_none() || bytes.is_empty() {
            return;
        }
        let expected = &PREFACE[self.matched..];
        let common = expected.len().min(bytes.len());
        if expected[..common] != bytes[..common] {
            self.is_http2 = None;
            return;
        }
        self.matched += common;
        let is_whole = self.matched == PREFACE.len();
        if let Some(sender) = self.is_http2.take_if(|_| is_whole) {
            // Nobody listens once the connection is over.
            let _nobody = sender.send(());
        }
    }
}

impl<I> Drop for ClientStream<I> {
    fn drop(&mut self) {
        self.open.send_modify(|open| *open -= 1);
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for ClientStream<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        self.look(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for ClientStream<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.moved.add(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, parts))?;
        self.moved.add(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    /// However the bytes are cut, what a client says first tells what it speaks.
    #[tokio::test]
    async fn the_first_words_of_a_client_tell_whether_it_speaks_http2() {
        let longer = [PREFACE, b"\0\0\0\x04\0\0\0\0\0"].concat();
        for (said, expected) in [
            (PREFACE, Ok(())),
            (&longer, Ok(())),
            (b"PRI * HTTP/2.0\r\n\r\nSM", Err(TryRecvError::Empty)),
            (b"PRI * HTTP/1.1\r\n\r\n", Err(TryRecvError::Closed)),
            (b"GET / HTTP/1.1\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Err(TryRecvError::Closed)),
        ] {
            for cut in [1, 3, 23, 24, 25, 64] {
                let open = watch::Sender::new(0);
                let (mut connection, mut seen) = ClientStream::new(said, &open);
                let mut part = vec![0; cut];
                while connection.read(&mut part).await.unwrap() > 0 {}
                assert_eq!(seen.is_http2.try_recv(), expected, "{said:?} in parts of {cut}");
                assert_eq!((seen.moved.bytes(), *open.borrow()), (said.len() as u64, 1));
                drop(connection);
                assert_eq!(*open.borrow(), 0);
            }
        }
    }
}
