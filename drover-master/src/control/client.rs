//! The asking end of the control socket.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use drover_proto::codec::{CodecError, FrameCodec};
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{
    ControlHello, ControlHelloReply, ControlRequest, ControlResponse, DescribeReply, DescribeRequest,
    DownRequest, Error, ErrorCode, Event, EventsMissed, EventsRequest, LogLine, LogsMissed, LogsRequest,
    OperateRequest, OperationResult, RejectCode, ReloadRequest, ScaleRequest, SignalRequest, StatusReply,
    StatusRequest, control_hello_reply, control_request, control_response,
};
use drover_proto::version::SPOKEN;
use futures_util::SinkExt as _;
use tokio::net::UnixStream;
use tokio_stream::StreamExt as _;
use tokio_util::codec::{Decoder, Framed};

use crate::sys::{pidfd_open, watch_readable};

/// How long a master may take to answer the handshake, unless who asks says otherwise. It answers at once; only a stopped process, or
/// one that many ask, does not.
const WELCOME: Duration = Duration::from_secs(5);

/// How long until a full queue of clients is tried again: no event tells of room in it.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// How many answers may come of a stream before the one to a question beside it. The master takes questions in turn with what it
/// streams, so these are few; all events that it keeps are 4096.
const BETWEEN: usize = 8192;

/// How long a master's process may take to end after it has said that all is over.
const LAST_MOMENTS: Duration = Duration::from_secs(3);

/// A connection to a running master.
#[derive(Debug)]
pub struct ControlClient {
    frames: Framed<UnixStream, FrameCodec<ControlRequest, ControlResponse>>,
    last_seq: u64,
    /// The request whose answers are taken one by one.
    stream: u64,
    /// Answers to it that came before the one to a question beside it.
    early: VecDeque<ControlResponse>,
    master_version: String,
    /// The master's process, to wait for its end; none where the kernel does not tell it.
    process: Option<Arc<OwnedFd>>,
}

/// Why a master could not be asked, or did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody is there.
    #[error("no master answers at `{}`", path.display())]
    Unreachable {
        /// Where it was looked for.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Its queue of clients is full.
    #[error("the master at `{}` is busy: for {limit:?} its queue of clients was full; it may be stopped (SIGSTOP), or so many ask", path.display())]
    Busy {
        /// Where it listens.
        path: PathBuf,
        /// How long it was waited for.
        limit: Duration,
    },
    /// This user may not.
    #[error("not permitted: {message}")]
    NotPermitted {
        /// Why.
        message: String,
    },
    /// The master speaks other versions.
    #[error("the master and this program speak no version in common: {message}")]
    Version {
        /// Which ones.
        message: String,
    },
    /// The master said no.
    #[error("{message}")]
    Refused {
        /// The kind of refusal.
        code: ErrorCode,
        /// The master's sentence.
        message: String,
    },
    /// The master went away, or something else answers there.
    #[error("the connection to the master failed")]
    Connection(#[source] CodecError),
    /// The master closed before it answered.
    #[error("the master closed the connection before it answered; it may just have ended")]
    Closed,
    /// The master does not answer.
    #[error(
        "the master does not answer within {limit:?}; it may be stopped (SIGSTOP), or too many ask at once"
    )]
    Silent {
        /// How long it was waited for.
        limit: Duration,
    },
    /// The answer is not of the kind that was asked for: the peer's fault.
    #[error("the master's answer makes no sense")]
    Unexpected,
}

impl ClientError {
    /// A connection is lost. A master that ends resets it where a question of ours is still unread.
    fn lost(error: CodecError) -> Self {
        match &error {
            CodecError::Io(source)
                if matches!(source.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) =>
            {
                Self::Closed
            }
            _ => Self::Connection(error),
        }
    }
}

/// What comes of [`ControlClient::events`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Follow {
    /// An event.
    Event(Box<Event>),
    /// Events that are gone.
    Missed(EventsMissed),
}

/// What comes of [`ControlClient::logs`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum LogFollow {
    /// A line.
    Line(LogLine),
    /// Lines that are gone.
    Missed(LogsMissed),
}

impl ControlClient {
    /// Connects and shakes hands, within 5 s.
    ///
    /// # Errors
    ///
    /// As [`connect_within`](Self::connect_within).
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        Self::connect_within(path, WELCOME).await
    }

    /// Connects and shakes hands. Waits for a busy master, up to that long altogether.
    ///
    /// # Errors
    ///
    /// [`ClientError::Unreachable`], [`NotPermitted`](ClientError::NotPermitted), [`Version`](ClientError::Version),
    /// [`Busy`](ClientError::Busy), [`Silent`](ClientError::Silent), or that the connection failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the connection; nothing has been asked.
    pub async fn connect_within(path: &Path, limit: Duration) -> Result<Self, ClientError> {
        let begun = tokio::time::Instant::now();
        let stream = match tokio::time::timeout(limit, reach(path)).await {
            Ok(stream) => stream?,
            Err(_) => return Err(ClientError::Busy { path: path.to_owned(), limit }),
        };
        Self::greet(stream, begun, limit).await
    }

    /// Shakes hands with who is at the other end, within 5 s.
    #[cfg(feature = "http")]
    pub(super) async fn over(stream: UnixStream) -> Result<Self, ClientError> {
        Self::greet(stream, tokio::time::Instant::now(), WELCOME).await
    }

    async fn greet(
        stream: UnixStream,
        begun: tokio::time::Instant,
        limit: Duration,
    ) -> Result<Self, ClientError> {
        let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
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
        match reply.reply {
            Some(control_hello_reply::Reply::Welcome(welcome)) => Ok(Self {
                frames: hellos.map_codec(|_| FrameCodec::new(FrameLimit::CONTROL)),
                last_seq: 0,
                stream: 0,
                early: VecDeque::new(),
                master_version: welcome.master_version,
                process,
            }),
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

    /// The master's program version.
    pub fn master_version(&self) -> &str {
        &self.master_version
    }

    /// What there is: all apps, or only these.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `NotFound` for an unknown app, or that the connection failed.
    pub async fn status(&mut self, apps: &[String]) -> Result<StatusReply, ClientError> {
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

    /// Asks for events after number `since`; with `follow` also for those to come. Take them by
    /// [`next_event`](Self::next_event). In between, [`status`](Self::status) and [`describe`](Self::describe) may be asked on
    /// the same connection.
    ///
    /// # Errors
    ///
    /// That the connection failed.
    pub async fn events(&mut self, since: u64, follow: bool) -> Result<(), ClientError> {
        self.begin(control_request::Body::Events(EventsRequest { since_seq: since, follow })).await
    }

    /// The next of the events that were asked for; none after the last.
    ///
    /// # Errors
    ///
    /// That the connection failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next_event(&mut self) -> Result<Option<Follow>, ClientError> {
        match self.next().await?.body {
            Some(control_response::Body::Event(event)) => Ok(Some(Follow::Event(Box::new(event)))),
            Some(control_response::Body::Missed(missed)) => Ok(Some(Follow::Missed(missed))),
            Some(control_response::Body::Done(_)) => Ok(None),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Asks for apps or workers to be started, stopped or restarted. Take the results by
    /// [`next_result`](Self::next_result).
    ///
    /// # Errors
    ///
    /// That the connection failed.
    pub async fn operate(&mut self, request: OperateRequest) -> Result<(), ClientError> {
        self.begin(control_request::Body::Operate(request)).await
    }

    /// Asks for more or fewer workers. Take the results by [`next_result`](Self::next_result).
    ///
    /// # Errors
    ///
    /// That the connection failed.
    pub async fn scale(&mut self, request: ScaleRequest) -> Result<(), ClientError> {
        self.begin(control_request::Body::Scale(request)).await
    }

    /// Asks for the workers of apps to be replaced, or decides about a reload that is held. Take the results by
    /// [`next_result`](Self::next_result).
    ///
    /// # Errors
    ///
    /// That the connection failed.
    pub async fn reload(&mut self, request: ReloadRequest) -> Result<(), ClientError> {
        self.begin(control_request::Body::Reload(request)).await
    }

    /// Asks for a signal to be sent to workers. Take the results by [`next_result`](Self::next_result).
    ///
    /// # Errors
    ///
    /// That the connection failed.
    pub async fn signal(&mut self, request: SignalRequest) -> Result<(), ClientError> {
        self.begin(control_request::Body::Signal(request)).await
    }

    /// How the next of the apps and workers that were meant came out; none after the last.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] if nothing was done: with `NotFound` for a name that fits nothing; or that the connection
    /// failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next_result(&mut self) -> Result<Option<OperationResult>, ClientError> {
        match self.next().await?.body {
            Some(control_response::Body::Operation(result)) => Ok(Some(result)),
            Some(control_response::Body::Done(_)) => Ok(None),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Everything about the apps and workers of these names.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `NotFound` for a name that fits nothing, or that the connection failed.
    pub async fn describe(&mut self, names: &[String]) -> Result<DescribeReply, ClientError> {
        let request = DescribeRequest { names: names.to_vec() };
        let seq = self.send(control_request::Body::Describe(request)).await?;
        let mut whole = DescribeReply::default();
        loop {
            let ControlResponse { more, body, .. } = self.receive(seq).await?;
            let Some(control_response::Body::Description(part)) = body else {
                return Err(ClientError::Unexpected);
            };
            whole.apps.extend(part.apps);
            whole.workers.extend(part.workers);
            if !more {
                return Ok(whole);
            }
        }
    }

    /// Asks for what workers printed. Take the lines by [`next_log`](Self::next_log).
    ///
    /// # Errors
    ///
    /// That the connection failed.
    pub async fn logs(&mut self, request: LogsRequest) -> Result<(), ClientError> {
        self.begin(control_request::Body::Logs(request)).await
    }

    /// The next of the lines that were asked for; none after the last.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `NotFound` for a name that fits nothing, or that the connection failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next_log(&mut self) -> Result<Option<LogFollow>, ClientError> {
        match self.next().await?.body {
            Some(control_response::Body::Log(line)) => Ok(Some(LogFollow::Line(line))),
            Some(control_response::Body::LogsMissed(missed)) => Ok(Some(LogFollow::Missed(missed))),
            Some(control_response::Body::Done(_)) => Ok(None),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Ends every app and the master: gracefully, or with `now` by SIGKILL. Resolves when all workers and the master's own
    /// process are gone, with a sentence on how it ended.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `Deadline` if it had to be killed because the shutdown timeout passed: it is gone all
    /// the same. Or that the connection failed.
    pub async fn down(&mut self, now: bool) -> Result<String, ClientError> {
        let seq = self.send(control_request::Body::Down(DownRequest { now })).await?;
        let answer = self.receive(seq).await;
        if matches!(answer, Ok(_) | Err(ClientError::Refused { code: ErrorCode::Deadline, .. })) {
            self.until_gone().await;
        }
        match answer?.body {
            Some(control_response::Body::Done(done)) => Ok(done.message),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Waits for the end of the master's process, so that its socket and name are free. An embedding program may live on:
    /// it is not waited for long.
    async fn until_gone(&self) {
        if let Some(Ok(ended)) = self.process.as_ref().map(|process| watch_readable(Arc::clone(process))) {
            let _ = tokio::time::timeout(LAST_MOMENTS, ended.readable()).await;
        }
    }

    pub(super) async fn send(&mut self, body: control_request::Body) -> Result<u64, ClientError> {
        self.last_seq += 1;
        let request = ControlRequest { seq: self.last_seq, body: Some(body) };
        match self.frames.send(request).await {
            Ok(()) => Ok(self.last_seq),
            // What it said before it closed lies in the socket, as an answer to this or to nothing.
            Err(error) => match tokio::time::timeout(WELCOME, self.receive(self.last_seq)).await {
                Ok(Err(refused @ ClientError::Refused { .. })) => Err(refused),
                _ => Err(ClientError::lost(error)),
            },
        }
    }

    /// Asks for what is answered by a row of answers, to be taken one by one.
    pub(super) async fn begin(&mut self, body: control_request::Body) -> Result<(), ClientError> {
        self.early.clear();
        self.stream = self.send(body).await?;
        Ok(())
    }

    /// The next answer of the row.
    pub(super) async fn next(&mut self) -> Result<ControlResponse, ClientError> {
        match self.early.pop_front() {
            Some(early) => whole(early),
            None => self.receive(self.stream).await,
        }
    }

    pub(super) async fn receive(&mut self, seq: u64) -> Result<ControlResponse, ClientError> {
        loop {
            let response = self.frames.next().await.ok_or(ClientError::Closed)?.map_err(ClientError::lost)?;
            // An Error may be about the connection as a whole.
            if response.reply_to == seq || response.reply_to == 0 {
                return whole(response);
            }
            if response.reply_to != self.stream || self.early.len() >= BETWEEN {
                return Err(ClientError::Unexpected);
            }
            self.early.push_back(response);
        }
    }
}

/// The answer, unless it is a refusal.
fn whole(response: ControlResponse) -> Result<ControlResponse, ClientError> {
    match response.body {
        Some(control_response::Body::Error(Error { code, message })) => {
            let code = ErrorCode::try_from(code).unwrap_or(ErrorCode::Unspecified);
            Err(ClientError::Refused { code, message })
        }
        _ if response.reply_to == 0 => Err(ClientError::Unexpected),
        _ => Ok(response),
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

/// Adds a further part of a status. The app that the first part ended with may go on in it.
fn append(whole: &mut StatusReply, part: StatusReply) {
    for app in part.apps {
        match whole.apps.last_mut() {
            Some(last) if last.name == app.name => last.workers.extend(app.workers),
            _ => whole.apps.push(app),
        }
    }
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::{AppStatus, ControlWelcome, WorkerStatus};

    use super::*;

    #[tokio::test]
    async fn a_status_in_several_answers_is_one_to_the_client() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let app = |name: &str, slots: &[u32]| AppStatus {
            name: name.to_owned(),
            workers: slots.iter().map(|slot| WorkerStatus { slot: *slot, ..Default::default() }).collect(),
            ..Default::default()
        };
        let parts = [vec![app("api", &[0]), app("web", &[0, 1])], vec![app("web", &[2]), app("job", &[])]];
        let master = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let codec = FrameCodec::<ControlHelloReply, ControlHello>::new(FrameLimit::CONTROL);
            let mut hellos = codec.framed(stream);
            hellos.next().await.unwrap().unwrap();
            let reply = Some(control_hello_reply::Reply::Welcome(ControlWelcome::default()));
            hellos.send(ControlHelloReply { reply }).await.unwrap();
            let mut frames =
                hellos.map_codec(|_| FrameCodec::<ControlResponse, ControlRequest>::new(FrameLimit::CONTROL));
            let reply_to = frames.next().await.unwrap().unwrap().seq;
            let count = parts.len();
            for (at, apps) in parts.into_iter().enumerate() {
                let body = Some(control_response::Body::Status(StatusReply { apps, ..Default::default() }));
                frames.send(ControlResponse { reply_to, more: at + 1 < count, body }).await.unwrap();
            }
        });
        let status = ControlClient::connect(&path).await.unwrap().status(&[]).await.unwrap();
        assert_eq!(status.apps, [app("api", &[0]), app("web", &[0, 1, 2]), app("job", &[])]);
        master.await.unwrap();
    }

    #[tokio::test]
    async fn a_master_whose_queue_is_full_is_waited_for_and_then_busy_and_not_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let socket = tokio::net::UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        let listener = socket.listen(1).unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = UnixStream::connect(&path).await {
            waiting.push(stream);
        }
        let limit = Duration::from_millis(50);
        let busy = ControlClient::connect_within(&path, limit).await;
        assert!(matches!(busy, Err(ClientError::Busy { limit: told, .. }) if told == limit), "{busy:?}");
        // With room there is no need to ask again, however long that takes.
        let limit = Duration::from_secs(600);
        let asking = tokio::spawn(async move { ControlClient::connect_within(&path, limit).await });
        waiting.push(listener.accept().await.unwrap().0);
        drop(waiting);
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            {
                let codec = FrameCodec::<ControlHelloReply, ControlHello>::new(FrameLimit::CONTROL);
                let mut hellos = codec.framed(stream);
                if matches!(hellos.next().await, Some(Ok(_))) {
                    let reply = Some(control_hello_reply::Reply::Welcome(ControlWelcome::default()));
                    hellos.send(ControlHelloReply { reply }).await.unwrap();
                    break;
                }
            }
        }
        asking.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_master_that_ends_before_it_has_read_the_question_has_closed_the_connection() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let ending = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            stream.readable().await.unwrap();
        });
        let answer = ControlClient::connect(&path).await;
        assert!(matches!(answer, Err(ClientError::Closed)), "{answer:?}");
        ending.await.unwrap();
    }
}
