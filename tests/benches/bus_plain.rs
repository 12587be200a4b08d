//! What the bus is measured against: the same work, written plainly.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use drover_proto::latest::{MasterFrame, Message, Scope, WorkerFrame, master_frame, worker_frame};
use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::sample::now;

const OTHER_END: &str = env!("CARGO_BIN_EXE_bus_plain");

/// Two processes that read and write, and wait in the kernel.
pub(crate) struct Blocking {
    stream: std::os::unix::net::UnixStream,
    frame: Vec<u8>,
    _others: Others,
}

impl Blocking {
    pub(crate) async fn connected() -> Self {
        let (streams, others) = connected("blocking", 1).await;
        let stream =
            streams.into_iter().next().expect("one was asked for").into_std().expect("it is a socket");
        stream.set_nonblocking(false).expect("it can block");
        Self { stream, frame: Vec::new(), _others: others }
    }

    /// Sends a frame of this many bytes, and reads it again.
    pub(crate) fn echo(&mut self, size: usize) {
        self.frame.resize(4 + size, b'x');
        self.frame[..4].copy_from_slice(&(size as u32).to_be_bytes());
        self.stream.write_all(&self.frame).expect("the other end reads");
        self.stream.read_exact(&mut self.frame).expect("the other end writes");
    }
}

type Frames = Framed<tokio::net::UnixStream, LengthDelimitedCodec>;

/// tokio, `LengthDelimitedCodec` and prost, a message at a time.
pub(crate) struct Plain {
    frames: Vec<Frames>,
    _others: Others,
}

impl Plain {
    pub(crate) async fn connected(count: usize) -> Self {
        let (streams, others) = connected("tokio", count).await;
        Self {
            frames: streams.into_iter().map(|stream| Framed::new(stream, codec())).collect(),
            _others: others,
        }
    }

    /// Asks the first, and waits for the reply.
    pub(crate) async fn echo(&mut self, payload: Bytes) {
        let size = payload.len();
        let reply = request(&mut self.frames[0], "echo", payload).await;
        assert_eq!(reply.len(), size);
    }

    /// Has each send this many messages, and hears them all.
    pub(crate) async fn flood(&mut self, count: u64, size: usize) -> Duration {
        let begin = now();
        let mut hearing = Vec::new();
        for mut frames in self.frames.drain(..) {
            hearing.push(tokio::spawn(async move {
                send(&mut frames, 0, "flood", format!("{count} {size}").into()).await;
                for _ in 0..count {
                    let frame = frames.next().await.expect("it sends them").expect("frames");
                    let frame = WorkerFrame::decode(frame).expect("a message");
                    assert!(matches!(frame.body, Some(worker_frame::Body::Message(_))));
                }
                frames
            }));
        }
        for hearing in hearing {
            self.frames.push(hearing.await.expect("it does not panic"));
        }
        begin.elapsed()
    }

    /// Sends this many messages to each, one after the other.
    pub(crate) async fn news(&mut self, count: u64, size: usize) -> Duration {
        let payload = Bytes::from(vec![b'x'; size]);
        let begin = now();
        for _ in 0..count {
            for frames in &mut self.frames {
                send(frames, 0, "news", payload.clone()).await;
            }
        }
        for frames in &mut self.frames {
            assert_eq!(request(frames, "count", Bytes::new()).await, count.to_string().as_bytes());
        }
        begin.elapsed()
    }
}

async fn send(frames: &mut Frames, seq: u64, topic: &str, payload: Bytes) {
    let message =
        Message { topic: topic.to_owned(), payload, scope: Scope::Worker.into(), ..Default::default() };
    let body = Some(master_frame::Body::Message(message));
    let frame = MasterFrame { seq, expects_reply: seq > 0, body, ..Default::default() };
    frames.send(Bytes::from(frame.encode_to_vec())).await.expect("the other end reads");
}

async fn request(frames: &mut Frames, topic: &str, payload: Bytes) -> Bytes {
    send(frames, 1, topic, payload).await;
    let frame = frames.next().await.expect("it replies").expect("a frame");
    match WorkerFrame::decode(frame).expect("a message").body {
        Some(worker_frame::Body::Reply(reply)) => reply.payload,
        other => panic!("{other:?}"),
    }
}

fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(2 * 1024 * 1024).new_codec()
}

/// The other ends. They end when this side of their connections does.
struct Others(Vec<Child>);

impl Drop for Others {
    #[expect(clippy::disallowed_methods, reason = "a benchmark's own children, which are about to end")]
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn connected(kind: &str, count: usize) -> (Vec<tokio::net::UnixStream>, Others) {
    let directory = TempDir::new().expect("a directory can be had");
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).expect("it can be bound");
    let (mut streams, mut others) = (Vec::new(), Others(Vec::new()));
    for _ in 0..count {
        let child = Command::new(OTHER_END).arg(kind).arg(&path).stdin(Stdio::null()).spawn();
        others.0.push(child.expect("it starts"));
        streams.push(listener.accept().await.expect("it connects").0);
    }
    (streams, others)
}
