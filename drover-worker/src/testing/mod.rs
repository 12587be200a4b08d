//! A master for tests: it listens on a socket of its own and says what the test tells it to say.
//!
//! ```
//! use std::time::Duration;
//!
//! use drover_worker::testing::FakeMaster;
//! use drover_worker::testing::messages::worker_frame::Body;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let master = FakeMaster::bind()?;
//! let (bus, link) = tokio::join!(master.bus().connect(), master.accept());
//! let (bus, mut link) = (bus?, link?);
//!
//! bus.started().await?;
//! assert!(matches!(link.body().await?, Some(Body::Started(_))));
//! link.stop(Duration::from_secs(30)).await?;
//! bus.stop_requested().await;
//! # Ok(())
//! # }
//! ```
//!
//! Messages of the application, from both ends:
//!
//! ```
//! use std::time::Duration;
//!
//! use drover_worker::To;
//! use drover_worker::testing::FakeMaster;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let master = FakeMaster::bind()?;
//! let (bus, link) = tokio::join!(master.bus().messages().connect(), master.accept());
//! let (bus, mut link) = (bus?, link?);
//!
//! let echo = tokio::spawn({
//!     let bus = bus.clone();
//!     async move {
//!         let message = bus.message().await.expect("a message comes");
//!         let payload = message.payload().clone();
//!         message.reply(payload).await
//!     }
//! });
//! assert_eq!(link.request("echo", "hello").await?.unwrap(), "hello");
//! echo.await??;
//!
//! let asking = tokio::spawn(async move { bus.request(To::Slot(1), "time", "", Duration::from_secs(5)).await });
//! let (seq, message) = link.next_message().await?;
//! assert_eq!((&*message.topic, message.slot), ("time", 1));
//! link.reply(seq, "noon").await?;
//! assert_eq!(asking.await??, "noon");
//! # Ok(())
//! # }
//! ```

mod talk;

use std::collections::VecDeque;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use drover_proto::codec::{CodecError, FrameCodec, encode_frame};
use drover_proto::frame::FrameLimit;
/// The messages of the protocol, for [`FakeLink::send`] and [`FakeLink::frame`].
pub use drover_proto::latest as messages;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::codec::Decoder;

use self::messages::{
    Hello, HelloReply, Identity, Limits, MasterFrame, Ping, Quit, Reject, RejectCode, Resume, Stop, Welcome,
    WorkerFrame, hello_reply, master_frame, worker_frame,
};
use crate::{MessageBus, MessageBusBuilder};

/// How long each wait of the fakes lasts before it fails with [`io::ErrorKind::TimedOut`].
const PATIENCE: Duration = Duration::from_secs(20);

/// A bus of a test must not end the whole test process when its fake master goes.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(3600);

/// A socket in a private directory, on which it awaits workers. Dropping it removes both.
#[derive(Debug)]
pub struct FakeMaster {
    listener: UnixListener,
    directory: PathBuf,
    socket: PathBuf,
    token: String,
    welcome: Welcome,
}

impl FakeMaster {
    /// Listens on a new socket. Its workers are worker 1 of the app "fake" in slot 0, generation 1, with 30 s to start,
    /// 30 s to drain and 10 s to leave, and may send messages to workers and to the program; [`set_welcome`](Self::set_welcome)
    /// changes that.
    ///
    /// # Errors
    ///
    /// What the system says to making a directory in `std::env::temp_dir()`, or to binding the socket.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub fn bind() -> io::Result<Self> {
        let directory = private_directory()?;
        let socket = directory.join("worker.sock");
        let listener = UnixListener::bind(&socket).inspect_err(|_| {
            let _ = std::fs::remove_dir_all(&directory);
        })?;
        let welcome = Welcome {
            version: 1,
            identity: Some(Identity { app: "fake".to_owned(), slot: 0, generation: 1, worker_id: 1 }),
            limits: Some(Limits {
                max_frame_bytes: FrameLimit::WORKER.bytes(),
                start_timeout_ms: 30_000,
                drain_timeout_ms: 30_000,
                quit_timeout_ms: 10_000,
            }),
            heartbeat_interval_ms: 0,
            capabilities: vec!["bus".to_owned(), "app".to_owned()],
        };
        Ok(Self { listener, directory, socket, token: "fake-token".to_owned(), welcome })
    }

    /// A builder whose bus connects to this master. Its orphan timeout is an hour, so that a test which drops the
    /// master does not end the test process. The end of its link is the death of its master: it does not connect again.
    pub fn bus(&self) -> MessageBusBuilder {
        self.lasting_bus().follow_first_master()
    }

    /// As [`bus`](Self::bus), but the bus connects again when its link is dropped, for as long as this master listens: as a worker does
    /// outside of a test, when its master crashes and a successor takes over. The next [`accept`](Self::accept) is the successor.
    pub fn lasting_bus(&self) -> MessageBusBuilder {
        MessageBus::builder().socket(&self.socket).token(&self.token).orphan_timeout(ORPHAN_TIMEOUT)
    }

    /// The socket's path: `DROVER_SOCKET` for a worker in a process of its own.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The only token that is welcome: `DROVER_TOKEN` for a worker in a process of its own.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What the next worker is told in answer to its Hello.
    pub fn set_welcome(&mut self, welcome: Welcome) {
        self.welcome = welcome;
    }

    /// Takes the next worker and welcomes it; one with another token is rejected. Run it together with the worker's
    /// `connect()`, for instance by `tokio::join!`.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::PermissionDenied`] for another token, [`io::ErrorKind::TimedOut`] after 20 s, and what
    /// [`FakeLink::frame`] gives.
    pub async fn accept(&self) -> io::Result<FakeLink> {
        let mut link = self.accept_silently().await?;
        if link.hello.token != self.token {
            link.reject(RejectCode::UnknownToken, "not the token of this fake master").await?;
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "a worker with another token"));
        }
        link.welcome(self).await?;
        Ok(link)
    }

    /// Takes the next worker and reads its Hello, but does not answer it.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] after 20 s, and what [`FakeLink::frame`] gives.
    pub async fn accept_silently(&self) -> io::Result<FakeLink> {
        let (mut stream, _) = patiently(self.listener.accept()).await?;
        let mut received = BytesMut::new();
        let hello = patiently(read(&mut stream, &mut received)).await?;
        let hello = hello.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        Ok(FakeLink { stream, received, hello, seq: 0, passed_over: VecDeque::new() })
    }
}

impl Drop for FakeMaster {
    fn drop(&mut self) {
        // Nothing can be done about it here, and a test's verdict must not depend on it.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The fake master's end of one worker's connection. Dropping it closes the connection: the death of the master, to a worker that is not a
/// [lasting one](FakeMaster::lasting_bus).
#[derive(Debug)]
pub struct FakeLink {
    stream: UnixStream,
    received: BytesMut,
    hello: Hello,
    seq: u64,
    /// Frames that came before one that was looked for.
    passed_over: VecDeque<WorkerFrame>,
}

impl FakeLink {
    /// What the worker introduced itself with.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Answers the Hello of [`FakeMaster::accept_silently`] with what that master welcomes by.
    ///
    /// # Errors
    ///
    /// The worker has closed the connection.
    pub async fn welcome(&mut self, master: &FakeMaster) -> io::Result<()> {
        let reply = HelloReply { reply: Some(hello_reply::Reply::Welcome(master.welcome.clone())) };
        self.send_bytes(&encode_frame(&reply, FrameLimit::WORKER).map_err(invalid)?).await
    }

    /// Answers the Hello of [`FakeMaster::accept_silently`] with a Reject.
    ///
    /// # Errors
    ///
    /// The worker has closed the connection.
    pub async fn reject(&mut self, code: RejectCode, message: &str) -> io::Result<()> {
        let reject =
            Reject { code: code.into(), message: message.to_owned(), min_version: 1, max_version: 1 };
        let reply = HelloReply { reply: Some(hello_reply::Reply::Reject(reject)) };
        self.send_bytes(&encode_frame(&reply, FrameLimit::WORKER).map_err(invalid)?).await
    }

    /// Says Stop, with the time left until the master stops waiting. Returns the frame's `seq`.
    ///
    /// # Errors
    ///
    /// The worker has closed the connection.
    pub async fn stop(&mut self, deadline: Duration) -> io::Result<u64> {
        self.ask(master_frame::Body::Stop(Stop { deadline_ms: millis(deadline) })).await
    }

    /// Says Resume, with the time left until the master stops waiting for Started. Returns the frame's `seq`.
    ///
    /// # Errors
    ///
    /// The worker has closed the connection.
    pub async fn resume(&mut self, deadline: Duration) -> io::Result<u64> {
        self.ask(master_frame::Body::Resume(Resume { deadline_ms: millis(deadline) })).await
    }

    /// Says Quit, with the time left until the master sends SIGTERM. Returns the frame's `seq`.
    ///
    /// # Errors
    ///
    /// The worker has closed the connection.
    pub async fn quit(&mut self, deadline: Duration) -> io::Result<u64> {
        self.ask(master_frame::Body::Quit(Quit { deadline_ms: millis(deadline) })).await
    }

    /// Says Ping. Returns the frame's `seq`, which the Pong carries in `reply_to`.
    ///
    /// # Errors
    ///
    /// The worker has closed the connection.
    pub async fn ping(&mut self) -> io::Result<u64> {
        self.ask(master_frame::Body::Ping(Ping {})).await
    }

    /// Sends any frame as it is.
    ///
    /// # Errors
    ///
    /// The worker has closed the connection.
    pub async fn send(&mut self, frame: MasterFrame) -> io::Result<()> {
        self.send_bytes(&encode_frame(&frame, FrameLimit::WORKER).map_err(invalid)?).await
    }

    /// Sends any bytes, of a frame or not.
    ///
    /// # Errors
    ///
    /// The worker has closed the connection.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        patiently(self.stream.write_all(bytes)).await
    }

    /// The next frame of the worker; `None` once it has closed the connection.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] after 20 s, [`io::ErrorKind::InvalidData`] for bytes that are no frame.
    pub async fn frame(&mut self) -> io::Result<Option<WorkerFrame>> {
        if let Some(frame) = self.passed_over.pop_front() {
            return Ok(Some(frame));
        }
        patiently(read(&mut self.stream, &mut self.received)).await
    }

    /// The body of the worker's next frame; `None` once it has closed the connection.
    ///
    /// # Errors
    ///
    /// As [`frame`](Self::frame); [`io::ErrorKind::InvalidData`] for a frame without a known body too.
    pub async fn body(&mut self) -> io::Result<Option<worker_frame::Body>> {
        match self.frame().await? {
            None => Ok(None),
            Some(WorkerFrame { body: Some(body), .. }) => Ok(Some(body)),
            Some(frame) => Err(invalid(format!("a frame without a known body: {frame:?}"))),
        }
    }

    async fn ask(&mut self, body: master_frame::Body) -> io::Result<u64> {
        self.seq += 1;
        let (seq, body) = (self.seq, Some(body));
        self.send(MasterFrame { seq, expects_reply: true, body, ..Default::default() }).await?;
        Ok(seq)
    }
}

async fn read<M>(stream: &mut UnixStream, received: &mut BytesMut) -> io::Result<Option<M>>
where
    FrameCodec<MasterFrame, M>: Decoder<Item = M, Error = CodecError>,
{
    let mut codec = FrameCodec::<MasterFrame, M>::new(FrameLimit::WORKER);
    loop {
        if let Some(message) = codec.decode(received).map_err(invalid)? {
            return Ok(Some(message));
        }
        match stream.read_buf(received).await {
            Ok(0) => return codec.decode_eof(received).map_err(invalid),
            Ok(_) => {}
            // The worker closed without reading everything.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

async fn patiently<T>(wait: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A directory of our own, mode 0700, under a name that nobody has or has had: a worker that looks for its master's successor must not come to
/// the master of another test.
fn private_directory() -> io::Result<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let base = std::env::temp_dir();
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("drover-fake-master-{}-{number}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
