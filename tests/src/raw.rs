//! The worker's end of the protocol by hand: blocking, and ready to break every rule.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use bytes::BytesMut;
use drover_proto::codec::{FrameCodec, encode_frame};
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{
    Hello, HelloReply, MasterFrame, ShutDown, Started, Stopped, WorkerFrame, hello_reply, master_frame,
    worker_frame,
};
use tokio_util::codec::Decoder;

/// A connection to the master named by the environment.
#[derive(Debug)]
pub struct Link {
    stream: UnixStream,
    received: BytesMut,
}

/// What the master said to a Hello: `Ok` for a Welcome, else the code and the sentence of its Reject.
pub type Verdict = Result<(), String>;

impl Link {
    /// Connects and says nothing.
    pub fn connect() -> Self {
        crate::die_with_the_test();
        let socket = std::env::var_os("DROVER_SOCKET").expect("a master has started this worker");
        Self::connect_to(socket)
    }

    /// Connects to this socket and says nothing.
    pub fn connect_to(socket: impl AsRef<std::path::Path>) -> Self {
        let stream = UnixStream::connect(socket).expect("the master listens");
        Self { stream, received: BytesMut::new() }
    }

    /// Connects and is welcomed.
    pub fn welcomed() -> Self {
        let mut link = Self::connect();
        link.introduce(&Self::hello()).expect("the master welcomes its worker");
        link
    }

    /// Connects, is welcomed and says that it is ready.
    pub fn started() -> Self {
        let mut link = Self::welcomed();
        link.say(worker_frame::Body::Started(Started {}));
        link
    }

    /// A connection at the moment that `E2E_WHEN` names: `hello`, before anything is said (the default), or `started`.
    pub fn at_the_moment() -> Self {
        match std::env::var("E2E_WHEN").as_deref() {
            Err(_) | Ok("hello") => Self::connect(),
            Ok("started") => Self::started(),
            Ok(other) => panic!("E2E_WHEN={other} is invalid"),
        }
    }

    /// The Hello of a worker that keeps the rules.
    pub fn hello() -> Hello {
        let token = std::env::var("DROVER_TOKEN").unwrap_or_default();
        Hello { min_version: 1, max_version: 1, token, pid: std::process::id(), ..Default::default() }
    }

    /// Says this Hello and takes the answer.
    pub fn introduce(&mut self, hello: &Hello) -> Verdict {
        let frame = encode_frame(hello, FrameLimit::WORKER).expect("a Hello is small");
        // A master that refuses may have closed already; its Reject is there to be read.
        let _ = self.stream.write_all(&frame);
        let reply = self.next::<Hello, HelloReply>().expect("the master answers before it closes");
        match reply.reply {
            Some(hello_reply::Reply::Welcome(_)) => Ok(()),
            Some(hello_reply::Reply::Reject(reject)) => {
                Err(format!("{:?}: {}", reject.code(), reject.message))
            }
            None => Err("an empty reply".to_owned()),
        }
    }

    /// Says this Hello; a worker that is turned away says why and leaves with 1.
    pub fn introduce_or_leave(mut self, hello: &Hello) -> ExitCode {
        match self.introduce(hello) {
            Ok(()) => self.serve(),
            Err(why) => {
                crate::complain(&format!("refused: {why}"));
                ExitCode::FAILURE
            }
        }
    }

    /// Sends a one-way frame. A master that does not listen any more is not a reason to end.
    pub fn say(&mut self, body: worker_frame::Body) {
        let _ = self.send(&WorkerFrame { body: Some(body), ..Default::default() });
    }

    /// Sends a frame.
    ///
    /// # Errors
    ///
    /// The master has closed.
    pub fn send(&mut self, frame: &WorkerFrame) -> io::Result<()> {
        self.send_bytes(&encode_frame(frame, FrameLimit::WORKER).expect("a small frame"))
    }

    /// Sends any bytes.
    ///
    /// # Errors
    ///
    /// The master has closed.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// What the master says next; none at the end of the connection.
    pub fn hear(&mut self) -> Option<master_frame::Body> {
        self.next::<WorkerFrame, MasterFrame>()?.body
    }

    /// The whole frame that the master sends next; none at the end of the connection.
    pub fn frame(&mut self) -> Option<MasterFrame> {
        self.next::<WorkerFrame, MasterFrame>()
    }

    /// Does all that is asked until the end of the connection, or of the worker.
    pub fn serve(mut self) -> ExitCode {
        while let Some(body) = self.hear() {
            if self.obey(&body) {
                break;
            }
        }
        ExitCode::SUCCESS
    }

    /// Does what is asked; true if that is to leave.
    pub fn obey(&mut self, body: &master_frame::Body) -> bool {
        match body {
            master_frame::Body::Stop(_) => self.say(worker_frame::Body::Stopped(Stopped {})),
            master_frame::Body::Quit(_) => self.say(worker_frame::Body::ShutDown(ShutDown {})),
            _ => {}
        }
        matches!(body, master_frame::Body::Quit(_))
    }

    fn next<Out, In>(&mut self) -> Option<In>
    where
        FrameCodec<Out, In>: Decoder<Item = In>,
        <FrameCodec<Out, In> as Decoder>::Error: std::fmt::Debug,
    {
        let mut codec = FrameCodec::<Out, In>::new(FrameLimit::WORKER);
        loop {
            if let Some(message) = codec.decode(&mut self.received).expect("the master keeps the rules") {
                return Some(message);
            }
            let mut bytes = [0; 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.received.extend_from_slice(&bytes[..count]),
            }
        }
    }
}
