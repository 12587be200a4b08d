//! The connection: frames in both directions, of which any thread may write.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use drover_proto::codec::{FrameCodec, encode_frame};
use drover_proto::frame::{FrameLimit, HEADER_LEN};
use drover_proto::latest::{Error, ErrorCode, WorkerFrame, worker_frame::Body};
use prost::Message;
use tokio_util::codec::Decoder;

use crate::vice::Vice;

/// What the one with little room takes for too large.
const LITTLE: FrameLimit = FrameLimit::new(64 * 1024);

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
    limit: FrameLimit,
    vice: Vice,
}

pub(crate) fn connect(vice: Vice) -> Result<(Link, Reading), String> {
    let socket = std::env::var_os("DROVER_SOCKET").ok_or("no master has started this worker")?;
    let stream = UnixStream::connect(socket).map_err(|error| error.to_string())?;
    let copy = stream.try_clone().map_err(|error| error.to_string())?;
    if vice.is("impatient") {
        stream.set_write_timeout(Some(IMPATIENCE)).map_err(|error| error.to_string())?;
    }
    let limit = if vice.is("has little room") { LITTLE } else { FrameLimit::WORKER };
    let reading = Reading { stream: copy, received: BytesMut::new(), limit, vice };
    Ok((Link { stream: Arc::new(Mutex::new(stream)), vice }, reading))
}

impl Link {
    /// Says something, in answer to `reply_to`. A master that is gone is told by the reading side.
    pub(crate) fn say(&self, reply_to: u64, body: Body) {
        // What a language without such numbers would make of it.
        let reply_to = match reply_to {
            number if self.vice.is("counts in doubles") => number as f64 as u64,
            number if self.vice.is("counts in signed numbers") => number.min(i64::MAX as u64),
            number if self.vice.is("counts in 32 bits") => number & u64::from(u32::MAX),
            number => number,
        };
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

    pub(crate) fn send<M: Message>(&self, message: &M) -> io::Result<()> {
        let bytes = encode_frame(message, FrameLimit::WORKER).expect("what it says is small");
        self.lock().write_all(&bytes)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, UnixStream> {
        self.stream.lock().expect("nobody panics while it writes")
    }

    /// Every copy goes on with this connection.
    pub(crate) fn go_on(&self, stream: UnixStream) {
        *self.lock() = stream;
    }

    /// Lets go of it: to the master it is the end.
    pub(crate) fn close(&self) {
        let _ = self.lock().shutdown(std::net::Shutdown::Both);
    }
}

impl Reading {
    /// Goes on with this connection.
    pub(crate) fn go_on(&mut self, stream: UnixStream) {
        self.stream = stream;
        self.received.clear();
    }

    /// Whatever time it was given before.
    pub(crate) fn wait_for_ever(&self) {
        // It fails only for a time of zero.
        let _ = self.stream.set_read_timeout(None);
    }

    /// Keeps to what the master names.
    pub(crate) fn keep_to(&mut self, limit: u32) {
        if limit != 0 && !self.vice.is("has a limit of its own") && !self.vice.is("has little room") {
            self.limit = FrameLimit::new(limit);
        }
    }

    /// The next message; none at the end of the connection.
    pub(crate) fn next<Out, In: Message + Default>(&mut self) -> Result<Option<In>, String> {
        loop {
            if let Some(message) = self.decoded::<Out, In>()? {
                return Ok(Some(message));
            }
            if self.vice.is("takes a read for a frame") {
                self.received.clear();
            }
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) if !self.received.is_empty() && self.vice.is("waits for the rest for ever") => {
                    drover_e2e::wait_for_ever()
                }
                Ok(0) | Err(_) => return Ok(None),
                Ok(count) => self.received.extend_from_slice(&bytes[..count]),
            }
        }
    }

    /// What has come as a whole.
    fn decoded<Out, In: Message + Default>(&mut self) -> Result<Option<In>, String> {
        let before = self.received.len();
        let decoded = FrameCodec::<Out, In>::new(self.limit).decode(&mut self.received);
        let length = (before - self.received.len()).saturating_sub(HEADER_LEN);
        match decoded {
            Ok(Some(_)) if length == 0 && self.vice.is("takes an empty frame for the end") => {
                Err("an empty frame".to_owned())
            }
            Ok(Some(message))
                if message.encoded_len() != length && self.vice.is("bears no unknown field") =>
            {
                Err("a field is unknown here".to_owned())
            }
            Ok(Some(message)) => {
                if self.vice.is("drops what follows a frame in a read") {
                    self.received.clear();
                }
                Ok(Some(message))
            }
            Err(_) if self.vice.is("goes on after what is not a frame") => {
                self.received.clear();
                Ok(None)
            }
            decoded => decoded.map_err(|error| error.to_string()),
        }
    }
}
