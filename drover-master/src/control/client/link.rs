//! A client's connection: the handshake, and which answer belongs to which request.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use drover_proto::codec::FrameCodec;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{
    ControlHello, ControlHelloReply, ControlRequest, ControlResponse, ControlWelcome, Error, ErrorCode,
    RejectCode, StatusReply, StatusRequest, control_hello_reply, control_request, control_response,
};
use drover_proto::version::SPOKEN;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::UnixStream;
use tokio_util::codec::{Decoder, Framed};

use super::error::ClientError;
use super::place::{MasterPlace, keeper_of};
use crate::sys::{pidfd_open, watch_readable};

/// How long a master may take to answer the handshake, unless who asks says otherwise. It answers at once; only a stopped process, or
/// one that many ask, does not.
pub(super) const WELCOME: Duration = Duration::from_secs(5);

/// How long until a full queue of clients is tried again: no event tells of room in it.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// How often a client connects to masters that die one after the other: a keeper gives up after as many (`DROVER_KEEPER_CRASHES`).
const TRIES: usize = 6;

/// How many answers may come of a row before the one to a question beside it. The master takes questions in turn with what it
/// streams, so these are few; all events that it keeps are 4096.
const BETWEEN: usize = 8192;

/// How long a master's process may take to end after it has said that all is over.
const LAST_MOMENTS: Duration = Duration::from_secs(3);

/// A connection after its handshake.
#[derive(Debug)]
pub(super) struct Link {
    frames: Framed<UnixStream, FrameCodec<ControlRequest, ControlResponse>>,
    last_seq: u64,
    /// The request whose answers are taken one by one.
    row: Option<Row>,
    /// The master's process, to wait for its end; none where the kernel does not tell it.
    process: Option<Arc<OwnedFd>>,
    /// Its number, as it is seen from here.
    peer: Option<u32>,
    /// Where it was reached; none within its own program.
    place: Option<MasterPlace>,
    /// The pid of the master that goes on in the place of this one, which has crashed.
    successor: Option<u32>,
}

#[derive(Debug)]
struct Row {
    seq: u64,
    /// Answers to it that came before the one to a question beside it.
    early: VecDeque<ControlResponse>,
}

impl Link {
    /// Connects and shakes hands, within that time altogether.
    pub(super) async fn connect(path: &Path, limit: Duration) -> Result<(Self, ControlWelcome), ClientError> {
        let mut tried = Self::try_connect(path, limit).await;
        // A master that dies closes what it has accepted. If another one follows it, that listens already, and may die as well.
        for _ in 1..TRIES {
            if !matches!(&tried, Err(ClientError::Closed)) {
                break;
            }
            match Self::try_connect(path, limit).await {
                // Nobody followed.
                Err(ClientError::Unreachable { .. }) => break,
                next => tried = next,
            }
        }
        tried
    }

    async fn try_connect(path: &Path, limit: Duration) -> Result<(Self, ControlWelcome), ClientError> {
        let begun = tokio::time::Instant::now();
        let place = MasterPlace::new(path);
        let stream = match tokio::time::timeout(limit, reach(path)).await {
            Ok(stream) => stream?,
            Err(_) => return Err(ClientError::Busy { path: path.to_owned(), limit }),
        };
        let (link, welcome) = Self::greet(stream, begun, limit).await?;
        Ok((Self { place: Some(place), ..link }, welcome))
    }

    /// Shakes hands with whoever is at the other end, within a time that has begun.
    pub(super) async fn greet(
        stream: UnixStream,
        begun: tokio::time::Instant,
        limit: Duration,
    ) -> Result<(Self, ControlWelcome), ClientError> {
        let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
        let peer = pid.and_then(|pid| u32::try_from(pid).ok());
        let process = pid.and_then(|pid| pidfd_open(pid).ok()).map(Arc::new);
        let codec = FrameCodec::<ControlHello, ControlHelloReply>::new(FrameLimit::CONTROL);
        let mut hellos = codec.framed(stream);
        let hello = ControlHello {
            min_version: SPOKEN.min(),
            max_version: SPOKEN.max(),
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        // One that refuses may have closed before it read, and its reason lies in the socket.
        let sent = hellos.send(hello).await;
        let left = limit.saturating_sub(begun.elapsed());
        let reply = tokio::time::timeout(left, hellos.next()).await;
        let reply = reply.map_err(|_| ClientError::Silent { limit })?;
        let reply = match (reply, sent) {
            (Some(Ok(reply)), _) => reply,
            (_, Err(error)) | (Some(Err(error)), Ok(())) => return Err(ClientError::lost(error)),
            (None, Ok(())) => return Err(ClientError::Closed),
        };
        let welcome = welcomed(reply)?;
        let frames = hellos.map_codec(|_| FrameCodec::new(FrameLimit::CONTROL));
        Ok((Self { frames, last_seq: 0, row: None, process, peer, place: None, successor: None }, welcome))
    }

    pub(super) const fn peer(&self) -> Option<u32> {
        self.peer
    }

    pub(super) async fn status(&mut self, apps: &[String]) -> Result<StatusReply, ClientError> {
        let seq = self.send(control_request::Body::Status(StatusRequest { apps: apps.to_vec() })).await?;
        let mut whole: Option<StatusReply> = None;
        loop {
            let ControlResponse { more, body, .. } = self.receive(seq).await?;
            let Some(control_response::Body::Status(part)) = body else {
                return Err(ClientError::Unexpected);
            };
            let whole = match &mut whole {
                Some(whole) => {
                    append(whole, part);
                    whole
                }
                None => whole.insert(part),
            };
            if !more {
                return Ok(std::mem::take(whole));
            }
        }
    }

    /// Sends a request; what comes back is its number.
    pub(super) async fn send(&mut self, body: control_request::Body) -> Result<u64, ClientError> {
        self.last_seq += 1;
        let request = ControlRequest { seq: self.last_seq, body: Some(body) };
        match self.frames.send(request).await {
            Ok(()) => Ok(self.last_seq),
            // What it said before it closed lies in the socket, as an answer to this or to nothing.
            Err(error) => match tokio::time::timeout(WELCOME, self.receive(self.last_seq)).await {
                Ok(Err(refused @ ClientError::Refused { .. })) => Err(refused),
                Ok(Err(crashed @ ClientError::Crashed { .. })) => Err(crashed),
                _ => Err(ClientError::lost(error)),
            },
        }
    }

    /// Why the connection is lost: because its master crashed, if another one goes on.
    async fn lost(&mut self, error: ClientError) -> ClientError {
        if !matches!(error, ClientError::Closed) {
            return error;
        }
        // Looked for once, and told to whoever asks over this connection after that.
        if let Some(place) = self.place.take() {
            self.successor = Box::pin(place.successor()).await;
        }
        self.successor.map_or(error, |pid| ClientError::Crashed { pid })
    }

    /// Asks for what is answered by a row of answers, to be taken one by one.
    pub(super) async fn begin_row(&mut self, body: control_request::Body) -> Result<(), ClientError> {
        self.row = None;
        let seq = self.send(body).await?;
        self.row = Some(Row { seq, early: VecDeque::new() });
        Ok(())
    }

    /// Nobody takes the answers of the row any more.
    pub(super) fn end_row(&mut self) {
        self.row = None;
    }

    /// The next answer of the row.
    pub(super) async fn next(&mut self) -> Result<ControlResponse, ClientError> {
        let row = self.row.as_mut().ok_or(ClientError::Unexpected)?;
        match row.early.pop_front() {
            Some(early) => accepted(early),
            None => {
                let seq = row.seq;
                self.receive(seq).await
            }
        }
    }

    /// The next answer to a request. A refusal of another one is none of this.
    pub(super) async fn receive(&mut self, seq: u64) -> Result<ControlResponse, ClientError> {
        loop {
            let response = match self.frames.next().await {
                Some(Ok(response)) => response,
                Some(Err(error)) => return Err(self.lost(ClientError::lost(error)).await),
                None => return Err(self.lost(ClientError::Closed).await),
            };
            match (response.reply_to, &mut self.row) {
                (reply_to, _) if reply_to == seq => return accepted(response),
                // About the connection as a whole: the master closes it.
                (0, _) => return accepted(response).and(Err(ClientError::Unexpected)),
                (reply_to, Some(row)) if reply_to == row.seq && row.early.len() < BETWEEN => {
                    row.early.push_back(response);
                }
                (reply_to, Some(row)) if reply_to == row.seq => return Err(ClientError::Unexpected),
                // Nobody waits any more for what was asked before.
                (reply_to, _) if reply_to <= self.last_seq => {}
                _ => return Err(ClientError::Unexpected),
            }
        }
    }

    /// The keeper's process, which holds the names of a master until it has ended itself.
    pub(super) async fn keeper(&self) -> Option<Arc<OwnedFd>> {
        let peer = self.peer?;
        let looked = tokio::task::spawn_blocking(move || {
            let pid = keeper_of(peer)?.try_into().ok()?;
            pidfd_open(pid).ok()
        });
        looked.await.ok()?.map(Arc::new)
    }

    /// Waits for the end of the master's process and of its keeper's, so that its socket and name are free. An embedding program may
    /// live on: it is not waited for long.
    pub(super) async fn until_gone(&self, keeper: Option<Arc<OwnedFd>>) {
        let all_ended = async {
            for process in self.process.iter().cloned().chain(keeper) {
                if let Ok(ended) = watch_readable(process) {
                    let _ = ended.readable().await;
                }
            }
        };
        let _ = tokio::time::timeout(LAST_MOMENTS, all_ended).await;
    }
}

impl Link {
    /// From here on nobody looks what has become of the master.
    pub(super) fn without_place(self) -> Self {
        Self { place: None, ..self }
    }
}

/// Connects as soon as there is room in the master's queue. A connect that does not block is told that there is none
/// (EAGAIN, unix(7)).
async fn reach(path: &Path) -> Result<UnixStream, ClientError> {
    loop {
        let source = match UnixStream::connect(path).await {
            Ok(stream) => return Ok(stream),
            Err(source) => source,
        };
        return Err(match source.kind() {
            io::ErrorKind::WouldBlock => {
                tokio::time::sleep(TRY_AGAIN).await;
                continue;
            }
            io::ErrorKind::PermissionDenied => ClientError::NotPermitted {
                message: format!("`{}` may not be opened by this user", path.display()),
            },
            _ => ClientError::Unreachable { path: path.to_owned(), source },
        });
    }
}

fn welcomed(reply: ControlHelloReply) -> Result<ControlWelcome, ClientError> {
    match reply.reply {
        Some(control_hello_reply::Reply::Welcome(welcome)) => Ok(welcome),
        Some(control_hello_reply::Reply::Reject(reject)) => {
            let message = reject.message;
            Err(match RejectCode::try_from(reject.code) {
                Ok(RejectCode::UnsupportedVersion) => ClientError::Version { message },
                Ok(RejectCode::PermissionDenied) => ClientError::NotPermitted { message },
                _ => ClientError::Refused { code: ErrorCode::InvalidArgument, message },
            })
        }
        None => Err(ClientError::Unexpected),
    }
}

/// The answer, unless it is a refusal.
fn accepted(response: ControlResponse) -> Result<ControlResponse, ClientError> {
    match response.body {
        Some(control_response::Body::Error(Error { code, message })) => {
            let code = ErrorCode::try_from(code).unwrap_or(ErrorCode::Unspecified);
            Err(ClientError::Refused { code, message })
        }
        _ => Ok(response),
    }
}

/// Adds a further part of a status. The app that the first part ended with may go on in it.
fn append(whole: &mut StatusReply, part: StatusReply) {
    for app in part.apps {
        match whole.apps.last_mut() {
            Some(last) if last.name == app.name => last.workers.extend(app.workers),
            _ => whole.apps.push(app),
        }
    }
}
