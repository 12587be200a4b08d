//! One connection: the handshake, then frames in both directions until one side ends it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drover_proto::codec::{CodecError, FrameCodec, encode_frame};
use drover_proto::frame::FrameLimit;
use drover_proto::handshake::{HELLO_TIMEOUT, MasterSide, Refusal};
use drover_proto::latest::{
    Error, ErrorCode, Hello, HelloReply, Identity, Limits, MasterFrame, RejectCode, WorkerFrame,
    master_frame, worker_frame,
};
use drover_proto::version::SPOKEN;
use prost::Message;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_stream::StreamExt as _;
use tokio_util::codec::FramedRead;

use super::Token;
use crate::machine::worker::Said;

/// What a receive buffer begins with, in bytes: most frames of a life are smaller. It grows to the frame under way.
const READ_BUFFER: usize = 256;

/// How much of a worker's status text is kept, in bytes. It is a line for people, kept for every worker.
const STATUS_TEXT: usize = 4096;

/// How long a last answer may take to be written to a peer that may not read.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// How long one frame may take to be written once the master has let go of the worker. A peer that does not read would hold
/// the connection for ever.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Tells connections apart, in the whole process: a worker may come back on a new one, and late news of an app's last run may
/// come in the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionId(pub u64);

/// News of a connection.
#[derive(Debug)]
pub(crate) struct LinkNews {
    pub connection: ConnectionId,
    pub news: News,
}

/// The capability of a worker that takes work again after it has drained (docs/protocol.md).
const RESUME: &str = "resume";

/// What happened on a connection.
#[derive(Debug)]
pub(crate) enum News {
    /// A usable Hello with this token. Whoever answers decides.
    Claimed {
        token: Token,
        /// The library that speaks, for people.
        sdk: String,
        /// Whether the worker can take work again after it has drained.
        can_resume: bool,
        answer: oneshot::Sender<Result<Admission, (RejectCode, String)>>,
    },
    /// The handshake failed before anybody was asked.
    Refused {
        /// The token, if one was shown.
        token: Option<Token>,
        /// The process at the other end, as the kernel says.
        peer: Option<u32>,
        trouble: Arc<str>,
        /// Whether the peer can't succeed by trying again.
        is_final: bool,
    },
    /// The worker said something.
    Said { said: Said, seq: u64 },
    /// The connection has ended. With trouble, the peer is to blame.
    Lost { trouble: Option<Arc<str>> },
}

/// Lets a worker in.
#[derive(Debug)]
pub(crate) struct Admission {
    pub identity: Identity,
    pub limits: Limits,
    /// How often it is asked for a sign of life; zero: never.
    pub heartbeat_interval: Duration,
    /// What is to be sent to it, from here on.
    pub outgoing: mpsc::Receiver<Bytes>,
}

/// Serves one connection to its end. `user`: whom the workers run as.
pub(super) async fn serve(
    stream: UnixStream,
    connection: ConnectionId,
    news: mpsc::Sender<LinkNews>,
    permit: OwnedSemaphorePermit,
    user: u32,
) {
    let link = Connection { id: connection, user, news };
    let peer = stream.peer_cred().ok();
    let (reader, writer) = stream.into_split();
    let handshake =
        link.handshake(reader, writer, peer.and_then(|peer| peer.pid()), peer.map(|peer| peer.uid()));
    let Some((reader, writer, outgoing)) = handshake.await else { return };
    drop(permit);
    let trouble = link.carry(reader, writer, outgoing).await;
    link.tell(News::Lost { trouble }).await;
}

struct Connection {
    id: ConnectionId,
    user: u32,
    news: mpsc::Sender<LinkNews>,
}

type Outgoing = mpsc::Receiver<Bytes>;

impl Connection {
    /// The driver's queue is bounded, so a worker that floods waits here, in its own task.
    async fn tell(&self, news: News) {
        let _ = self.news.send(LinkNews { connection: self.id, news }).await;
    }

    async fn handshake(
        &self,
        reader: OwnedReadHalf,
        mut writer: OwnedWriteHalf,
        pid: Option<i32>,
        uid: Option<u32>,
    ) -> Option<(OwnedReadHalf, OwnedWriteHalf, Outgoing)> {
        let peer = pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
        let own = nix::unistd::geteuid().as_raw();
        if uid.is_none_or(|uid| ![self.user, own, 0].contains(&uid)) {
            let message = format!(
                "user {} may not speak here; workers run as user {}",
                uid.unwrap_or(u32::MAX),
                self.user
            );
            let refusal = Refusal { code: RejectCode::PermissionDenied, message, spoken: SPOKEN };
            return self.refuse(writer, None, peer, refusal, false).await;
        }
        let mut frames = FramedRead::with_capacity(
            reader,
            FrameCodec::<HelloReply, Hello>::new(FrameLimit::WORKER),
            READ_BUFFER,
        );
        let malformed = |message: String| Refusal { code: RejectCode::Malformed, message, spoken: SPOKEN };
        let hello = match tokio::time::timeout(HELLO_TIMEOUT, frames.next()).await {
            Ok(Some(Ok(hello))) => hello,
            Ok(Some(Err(error))) => {
                let refusal = malformed(format!("the first frame is no Hello: {}", sentence(&error)));
                return self.refuse(writer, None, peer, refusal, true).await;
            }
            Ok(None) => {
                let refusal = malformed("it closed its connection without a Hello".to_owned());
                return self.refuse(writer, None, peer, refusal, false).await;
            }
            Err(_) => {
                let refusal = malformed(format!("no Hello within {HELLO_TIMEOUT:?} of connecting"));
                return self.refuse(writer, None, peer, refusal, false).await;
            }
        };
        let shown = Some(hello.token.as_str()).filter(|token| !token.is_empty()).map(Token::from);
        let claim = match MasterSide::new(SPOKEN).hello_received(hello) {
            Ok(claim) => claim,
            Err(refusal) => return self.refuse(writer, shown, peer, refusal, true).await,
        };
        let (answer, answered) = oneshot::channel();
        let token = Token::from(claim.token());
        let sdk = claim.sdk();
        let can_resume = claim.can(RESUME);
        self.tell(News::Claimed { token, sdk, can_resume, answer }).await;
        match answered.await {
            Ok(Ok(admission)) => {
                let (reply, _) =
                    claim.accept(admission.identity, admission.limits, admission.heartbeat_interval);
                if send(&mut writer, &reply).await.is_err() {
                    self.tell(News::Lost { trouble: None }).await;
                    return None;
                }
                // Nothing may follow Hello before Welcome, but a hasty worker's frames are not lost: the buffer goes on.
                if !frames.read_buffer().is_empty() {
                    let trouble = Some("it sent frames before it was welcomed".into());
                    self.tell(News::Lost { trouble }).await;
                    return None;
                }
                Some((frames.into_inner(), writer, admission.outgoing))
            }
            Ok(Err((code, message))) => {
                self.refuse(writer, None, peer, claim.refuse(code, message), false).await
            }
            Err(_) => None,
        }
    }

    async fn refuse<T>(
        &self,
        mut writer: OwnedWriteHalf,
        token: Option<Token>,
        peer: Option<u32>,
        refusal: Refusal,
        is_final: bool,
    ) -> Option<T> {
        tracing::warn!(target: "drover::protocol", connection = self.id.0, peer, reason = %refusal, "connection refused");
        let trouble = refusal.message.as_str().into();
        self.tell(News::Refused { token, peer, trouble, is_final }).await;
        // The peer may be gone already, or never have read; either way it is over.
        let _ = send(&mut writer, &refusal.to_reply()).await;
        None
    }

    /// Reads and writes, independently of each other, until one of them ends: two full buffers can't block each other.
    async fn carry(
        &self,
        reader: OwnedReadHalf,
        mut writer: OwnedWriteHalf,
        mut outgoing: Outgoing,
    ) -> Option<Arc<str>> {
        // Answers to what only this task sees; one is produced for each frame read, and the reader waits for room.
        let (answers, mut to_answer) = mpsc::channel::<Bytes>(1);
        let read = self.read(reader, answers);
        let write = async {
            loop {
                let frame = tokio::select! {
                    frame = outgoing.recv() => frame,
                    frame = to_answer.recv() => frame,
                };
                // The master lets go of the worker, or the reader has ended and its answers are written.
                let Some(frame) = frame else { return };
                if write_frame(&mut writer, &frame, &outgoing).await.is_err() {
                    return;
                }
            }
        };
        let mut write = std::pin::pin!(write);
        tokio::select! {
            trouble = read => {
                // What it is closed for is told first: the answer may still be in the queue, or half written.
                let _ = tokio::time::timeout(LAST_ANSWER, write).await;
                trouble
            }
            () = &mut write => None,
        }
    }

    async fn read(&self, reader: OwnedReadHalf, answers: mpsc::Sender<Bytes>) -> Option<Arc<str>> {
        let codec = FrameCodec::<MasterFrame, WorkerFrame>::new(FrameLimit::WORKER);
        let mut frames = FramedRead::with_capacity(reader, codec, READ_BUFFER);
        loop {
            let frame = match frames.next().await? {
                Ok(frame) => frame,
                // A reset is an end like EOF: the process will tell the rest.
                Err(CodecError::Io(_)) => return None,
                Err(error) => {
                    let message = sentence(&error);
                    let _ = answers.send(error_frame(0, ErrorCode::BadFrame, &message)).await;
                    return Some(message.into());
                }
            };
            tracing::debug!(target: "drover::protocol", connection = self.id.0, seq = frame.seq, "← {}", name(&frame));
            match said(&frame) {
                Some(said) => self.tell(News::Said { said, seq: frame.seq }).await,
                None if !matches!(frame.body, Some(worker_frame::Body::Error(_))) => {
                    if frame.must_understand {
                        let message = "a message that must be understood is not known here";
                        let _ = answers.send(error_frame(frame.seq, ErrorCode::Unimplemented, message)).await;
                        return Some(message.into());
                    }
                    if frame.expects_reply {
                        let message = "this message is not known to the master";
                        let _ = answers.send(error_frame(frame.seq, ErrorCode::Unimplemented, message)).await;
                    }
                }
                None => {}
            }
        }
    }
}

/// What of a frame concerns the worker's life. An Error does not.
fn said(frame: &WorkerFrame) -> Option<Said> {
    Some(match frame.body.as_ref()? {
        worker_frame::Body::Started(_) => Said::Started,
        worker_frame::Body::Stopped(_) => Said::Stopped,
        worker_frame::Body::ShutDown(_) => Said::ShutDown,
        worker_frame::Body::Extend(extend) => Said::Extend { by: Duration::from_millis(extend.timeout_ms) },
        worker_frame::Body::Status(status) => {
            let text = &status.text;
            let end = (0..=STATUS_TEXT.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
            Said::Status {
                text: text[..end.unwrap_or(0)].to_owned(),
                in_flight: status.in_flight,
                requests: status.requests,
            }
        }
        worker_frame::Body::Pong(_) => Said::Pong,
        worker_frame::Body::Error(_) => return None,
        // Not carried: `Welcome` does not name the capability.
        worker_frame::Body::Progress(_)
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

/// An Error that answers the frame `reply_to`; 0 if that could not be read.
pub(crate) fn error_frame(reply_to: u64, code: ErrorCode, message: &str) -> Bytes {
    let error = Error { code: code.into(), message: message.to_owned() };
    let frame = MasterFrame { reply_to, body: Some(master_frame::Body::Error(error)), ..Default::default() };
    encode_frame(&frame, FrameLimit::WORKER).expect("an error's sentence is far below the limit")
}

/// Writes a frame. A peer may read as late as it likes while the master holds its queue.
async fn write_frame(writer: &mut OwnedWriteHalf, frame: &[u8], outgoing: &Outgoing) -> io::Result<()> {
    let mut written = std::pin::pin!(writer.write_all(frame));
    loop {
        match tokio::time::timeout(LAST_WRITE, &mut written).await {
            Ok(result) => return result,
            Err(late) if outgoing.is_closed() => return Err(late.into()),
            Err(_) => {}
        }
    }
}

async fn send(writer: &mut OwnedWriteHalf, message: &impl Message) -> io::Result<()> {
    let frame = encode_frame(message, FrameLimit::WORKER).map_err(io::Error::other)?;
    // A peer that does not read its first frame is not waited for longer than for its Hello.
    tokio::time::timeout(HELLO_TIMEOUT, writer.write_all(&frame)).await?
}

/// The error with its sources in one sentence.
pub(crate) fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::Status;
    use tokio::io::AsyncReadExt as _;
    use tokio_util::codec::Decoder as _;

    use super::*;

    /// A connection that is past its handshake, the queue to its peer, and the peer.
    fn carried() -> (tokio::task::JoinHandle<Option<Arc<str>>>, mpsc::Sender<Bytes>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (news, mut told) = mpsc::channel(8);
        let (outgoing, frames) = mpsc::channel(64);
        let carrying = tokio::spawn(async move {
            let (reader, writer) = ours.into_split();
            let link = Connection { id: ConnectionId(1), user: 0, news };
            tokio::select! {
                trouble = link.carry(reader, writer, frames) => trouble,
                () = async { while told.recv().await.is_some() {} } => None,
            }
        });
        (carrying, outgoing, theirs)
    }

    #[tokio::test]
    async fn a_peer_whose_frame_is_refused_reads_why_before_the_end() {
        let unknown = WorkerFrame { seq: 4, must_understand: true, ..Default::default() };
        let unknown = encode_frame(&unknown, FrameLimit::WORKER).unwrap();
        for (sent, reply_to, code) in [
            (Bytes::from_static(b"\xff\xff\xff\xff"), 0, ErrorCode::BadFrame),
            (unknown, 4, ErrorCode::Unimplemented),
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
    async fn a_peer_that_does_not_read_cannot_hold_what_the_master_let_go() {
        let (carrying, outgoing, mut peer) = carried();
        let large = Bytes::from(vec![0; 4 * 1024 * 1024]);
        outgoing.send(large).await.unwrap();
        // The write is under way.
        peer.read_exact(&mut [0; 4]).await.unwrap();
        drop(outgoing);
        let ended = tokio::time::timeout(Duration::from_secs(20), carrying).await;
        assert_eq!(ended.expect("it ends").unwrap(), None);
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
