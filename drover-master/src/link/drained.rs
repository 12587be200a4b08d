//! A reader that is never left waiting for bytes which lie in its socket.
//!
//! Whoever takes less than he has room for from a stream has emptied it, and tokio waits for the next edge of epoll(7) then. That
//! does not hold for a Unix socket over which descriptors were sent: a read ends at each message that carries some (unix(7)),
//! however much lies behind it. So this one reads until it is told that there is nothing. The descriptors themselves are closed
//! by the kernel, since nothing here receives them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::OwnedReadHalf;

/// The reading half of a socket.
#[derive(Debug)]
pub(super) struct Drained(pub(super) OwnedReadHalf);

impl AsyncRead for Drained {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.as_ref().poll_read_ready(context))?;
            match self.0.try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}
