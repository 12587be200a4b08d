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

use bytes::{Buf, Bytes, BytesMut};
use drover_proto::bus::{Batch, Direction, Incoming, Lull, MessageView, View, ViewBody};
use drover_proto::codec::decode_frame;
use drover_proto::frame::{FrameError, FrameLimit};
use drover_proto::latest::{ErrorCode, WorkerFrame, worker_frame};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::connection::{Connection, News};
use crate::bus::{Exchange, Heard, Keep, NoReply, Peer};
use crate::frames::error_frame;
use crate::machine::worker::Said;
use crate::sentence::sentence;

/// How much of a worker's status text is kept, in bytes. It is a line for people, kept for every worker.
const STATUS_TEXT: usize = 4096;

/// How long a last answer may take to be written to a peer that may not read.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// How long one frame may take to be written once the master has let go of the worker. A peer that does not read would hold
/// the connection for ever.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// How long is read to the end when nothing can be written any more. What a worker said before it went lies in the socket, and is there
/// at once; one that lives on and does not read has no business here.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// After so many bytes of frames the reader lets others run: a worker that floods takes its turns like everybody.
const TURN: usize = 16 * 1024;

/// A worker's place on the bus. Dropped, it is free, and whoever waits for the worker is told.
#[derive(Debug)]
pub(crate) struct Seat {
    pub exchange: Arc<Exchange>,
    pub peer: Arc<Peer>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.exchange.leave(&self.peer);
    }
}

/// What a worker has that was let in.
#[derive(Debug)]
pub(super) struct Admitted {
    pub outgoing: mpsc::Receiver<Bytes>,
    pub seat: Seat,
}

/// Reads and writes until one of them ends: two full buffers can't block each other. Tells what the peer is to blame for.
pub(super) async fn carry(
    link: &Connection,
    reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    admitted: Admitted,
) -> Option<Arc<str>> {
    let Admitted { mut outgoing, seat } = admitted;
    // Answers to what only this task sees; one is produced for each frame read, and the reader waits for room.
    let (answers, to_answer) = mpsc::channel::<Bytes>(1);
    let read = Reader { link, seat: &seat, answers, stray: 0 }.run(reader);
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

/// Frames of the worker, to whom they concern.
struct Reader<'a> {
    link: &'a Connection,
    seat: &'a Seat,
    answers: mpsc::Sender<Bytes>,
    /// Answers to nothing, so far.
    stray: u64,
}

/// The connection has to end, and this is why.
struct Broken(Arc<str>);

impl Reader<'_> {
    async fn run(mut self, socket: OwnedReadHalf) -> Option<Arc<str>> {
        let mut incoming = Incoming::new(FrameLimit::WORKER, BytesMut::new());
        let (mut lull, mut is_burst) = (Lull::default(), false);
        loop {
            // Waits without a buffer: most workers say nothing most of the time. The memory of a burst is kept for the next one.
            if !(is_burst && lull.unless_silent(socket.readable()).await.is_some()) {
                is_burst = false;
                incoming.rest();
                socket.readable().await.ok()?;
            }
            // Not `read_buf`: see `Drained`. A reset is an end like EOF: the process will tell the rest.
            let read = match socket.try_read_buf(incoming.room()) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => return None,
            };
            is_burst |= read >= TURN;
            if read == 0 {
                return match incoming.end() {
                    Ok(()) => None,
                    Err(error) => Some(self.bad_frame(&error).await),
                };
            }
            if let Err(Broken(trouble)) = self.take_whole(&mut incoming).await {
                return Some(trouble);
            }
        }
    }

    /// Takes all frames that are there as a whole. Until there are none, since what is wrong behind them is told only then, and
    /// the peer may send nothing more.
    async fn take_whole(&mut self, incoming: &mut Incoming) -> Result<(), Broken> {
        loop {
            let frames = match incoming.frames() {
                Ok(frames) if frames.bytes() == 0 => return Ok(()),
                Ok(frames) => frames,
                Err(error) => return Err(Broken(self.bad_frame(&error).await)),
            };
            for frame in frames.iter() {
                match View::of(frame, Direction::ToMaster) {
                    Some(view) => self.message(&view, Keep::Frames(&frames)).await,
                    None => self.frame(frame).await?,
                }
            }
            if frames.bytes() >= TURN {
                tokio::task::yield_now().await;
            }
        }
    }

    /// A message, or the reply to one.
    async fn message(&mut self, view: &View<'_>, keep: Keep<'_>) {
        let heard = self.seat.exchange.heard(&self.seat.peer, view, keep);
        self.follow(heard).await;
    }

    async fn follow(&mut self, heard: Heard) {
        match heard {
            Heard::Done => {}
            Heard::Answer(frame) => self.seat.peer.answer(frame).await,
            Heard::Stray => {
                self.stray += 1;
                tracing::debug!(
                    target: "drover::protocol", connection = self.link.id.0, stray = self.stray, "an answer to nothing"
                );
                // The first, and then ever fewer: it may go on for ever.
                if self.stray.is_power_of_two() {
                    self.say(Said::Stray, 0).await;
                }
            }
        }
    }

    /// Tells the driver what concerns the worker's life.
    async fn say(&self, said: Said, seq: u64) {
        // It may be answered by an Error.
        self.seat.peer.room().await;
        if !matches!(said, Said::Started | Said::Stopped) {
            return self.link.tell(News::Said { said, seq, taken: None }).await;
        }
        // The worker is ready, or is not any more, for the frames behind this one.
        let (taken, is_taken) = oneshot::channel();
        self.link.tell(News::Said { said, seq, taken: Some(taken) }).await;
        let _ = is_taken.await;
    }

    async fn frame(&mut self, frame: &[u8]) -> Result<(), Broken> {
        let frame: WorkerFrame = match decode_frame(frame) {
            Ok(frame) => frame,
            Err(error) => return Err(Broken(self.bad_frame(&error).await)),
        };
        tracing::debug!(
            target: "drover::protocol", connection = self.link.id.0, seq = frame.seq, "← {}", name(&frame)
        );
        if let Some(said) = said(&frame) {
            self.say(said, frame.seq).await;
            return Ok(());
        }
        let WorkerFrame { seq, reply_to, expects_reply, must_understand, body } = frame;
        match body {
            Some(worker_frame::Body::Message(message)) => {
                let view = MessageView {
                    topic: &message.topic,
                    payload: &message.payload,
                    scope_number: message.scope,
                    worker: message.worker,
                    slot: message.slot,
                    timeout_ms: message.timeout_ms,
                    confirm: message.confirm,
                };
                let view = View { seq, reply_to, expects_reply, body: ViewBody::Message(view) };
                self.message(&view, Keep::Payload(&message.payload)).await;
            }
            Some(worker_frame::Body::Reply(reply)) => {
                let body = ViewBody::Reply { payload: &reply.payload };
                let view = View { seq, reply_to, expects_reply, body };
                self.message(&view, Keep::Payload(&reply.payload)).await;
            }
            // It may answer a request. If not, it is about a frame of the master's own, and matters if that asked for something.
            Some(worker_frame::Body::Error(error)) => {
                let code = ErrorCode::try_from(error.code).unwrap_or_default();
                let why = line(&error.message).into();
                let answer = Err(NoReply::Error(code, error.message));
                let heard = self.seat.exchange.answered(&self.seat.peer, reply_to, answer);
                if heard == Heard::Stray && code == ErrorCode::Failed && reply_to != 0 {
                    self.say(Said::Failed { asked: reply_to, why }, seq).await;
                }
            }
            Some(worker_frame::Body::Subscribe(subscribe)) => {
                self.subscription(seq, expects_reply, &subscribe.topic, true).await;
            }
            Some(worker_frame::Body::Unsubscribe(unsubscribe)) => {
                self.subscription(seq, expects_reply, &unsubscribe.topic, false).await;
            }
            Some(worker_frame::Body::Consumed(consumed)) => {
                self.seat.peer.consumed(consumed.bytes, consumed.window);
            }
            _ if must_understand => {
                let message = "a message that must be understood is not known here";
                let _ = self.answers.send(error_frame(seq, ErrorCode::Unimplemented, message)).await;
                return Err(Broken(message.into()));
            }
            _ if expects_reply => {
                let message = "this message is not known to the master";
                let _ = self.answers.send(error_frame(seq, ErrorCode::Unimplemented, message)).await;
            }
            _ => {}
        }
        Ok(())
    }

    async fn subscription(&mut self, seq: u64, expects_reply: bool, topic: &str, is_wanted: bool) {
        let answer = self.seat.exchange.subscription(&self.seat.peer, seq, topic, is_wanted);
        if expects_reply {
            self.seat.peer.answer(answer).await;
        }
    }

    /// Says what is wrong, and repeats it as the reason of the end.
    async fn bad_frame(&self, error: &FrameError) -> Arc<str> {
        let message = sentence(error);
        let _ = self.answers.send(error_frame(0, ErrorCode::BadFrame, &message)).await;
        message.into()
    }
}

/// As much of a text as is kept.
fn line(text: &str) -> &str {
    let end = (0..=STATUS_TEXT.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

/// What of a frame concerns the worker's life. An Error does not.
fn said(frame: &WorkerFrame) -> Option<Said> {
    Some(match frame.body.as_ref()? {
        worker_frame::Body::Started(_) => Said::Started,
        worker_frame::Body::Stopped(_) => Said::Stopped,
        worker_frame::Body::ShutDown(_) => Said::ShutDown,
        worker_frame::Body::Extend(extend) => Said::Extend { by: Duration::from_millis(extend.timeout_ms) },
        worker_frame::Body::Status(status) => Said::Status {
            text: line(&status.text).to_owned(),
            in_flight: status.in_flight,
            requests: status.requests,
        },
        worker_frame::Body::Pong(_) => Said::Pong,
        worker_frame::Body::Progress(_) => Said::Progress,
        worker_frame::Body::Error(_)
        | worker_frame::Body::Message(_)
        | worker_frame::Body::Reply(_)
        | worker_frame::Body::Subscribe(_)
        | worker_frame::Body::Unsubscribe(_)
        | worker_frame::Body::Consumed(_) => return None,
    })
}

fn name(frame: &WorkerFrame) -> &'static str {
    match &frame.body {
        Some(worker_frame::Body::Started(_)) => "Started",
        Some(worker_frame::Body::Stopped(_)) => "Stopped",
        Some(worker_frame::Body::ShutDown(_)) => "ShutDown",
        Some(worker_frame::Body::Extend(_)) => "Extend",
        Some(worker_frame::Body::Status(_)) => "Status",
        Some(worker_frame::Body::Pong(_)) => "Pong",
        Some(worker_frame::Body::Error(_)) => "Error",
        Some(worker_frame::Body::Progress(_)) => "Progress",
        Some(worker_frame::Body::Message(_)) => "Message",
        Some(worker_frame::Body::Reply(_)) => "Reply",
        Some(worker_frame::Body::Subscribe(_)) => "Subscribe",
        Some(worker_frame::Body::Unsubscribe(_)) => "Unsubscribe",
        Some(worker_frame::Body::Consumed(_)) => "Consumed",
        None => "a message of a later version",
    }
}

#[cfg(test)]
mod tests {
    use drover_proto::codec::{FrameCodec, encode_frame};
    use drover_proto::latest::{MasterFrame, Status, master_frame};
    use tokio::io::AsyncReadExt as _;
    use tokio::net::UnixStream;
    use tokio_stream::StreamExt as _;
    use tokio_util::codec::Decoder as _;

    use super::super::ConnectionId;
    use super::super::connection::LinkNews;
    use super::*;
    use crate::machine::ids::{Generation, SlotIndex, WorkerId};
    use crate::machine::worker::Identity;

    fn seat() -> Seat {
        let exchange = Arc::new(Exchange::new("web".into(), None));
        let identity = Identity { slot: SlotIndex(0), generation: Generation(1), id: WorkerId(1) };
        let peer = Arc::new(Peer::new(identity, false, false));
        exchange.join(Arc::clone(&peer));
        Seat { exchange, peer }
    }

    /// A connection that is past its handshake, the queue to its peer, and the peer.
    fn carried() -> (tokio::task::JoinHandle<Option<Arc<str>>>, mpsc::Sender<Bytes>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (news, mut told) = mpsc::channel(8);
        let (outgoing, frames) = mpsc::channel(64);
        let carrying = tokio::spawn(async move {
            let (reader, writer) = ours.into_split();
            let link = Connection { id: ConnectionId(1), user: 0, news };
            tokio::select! {
                trouble = carry(&link, reader, writer, Admitted { outgoing: frames, seat: seat() }) => trouble,
                () = async { while told.recv().await.is_some() {} } => None,
            }
        });
        (carrying, outgoing, theirs)
    }

    #[tokio::test]
    async fn a_peer_whose_frame_is_refused_reads_why_before_the_end() {
        let unknown = WorkerFrame { seq: 4, must_understand: true, ..Default::default() };
        let unknown = encode_frame(&unknown, FrameLimit::WORKER).unwrap();
        let good = encode_frame(&WorkerFrame::default(), FrameLimit::WORKER).unwrap();
        for (sent, reply_to, code) in [
            (Bytes::from_static(b"\xff\xff\xff\xff"), 0, ErrorCode::BadFrame),
            (unknown, 4, ErrorCode::Unimplemented),
            // Behind a good one, in one piece, and nothing after it.
            (Bytes::from([&good[..], b"Listening on 8080\n"].concat()), 0, ErrorCode::BadFrame),
        ] {
            let (carrying, _outgoing, mut peer) = carried();
            peer.write_all(&sent).await.unwrap();
            let mut frames = FrameCodec::<WorkerFrame, MasterFrame>::new(FrameLimit::WORKER).framed(peer);
            let frame = frames.next().await.expect("an answer").unwrap();
            let Some(master_frame::Body::Error(error)) = &frame.body else { panic!("{frame:?}") };
            assert_eq!((frame.reply_to, error.code()), (reply_to, code));
            assert!(frames.next().await.is_none());
            assert!(carrying.await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn what_a_peer_said_before_it_went_is_heard_although_nothing_can_be_written_to_it() {
        let said = WorkerFrame {
            body: Some(worker_frame::Body::Status(Status {
                text: "last words".into(),
                ..Default::default()
            })),
            ..Default::default()
        };
        let said = encode_frame(&said, FrameLimit::WORKER).unwrap();
        // Which of the two is tried first, to read or to write, is left to chance.
        for _ in 0..50 {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(&said).await.unwrap();
            drop(theirs);
            let (news, mut told) = mpsc::channel(8);
            let (outgoing, frames) = mpsc::channel(64);
            outgoing.send(error_frame(0, ErrorCode::Busy, "never read")).await.unwrap();
            let (reader, writer) = ours.into_split();
            let link = Connection { id: ConnectionId(1), user: 0, news };
            let carried = carry(&link, reader, writer, Admitted { outgoing: frames, seat: seat() });
            assert_eq!(timeout(Duration::from_secs(60), carried).await.expect("it ends"), None);
            let Ok(LinkNews { news: News::Said { said: Said::Status { text, .. }, .. }, .. }) =
                told.try_recv()
            else {
                panic!("its words are lost")
            };
            assert_eq!(text, "last words");
        }
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_cannot_hold_what_the_master_let_go() {
        let (carrying, outgoing, mut peer) = carried();
        let large = Bytes::from(vec![0; 4 * 1024 * 1024]);
        outgoing.send(large).await.unwrap();
        // The write is under way.
        peer.read_exact(&mut [0; 4]).await.unwrap();
        drop(outgoing);
        let ended = timeout(Duration::from_secs(20), carrying).await;
        assert_eq!(ended.expect("it ends").unwrap(), None);
    }

    #[tokio::test]
    async fn frames_that_carry_descriptors_are_read_to_the_last_and_the_descriptors_are_closed() {
        use std::io::IoSlice;
        use std::os::fd::AsRawFd;

        use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

        let (carrying, _outgoing, mut peer) = carried();
        let (kept, sent) = std::os::unix::net::UnixStream::pair().unwrap();
        let status =
            WorkerFrame { body: Some(worker_frame::Body::Status(Status::default())), ..Default::default() };
        let frame = encode_frame(&status, FrameLimit::WORKER).unwrap();
        for _ in 0..200 {
            peer.writable().await.unwrap();
            let fds = [sent.as_raw_fd()];
            let control = [ControlMessage::ScmRights(&fds)];
            let send = || {
                let (raw, flags) = (peer.as_raw_fd(), MsgFlags::empty());
                sendmsg::<()>(raw, &[IoSlice::new(&frame)], &control, flags, None).map_err(io::Error::from)
            };
            while peer.try_io(tokio::io::Interest::WRITABLE, send).is_err() {
                peer.writable().await.unwrap();
            }
        }
        drop(sent);
        // What comes behind them is read and refused, so they were read too.
        peer.write_all(b"text").await.unwrap();
        let mut frames = FrameCodec::<WorkerFrame, MasterFrame>::new(FrameLimit::WORKER).framed(peer);
        let answer = timeout(Duration::from_secs(60), frames.next()).await.expect("an answer");
        assert!(matches!(answer, Some(Ok(MasterFrame { body: Some(master_frame::Body::Error(_)), .. }))));
        assert!(carrying.await.unwrap().is_some());
        // Nobody holds the other end.
        kept.set_nonblocking(true).unwrap();
        assert_eq!(io::Read::read(&mut &kept, &mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_status_text_without_end_is_cut_at_a_whole_character() {
        let status = Status { text: format!("x{}", "ü".repeat(STATUS_TEXT)), in_flight: 3, requests: 9 };
        let frame = WorkerFrame { body: Some(worker_frame::Body::Status(status)), ..Default::default() };
        let Some(Said::Status { text, in_flight: 3, requests: 9 }) = said(&frame) else {
            panic!("{frame:?}")
        };
        assert_eq!(text.len(), STATUS_TEXT - 1);
        assert!(text.ends_with('ü'));
    }
}
