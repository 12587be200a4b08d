//! The connection: frames in both directions, of which any thread may write.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use drover_proto::codec::{FrameCodec, encode_frame};
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{Error, ErrorCode, WorkerFrame, worker_frame::Body};
use tokio_util::codec::Decoder;

use crate::vice::Vice;

/// How long the impatient one bears a master that does not read.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// The writing side; copies write to the same connection.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    stream: Arc<Mutex<UnixStream>>,
    vice: Vice,
}

/// The reading side.
#[derive(Debug)]
pub(crate) struct Reading {
    stream: UnixStream,
    received: BytesMut,
    pub(crate) limit: FrameLimit,
}

pub(crate) fn connect(vice: Vice) -> Result<(Link, Reading), String> {
    let socket = std::env::var_os("DROVER_SOCKET").ok_or("no master has started this worker")?;
    let stream = UnixStream::connect(socket).map_err(|error| error.to_string())?;
    let copy = stream.try_clone().map_err(|error| error.to_string())?;
    if vice.is("impatient") {
        stream.set_write_timeout(Some(IMPATIENCE)).map_err(|error| error.to_string())?;
    }
    let reading = Reading { stream: copy, received: BytesMut::new(), limit: FrameLimit::WORKER };
    Ok((Link { stream: Arc::new(Mutex::new(stream)), vice }, reading))
}

impl Link {
    /// Says something, in answer to `reply_to`. A master that is gone is told by the reading side.
    pub(crate) fn say(&self, reply_to: u64, body: Body) {
        // What a script without integers would make of it.
        let reply_to = if self.vice.is("counts in doubles") { reply_to as f64 as u64 } else { reply_to };
        let frame = WorkerFrame { reply_to, body: Some(body), ..Default::default() };
        if let Err(error) = self.send(&frame)
            && self.vice.is("impatient")
            && error.kind() == io::ErrorKind::WouldBlock
        {
            drover_e2e::complain("the master does not read");
            let _ = self.lock().shutdown(std::net::Shutdown::Both);
        }
    }

    pub(crate) fn refuse(&self, reply_to: u64, code: ErrorCode, message: &str) {
        self.say(reply_to, Body::Error(Error { code: code.into(), message: message.to_owned() }));
    }

    pub(crate) fn send<M: prost::Message>(&self, message: &M) -> io::Result<()> {
        let bytes = encode_frame(message, FrameLimit::WORKER).expect("what it says is small");
        self.lock().write_all(&bytes)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, UnixStream> {
        self.stream.lock().expect("nobody panics while it writes")
    }

    /// Lets go of it: to the master it is the end.
    pub(crate) fn close(&self) {
        let _ = self.lock().shutdown(std::net::Shutdown::Both);
    }
}

impl Reading {
    /// The next message; none at the end of the connection.
    pub(crate) fn next<Out, In>(&mut self) -> Result<Option<In>, String>
    where
        FrameCodec<Out, In>: Decoder<Item = In>,
        <FrameCodec<Out, In> as Decoder>::Error: std::fmt::Display,
    {
        let mut codec = FrameCodec::<Out, In>::new(self.limit);
        loop {
            if let Some(message) = codec.decode(&mut self.received).map_err(|error| error.to_string())? {
                return Ok(Some(message));
            }
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) | Err(_) => return Ok(None),
                Ok(count) => self.received.extend_from_slice(&bytes[..count]),
            }
        }
    }
}
