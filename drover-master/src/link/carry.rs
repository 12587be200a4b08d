//! A connection after its handshake: frames in both directions, independently of each other, until one side ends it.
//!
//! ```text
//!  driver ── outgoing, bounded ──┐
//!  bus ───── mailbox, bounded ───┼──► writer ──► socket ──► reader ──► driver: what concerns the worker's life
//!  reader ── answers, bounded ───┘                            └──────► bus: messages and replies
//! ```

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use drover_proto::bus::Batch;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::news::NewsSender;
use super::reader::Reader;
use super::seat::Seat;

/// How long a last answer may take to be written to a peer that may not read.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// How long one frame may take to be written once the master has let go of the worker. A peer that does not read would hold
/// the connection for ever.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// How long is read to the end when nothing can be written any more. What a worker said before it went lies in the socket, and is there
/// at once; one that lives on and does not read has no business here.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What a worker has that was let in.
#[derive(Debug)]
pub(super) struct Admitted {
    pub outgoing: mpsc::Receiver<Bytes>,
    pub seat: Seat,
}

/// Reads and writes until one of them ends: two full buffers can't block each other. Tells what the peer is to blame for.
pub(super) async fn carry(
    news: &NewsSender,
    reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    admitted: Admitted,
) -> Option<Arc<str>> {
    let Admitted { mut outgoing, seat } = admitted;
    // Answers to what only this task sees; one is produced for each frame read, and the reader waits for room.
    let (answers, to_answer) = mpsc::channel::<Bytes>(1);
    let read = Reader::new(news, &seat, answers).run(reader);
    let write = async {
        // Dropped with the end of the writer, so that nobody waits for it.
        let mut to_answer = to_answer;
        let mut batch = Batch::default();
        loop {
            // What concerns its life first.
            tokio::select! {
                biased;
                frame = outgoing.recv() => match frame {
                    Some(frame) => batch.push_frame(frame),
                    // The master lets go of the worker.
                    None => return Ok(()),
                },
                frame = to_answer.recv() => match frame {
                    Some(frame) => batch.push_frame(frame),
                    // The reader has ended and its answers are written.
                    None => return Ok(()),
                },
                there_is_more = seat.peer.outgoing(&mut batch) => if !there_is_more { return Ok(()) },
            }
            if let Err(error) = write_all(&mut writer, &mut batch, &outgoing).await {
                return if outgoing.is_closed() { Ok(()) } else { Err(error) };
            }
        }
    };
    let (mut read, mut write) = (std::pin::pin!(read), std::pin::pin!(write));
    tokio::select! {
        trouble = &mut read => {
            // What it is closed for is told first: the answer may still be in the queue, or half written.
            let _ = timeout(LAST_ANSWER, write).await;
            trouble
        }
        written = &mut write => match written {
            Ok(()) => None,
            // It has gone, and what it said before still lies in the socket: a reply, or why it goes.
            Err(_) => {
                seat.peer.no_longer_reads();
                timeout(LAST_WORDS, read).await.ok().flatten()
            }
        },
    }
}

/// Writes whole frames. A peer may read as late as it likes while the master holds its queue.
async fn write_all(
    writer: &mut OwnedWriteHalf,
    frames: &mut impl Buf,
    outgoing: &mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    let mut written = std::pin::pin!(writer.write_all_buf(frames));
    loop {
        match timeout(LAST_WRITE, &mut written).await {
            Ok(result) => return result,
            Err(late) if outgoing.is_closed() => return Err(late.into()),
            Err(_) => {}
        }
    }
}
