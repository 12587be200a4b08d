//! One end of a connection: frames where the rules are kept, bytes where they are broken on purpose.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::time::Duration;

use bytes::BytesMut;
use drover_proto::codec::{CodecError, FrameCodec};
use drover_proto::frame::{FrameLimit, HEADER_LEN};
use drover_proto::latest::Hello;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::codec::Decoder;

use crate::case::{Fault, failed};
use crate::describe::Describe;
use crate::frames::framed;
use crate::transcript::{Log, Who};

/// How long an answer may take that costs nothing to give. Shorter blames a worker for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// How long until the next byte, where bytes come one by one. No event tells that one was read.
const BETWEEN: Duration = Duration::from_millis(1);

/// A connection to the side under test.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) stream: UnixStream,
    received: BytesMut,
    log: Log,
}

impl Peer {
    pub(crate) fn new(stream: UnixStream, log: Log) -> Self {
        Self { stream, received: BytesMut::new(), log }
    }

    /// Sends a frame.
    pub(crate) async fn send<M: Message + Describe>(&mut self, message: &M) -> Result<(), Fault> {
        self.send_bytes(&framed(message), &message.describe()).await
    }

    /// Sends any bytes. A worker that has closed already is told by the next read.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8], text: &str) -> Result<(), Fault> {
        self.log.add(Who::Drover, bytes, bytes.len(), text);
        match tokio::time::timeout(PATIENCE, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                self.log.remark(&format!("it did not take that: {error}"));
                Ok(())
            }
            Err(_) => {
                Err(failed(format!("it does not read: it was expected to take {text} within {PATIENCE:?}")))
            }
        }
    }

    /// Sends bytes one by one. Each has some time for itself, so that the other side reads it alone.
    pub(crate) async fn send_one_by_one(&mut self, bytes: &[u8], text: &str) -> Result<(), Fault> {
        for byte in bytes {
            self.send_bytes(&[*byte], text).await?;
            tokio::time::sleep(BETWEEN).await;
        }
        Ok(())
    }

    /// The next frame, within [`PATIENCE`]; none at the end of the connection. `expected` is what it should be, for the reason.
    pub(crate) async fn next<M>(&mut self, expected: &str) -> Result<Option<M>, Fault>
    where
        M: Message + Default + Describe,
    {
        self.next_within(PATIENCE, expected).await
    }

    /// The next frame, within this time; none at the end of the connection.
    pub(crate) async fn next_within<M>(&mut self, time: Duration, expected: &str) -> Result<Option<M>, Fault>
    where
        M: Message + Default + Describe,
    {
        match tokio::time::timeout(time, self.read()).await {
            Ok(next) => next,
            Err(_) => Err(failed(format!("it said nothing for {time:?}; {expected} was expected"))),
        }
    }

    /// Closes this end, as the death of a master does. What the worker has sent and nobody read makes it a reset (unix(7)).
    pub(crate) fn hang_up(&mut self) -> Result<(), Fault> {
        self.log.remark("the connection is closed");
        // Another stream takes its place, of which the other end is closed already.
        let (stream, _) = UnixStream::pair().map_err(no_socket)?;
        self.stream = stream;
        self.received.clear();
        Ok(())
    }

    /// Closes one direction.
    pub(crate) fn shut_down(&mut self, how: Shutdown) -> Result<(), Fault> {
        self.log.remark(match how {
            Shutdown::Read => "the direction from the worker is closed",
            _ => "the direction to the worker is closed",
        });
        let copy = self.stream.as_fd().try_clone_to_owned().map_err(no_socket)?;
        // Fails only if the worker was faster to close.
        let _ = std::os::unix::net::UnixStream::from(copy).shutdown(how);
        Ok(())
    }

    /// Whether nothing at all comes in this time.
    pub(crate) async fn is_silent(&mut self, time: Duration) -> bool {
        self.received.is_empty()
            && tokio::time::timeout(time, self.stream.read_buf(&mut self.received)).await.is_err()
    }

    /// # Cancel safety
    ///
    /// What was read stays in the buffer.
    pub(crate) async fn read<M: Message + Default + Describe>(&mut self) -> Result<Option<M>, Fault> {
        let mut codec = FrameCodec::<Hello, M>::new(FrameLimit::WORKER);
        loop {
            let head = BytesMut::from(&self.received[..self.received.len().min(64)]);
            let before = self.received.len();
            match codec.decode(&mut self.received) {
                Ok(Some(message)) => {
                    let length = before - self.received.len();
                    let head = &head[..head.len().min(length)];
                    self.log.add(Who::Tested, head, length, &message.describe());
                    return Ok(Some(message));
                }
                Ok(None) => {}
                Err(error) => return Err(self.unreadable(&head, &error)),
            }
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) if self.received.len() >= HEADER_LEN || self.received.is_empty() => {
                    self.log.remark("it closed the connection");
                    return Ok(None);
                }
                Ok(0) => {
                    self.log.remark("it closed the connection inside a frame");
                    return Ok(None);
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    self.log.remark("it closed the connection without reading all");
                    return Ok(None);
                }
                Err(error) => return Err(failed(format!("its connection can't be read: {error}"))),
            }
        }
    }

    fn unreadable(&self, head: &[u8], error: &CodecError) -> Fault {
        self.log.add(Who::Tested, head, head.len(), "unreadable");
        failed(format!("what it sent can't be read, {error}; a frame was expected"))
    }
}

fn no_socket(error: io::Error) -> Fault {
    failed(format!("a socket can't be made: {error}"))
}
