//! A connection that stands: a reader and a writer, until either ends.

use std::sync::Arc;
use std::time::Duration;

use drover_proto::bus::Incoming;
use drover_proto::codec::CodecError;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::WorkerFrame;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::handshake::MasterConnection;
use super::outbox::{Line, Outgoing};
use super::reader::Reader;
use super::shared::Shared;
use super::writer::{Reports, Writer};
use crate::messages::Post;

/// How many messages may wait for the socket. A worker says three in its life and an answer for each ping; a peer that
/// asks more without reading the answers is not read until it does.
const QUEUED: usize = 32;

/// How long is read to the end when nothing can be written any more. What lies in the socket is there at once; a master that only does
/// not read is not a master.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Both ends of the line to a connection.
pub(super) struct Channel {
    messages: mpsc::Sender<Outgoing>,
    queue: mpsc::Receiver<Outgoing>,
    pub(super) post: Arc<Post>,
}

impl Channel {
    pub(super) fn new(post: Post) -> (Line, Self) {
        let (messages, queue) = mpsc::channel(QUEUED);
        let post = Arc::new(post);
        let line = Line { messages: messages.clone(), post: Arc::clone(&post) };
        (line, Self { messages, queue, post })
    }
}

pub(super) struct Live {
    stream: UnixStream,
    incoming: Incoming,
    limit: FrameLimit,
    pub(super) channel: Channel,
    /// What is said before all else.
    first: Vec<WorkerFrame>,
}

impl Live {
    pub(super) fn new(welcomed: MasterConnection, channel: Channel, first: Vec<WorkerFrame>) -> Self {
        let limit = frame_limit(welcomed.session.limits.max_frame_bytes);
        let incoming = Incoming::new(limit, welcomed.received);
        Self { stream: welcomed.stream, incoming, limit, channel, first }
    }

    /// Until the connection has ended, or can't go on.
    pub(super) async fn carry(
        self,
        shared: &Shared,
        can_resume: bool,
        reports: &mut Reports,
    ) -> Result<(), CodecError> {
        let Self { mut stream, incoming, limit, channel, first } = self;
        let Channel { messages, queue, post } = channel;
        let (read_half, write_half) = stream.split();
        let reader = Reader::new(shared, &post, messages, can_resume);
        let writer = Writer::new(write_half, &post, limit);
        let mut read = std::pin::pin!(reader.run(read_half, incoming));
        tokio::select! {
            end = &mut read => end,
            end = writer.run(first, queue, reports) => match end {
                // What the master said before it went still lies in the socket: a reply, or Quit.
                Err(error) => tokio::time::timeout(LAST_WORDS, read).await.unwrap_or(Err(error)),
                end => end,
            },
        }
    }
}

/// The limit that the master names, kept below what a frame's header can say; without one the protocol's.
pub(super) fn frame_limit(bytes: u32) -> FrameLimit {
    const LARGEST: u32 = (1 << 24) - 1;
    if bytes == 0 { FrameLimit::WORKER } else { FrameLimit::new(bytes.min(LARGEST)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_masters_limit_holds_as_far_as_a_frame_can_say_it() {
        for (named, limit) in [
            (0, FrameLimit::WORKER.bytes()),
            (4096, 4096),
            (1 << 24, (1 << 24) - 1),
            (u32::MAX, (1 << 24) - 1),
        ] {
            assert_eq!(frame_limit(named).bytes(), limit);
        }
    }
}
