//! One connection: the handshake, then frames in both directions until one side ends it.

use std::io;

use drover_proto::codec::{FrameCodec, encode_frame};
use drover_proto::frame::FrameLimit;
use drover_proto::handshake::{HELLO_TIMEOUT, MasterSide, Refusal};
use drover_proto::latest::{Hello, HelloReply, RejectCode};
use drover_proto::version::SPOKEN;
use futures_util::StreamExt as _;
use nix::sys::socket::{setsockopt, sockopt};
use prost::Message;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::codec::FramedRead;

use super::Token;
use super::carry::{Admitted, carry};
use super::drained::Drained;
use super::news::{ConnectionId, ConnectionNews, LinkNews, NewsSender, RefusalKind, WorkerAdmission};
use crate::patience::within;
use crate::sentence::sentence;

/// What a receive buffer begins with, in bytes: most frames of a life are smaller. It grows to the frame under way.
const READ_BUFFER: usize = 256;

/// How much the kernel may hold of what a peer has not read, in bytes: the largest message as a whole. The kernel gives no more than
/// net.core.wmem_max, and doubles that for its own needs (socket(7)). With less, writer and reader of a large message wait for each
/// other by turns.
const IN_THE_KERNEL: usize = 1024 * 1024;

/// The capability of a worker that takes work again after it has drained (docs/reference/protocol.md).
const RESUME: &str = "resume";

/// The capability of a worker that takes messages of the application (docs/reference/protocol.md).
const BUS: &str = "bus";

/// How many fields a Hello may have: what is over that is refused before it is built. A capability is a field.
const PARTS: usize = 1024;

/// Serves one connection to its end. `user`: whom the workers run as.
pub(super) async fn serve(
    stream: UnixStream,
    connection: ConnectionId,
    news: mpsc::Sender<LinkNews>,
    permit: OwnedSemaphorePermit,
    user: u32,
) {
    let link = Handshake { news: NewsSender { id: connection, queue: news }, user };
    let peer = stream.peer_cred().ok();
    // A system that does not allow it carries large messages in more and smaller pieces.
    let _ = setsockopt(&stream, sockopt::SndBuf, &IN_THE_KERNEL);
    let (reader, writer) = stream.into_split();
    let handshake =
        link.handshake(reader, writer, peer.and_then(|peer| peer.pid()), peer.map(|peer| peer.uid()));
    let Some((reader, writer, admitted)) = handshake.await else { return };
    drop(permit);
    let trouble = carry(&link.news, reader, writer, admitted).await;
    link.news.tell(ConnectionNews::Lost { trouble }).await;
}

/// A connection of which nobody knows yet whose it is.
struct Handshake {
    news: NewsSender,
    /// Whom the workers run as.
    user: u32,
}

impl Handshake {
    async fn handshake(
        &self,
        reader: OwnedReadHalf,
        mut writer: OwnedWriteHalf,
        pid: Option<i32>,
        uid: Option<u32>,
    ) -> Option<(OwnedReadHalf, OwnedWriteHalf, Admitted)> {
        let peer = pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
        let own = nix::unistd::geteuid().as_raw();
        if uid.is_none_or(|uid| ![self.user, own, 0].contains(&uid)) {
            let message = format!(
                "user {} may not speak here; workers run as user {}",
                uid.unwrap_or(u32::MAX),
                self.user
            );
            let refusal = Refusal { code: RejectCode::PermissionDenied, message, spoken: SPOKEN };
            return self.refuse(writer, None, peer, refusal, RefusalKind::Open).await;
        }
        let mut frames = FramedRead::with_capacity(
            Drained(reader),
            FrameCodec::<HelloReply, Hello>::new(FrameLimit::WORKER).with_parts(PARTS),
            READ_BUFFER,
        );
        let malformed = |message: String| Refusal { code: RejectCode::Malformed, message, spoken: SPOKEN };
        let hello = match within(HELLO_TIMEOUT, frames.next()).await {
            Some(Some(Ok(hello))) => hello,
            Some(Some(Err(error))) => {
                let refusal = malformed(format!("the first frame is not a Hello: {}", sentence(&error)));
                return self.refuse(writer, None, peer, refusal, RefusalKind::Final).await;
            }
            Some(None) => {
                let refusal = malformed("it closed its connection without a Hello".to_owned());
                return self.refuse(writer, None, peer, refusal, RefusalKind::Silent).await;
            }
            None => {
                let refusal = malformed(format!("no Hello within {HELLO_TIMEOUT:?} of connecting"));
                return self.refuse(writer, None, peer, refusal, RefusalKind::Open).await;
            }
        };
        let shown = Some(hello.token.as_str()).filter(|token| !token.is_empty()).map(Token::from);
        let claim = match MasterSide::new(SPOKEN).hello_received(hello) {
            Ok(claim) => claim,
            Err(refusal) => return self.refuse(writer, shown, peer, refusal, RefusalKind::Final).await,
        };
        let (answer, answered) = oneshot::channel();
        let token = Token::from(claim.token());
        let sdk = claim.sdk();
        let (can_resume, takes_messages) = (claim.can(RESUME), claim.can(BUS));
        self.news.tell(ConnectionNews::Claimed { token, sdk, can_resume, takes_messages, answer }).await;
        match answered.await {
            Ok(Ok(admission)) => {
                let WorkerAdmission { identity, limits, heartbeat_interval, capabilities, outgoing, seat } =
                    admission;
                let (reply, _) = claim.offering(capabilities).accept(identity, limits, heartbeat_interval);
                if send(&mut writer, &reply).await.is_err() {
                    self.news.tell(ConnectionNews::Lost { trouble: None }).await;
                    return None;
                }
                // Nothing may follow Hello before Welcome, but a hasty worker's frames are not lost: the buffer goes on.
                if !frames.read_buffer().is_empty() {
                    let trouble = Some("it sent frames before it was welcomed".into());
                    self.news.tell(ConnectionNews::Lost { trouble }).await;
                    return None;
                }
                Some((frames.into_inner().0, writer, Admitted { outgoing, seat }))
            }
            Ok(Err((code, message))) => {
                self.refuse(writer, None, peer, claim.refuse(code, message), RefusalKind::Open).await
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
        kind: RefusalKind,
    ) -> Option<T> {
        // The driver tells it as an event, with a name and a bound.
        tracing::debug!(target: "drover::protocol", connection = self.news.id.0, peer, reason = %refusal, "connection refused");
        let trouble = refusal.message.as_str().into();
        self.news.tell(ConnectionNews::Refused { token, peer, trouble, kind }).await;
        // The peer may be gone already, or never have read; either way it is over.
        let _ = send(&mut writer, &refusal.to_reply()).await;
        None
    }
}

async fn send(writer: &mut OwnedWriteHalf, message: &impl Message) -> io::Result<()> {
    let frame = encode_frame(message, FrameLimit::WORKER).map_err(io::Error::other)?;
    // A peer that does not read its first frame is not waited for longer than for its Hello.
    within(HELLO_TIMEOUT, writer.write_all(&frame)).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}
