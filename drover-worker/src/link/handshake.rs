//! The first frame in each direction.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::BytesMut;
use drover_proto::codec::{CodecError, FrameCodec, encode_frame};
use drover_proto::frame::{FrameError, FrameLimit};
use drover_proto::handshake::{WorkerSession, WorkerSide};
use drover_proto::latest::{Hello, HelloReply, Sdk};
use drover_proto::version::SPOKEN;
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio_util::codec::Decoder;

use super::comeback::PAUSES;
use super::sender;
use crate::error::ConnectError;

/// How long the master may take to answer. Shorter gives up on a starved host, longer hides a master that hangs.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often the first connection is made again where it ended without an answer, after the same pauses as a later one. Fewer: a worker that
/// is born while masters die, one after the other, is lost. More: a master that will never answer is found out later.
const MORE_TRIES: usize = 3;

/// How much the kernel may hold of what the master has not read, in bytes: the largest message as a whole. The kernel gives no more
/// than net.core.wmem_max, and doubles that for its own needs (socket(7)). With less, writer and reader of a large message wait for
/// each other by turns.
const IN_THE_KERNEL: usize = 1024 * 1024;

/// A connection on which the master has welcomed the worker.
#[derive(Debug)]
pub(crate) struct MasterConnection {
    pub(crate) stream: UnixStream,
    pub(crate) session: WorkerSession,
    /// What arrived after Welcome: the first of the frames that follow it.
    pub(crate) received: BytesMut,
    /// The pid of the master.
    pub(crate) master: libc::pid_t,
}

/// The secret that says which worker this is.
pub(crate) struct Token(pub(crate) String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Where the master is, and what the worker says of itself: the same on every connection.
#[derive(Debug)]
pub(crate) struct Introduction {
    pub(crate) socket: PathBuf,
    pub(crate) token: Token,
    pub(crate) capabilities: Vec<&'static str>,
}

/// Connects for the first time and introduces the worker. A master that dies before it has answered may have a successor, which holds the
/// socket already.
pub(crate) async fn connect(introduction: &Introduction) -> Result<MasterConnection, ConnectError> {
    for pause in PAUSES.into_iter().take(MORE_TRIES) {
        match try_to_connect(introduction).await {
            Err(error) if has_ended(&error) => tokio::time::sleep(pause).await,
            verdict => return verdict,
        }
    }
    try_to_connect(introduction).await
}

/// Whether a connection has ended without a verdict on this worker: another may be better.
pub(super) const fn has_ended(error: &ConnectError) -> bool {
    matches!(
        error,
        ConnectError::Closed
            | ConnectError::Link(CodecError::Io(_) | CodecError::Frame(FrameError::Truncated { .. }))
    )
}

async fn try_to_connect(introduction: &Introduction) -> Result<MasterConnection, ConnectError> {
    let socket = &introduction.socket;
    let whole = async {
        let stream = reach(introduction)
            .await
            .map_err(|source| ConnectError::Unreachable { socket: socket.clone(), source })?;
        introduce(stream, introduction).await
    };
    tokio::time::timeout(TIMEOUT, whole)
        .await
        .map_err(|_| ConnectError::TimedOut { socket: socket.clone(), after: TIMEOUT })?
}

/// Connects to whoever holds the master's socket.
pub(crate) async fn reach(introduction: &Introduction) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(&introduction.socket).await?;
    // A system that does not allow it carries large messages in more and smaller pieces.
    let _ = SockRef::from(&stream).set_send_buffer_size(IN_THE_KERNEL);
    Ok(stream)
}

/// Introduces the worker and waits for the answer.
pub(crate) async fn introduce(
    mut stream: UnixStream,
    introduction: &Introduction,
) -> Result<MasterConnection, ConnectError> {
    let Introduction { token: Token(token), capabilities, .. } = introduction;
    // Before Hello, so that whoever answers it is named.
    sender::name_senders(&stream, true).map_err(ConnectError::OrphanWatch)?;
    let sdk = Sdk {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        language: "rust".to_owned(),
    };
    let side = WorkerSide::new(SPOKEN, token).pid(std::process::id()).sdk(sdk);
    let (hello, awaiting) = side.capabilities(capabilities.iter().copied()).hello();
    let hello = encode_frame(&hello, FrameLimit::WORKER).map_err(CodecError::from)?;
    // A master that refuses may close before it has read Hello; its Reject is still to be read.
    let sent = stream.write_all(&hello).await;
    let (mut received, mut master) = (BytesMut::new(), None);
    let mut codec = FrameCodec::<Hello, HelloReply>::new(FrameLimit::WORKER);
    loop {
        if let Some(reply) = codec.decode(&mut received)? {
            let session = awaiting.reply_received(reply)?;
            sent.map_err(CodecError::from)?;
            sender::name_senders(&stream, false).map_err(ConnectError::OrphanWatch)?;
            // Linux tells it always.
            let master = master.ok_or(io::ErrorKind::Unsupported);
            let master = master.map_err(|error| ConnectError::OrphanWatch(error.into()))?;
            return Ok(MasterConnection { stream, session, received, master });
        }
        let (bytes, sender) = sender::read(&stream, &mut received).await.map_err(CodecError::from)?;
        master = sender.or(master);
        if bytes == 0 {
            codec.decode_eof(&mut received)?;
            return Err(ConnectError::Closed);
        }
    }
}
