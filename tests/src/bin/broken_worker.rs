//! Keeps every rule of the protocol by hand, but for the one that its argument names; without an argument, every one.
//! `drover conform worker` is checked against it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use bytes::BytesMut;
use drover_proto::codec::{FrameCodec, encode_frame};
use drover_proto::frame::{FrameLimit, HEADER_LEN};
use drover_proto::latest::{
    Consumed, Error, ErrorCode, Hello, HelloReply, MasterFrame, Message, Pong, Reply, Scope, ShutDown,
    Started, Status, Stopped, Subscribe, Welcome, WorkerFrame, hello_reply, master_frame, worker_frame::Body,
};
use tokio_util::codec::Decoder;

/// How many bytes of messages may be on the way to it.
const WINDOW: u64 = 64 * 1024;

/// How long the impatient one bears a master that does not read.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// How many Pings the forgetful one answers of those that come at once.
const REMEMBERED: u64 = 500;

fn main() -> ExitCode {
    let vice = std::env::args().nth(1).unwrap_or_default();
    let socket = std::env::var_os("DROVER_SOCKET").expect("a master has started this worker");
    let stream = UnixStream::connect(socket).expect("the master listens");
    let mut worker = Worker {
        vice,
        stream,
        received: BytesMut::new(),
        limit: FrameLimit::WORKER,
        phase: Phase::Starting,
        last_seq: 0,
        asked: BTreeMap::new(),
        pings: 0,
        consumed: 0,
    };
    match worker.live() {
        Ok(code) => code,
        Err(why) => {
            drover_e2e::complain(&why);
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Started,
    Stopped,
}

struct Worker {
    vice: String,
    stream: UnixStream,
    received: BytesMut,
    limit: FrameLimit,
    phase: Phase,
    last_seq: u64,
    /// Its own requests that are open, and the request that each of them is for.
    asked: BTreeMap<u64, u64>,
    pings: u64,
    consumed: u64,
}

impl Worker {
    fn is(&self, vice: &str) -> bool {
        self.vice == vice
    }

    fn live(&mut self) -> Result<ExitCode, String> {
        let welcome = self.introduce()?;
        if self.is("impatient") {
            self.stream.set_write_timeout(Some(IMPATIENCE)).map_err(|error| error.to_string())?;
        }
        if welcome.capabilities.iter().any(|capability| capability == "bus") {
            self.say(0, Body::Consumed(Consumed { bytes: 0, window: WINDOW }));
        }
        self.say(0, Body::Started(Started {}));
        self.phase = Phase::Started;
        loop {
            match self.next::<WorkerFrame, MasterFrame>() {
                Ok(Some(frame)) => {
                    if let Some(code) = self.take(frame)? {
                        return Ok(code);
                    }
                }
                Ok(None) => return Ok(self.end()),
                Err(why) if self.is("aborts") => {
                    drover_e2e::complain(&why);
                    std::process::abort()
                }
                Err(why) => {
                    self.refuse(0, ErrorCode::BadFrame, &why);
                    return Err(why);
                }
            }
        }
    }

    fn introduce(&mut self) -> Result<Welcome, String> {
        let token = std::env::var("DROVER_TOKEN").unwrap_or_default();
        if self.is("tells its token") {
            drover_e2e::complain(&format!("my token is {token}"));
        }
        let capabilities = vec!["resume".to_owned(), "bus".to_owned()];
        let pid = std::process::id();
        let hello = Hello { min_version: 1, max_version: 1, token, pid, capabilities, ..Default::default() };
        // A master that refuses may have closed already; its Reject is there to be read.
        let _ = self.write(&encode_frame(&hello, FrameLimit::WORKER).expect("a Hello is small"));
        let reply = self.next::<Hello, HelloReply>()?.and_then(|reply| reply.reply);
        match reply {
            Some(hello_reply::Reply::Welcome(welcome))
                if welcome.version != 1 && !self.is("takes any version") =>
            {
                Err(format!("version {} was not offered", welcome.version))
            }
            Some(hello_reply::Reply::Welcome(welcome)) => {
                let limit = welcome.limits.unwrap_or_default().max_frame_bytes;
                if limit != 0 && !self.is("has a limit of its own") {
                    self.limit = FrameLimit::new(limit);
                }
                Ok(welcome)
            }
            Some(hello_reply::Reply::Reject(reject)) => Err(format!("refused: {}", reject.message)),
            None => Err("refused without a reason".to_owned()),
        }
    }

    /// The master is gone.
    fn end(&mut self) -> ExitCode {
        if self.is("waits for the other to close") {
            // As long as it can write, it believes in its master.
            while self.write(&frame_of(0, 0, false, Body::Status(Status::default()))).is_ok() {
                // Nobody unparks it: a pause, so that the master is not flooded.
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
        if self.is("fails without a master") { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// Does what is asked; an exit code ends the worker.
    fn take(&mut self, frame: MasterFrame) -> Result<Option<ExitCode>, String> {
        let MasterFrame { seq, reply_to, expects_reply, must_understand, body } = frame;
        match body {
            None if must_understand => return Err("the master demands what is unknown here".to_owned()),
            None if expects_reply && !self.is("ignores the unknown") => {
                self.refuse(seq, ErrorCode::Unimplemented, "unknown here");
            }
            Some(master_frame::Body::Ping(_)) => self.pong(seq),
            Some(master_frame::Body::Stop(_))
                if self.phase == Phase::Stopped && self.is("leaves at a second Stop") =>
            {
                return Err("it was stopped already".to_owned());
            }
            Some(master_frame::Body::Stop(_)) => {
                self.phase = Phase::Stopped;
                self.say(seq, Body::Stopped(Stopped {}));
            }
            Some(master_frame::Body::Resume(_)) if self.phase == Phase::Stopped => {
                self.phase = Phase::Started;
                self.say(if self.is("resumes unasked") { 0 } else { seq }, Body::Started(Started {}));
            }
            Some(master_frame::Body::Resume(_)) if expects_reply => {
                self.refuse(seq, ErrorCode::BadState, "it is not stopped");
            }
            Some(master_frame::Body::Quit(_)) => {
                self.say(seq, Body::ShutDown(ShutDown {}));
                return Ok(Some(ExitCode::SUCCESS));
            }
            Some(master_frame::Body::Message(message)) => self.attend(seq, expects_reply, message),
            Some(master_frame::Body::Reply(reply)) => self.pass_on(reply_to, &reply.payload),
            Some(master_frame::Body::Error(error)) => self.pass_on(reply_to, error.message.as_bytes()),
            Some(master_frame::Body::Accepted(_)) => self.pass_on(reply_to, b""),
            None | Some(master_frame::Body::Resume(_)) => {}
        }
        Ok(None)
    }

    fn pong(&mut self, seq: u64) {
        self.pings += 1;
        if self.is("forgets Pings") && self.pings > REMEMBERED {
            return;
        }
        self.say(seq, Body::Pong(Pong {}));
    }

    /// A message of the application, by the convention of docs/conformance.md.
    fn attend(&mut self, seq: u64, expects_reply: bool, message: Message) {
        let frame = MasterFrame {
            seq,
            expects_reply,
            body: Some(master_frame::Body::Message(message.clone())),
            ..Default::default()
        };
        let frame = encode_frame(&frame, FrameLimit::WORKER).expect("it came as one");
        self.consumed += frame.len() as u64 - HEADER_LEN as u64;
        if self.consumed > WINDOW / 2 && !self.is("never makes room") {
            let bytes = std::mem::take(&mut self.consumed);
            self.say(0, Body::Consumed(Consumed { bytes, window: 0 }));
        }
        if !expects_reply {
            return;
        }
        let topic = String::from_utf8_lossy(&message.payload).into_owned();
        let to_app = || Message { topic: topic.clone(), scope: Scope::App.into(), ..Default::default() };
        match message.topic.as_str() {
            "drover.conform.echo" => self.say(seq, Body::Reply(Reply { payload: message.payload })),
            "drover.conform.fail" => self.refuse(seq, ErrorCode::Failed, "as asked"),
            "drover.conform.send" => {
                self.say(0, Body::Message(to_app()));
                self.say(seq, Body::Reply(Reply::default()));
            }
            "drover.conform.subscribe" => {
                let subscribe = Subscribe { topic: topic.clone() };
                self.ask(seq, Body::Subscribe(subscribe));
            }
            "drover.conform.ask" => self.ask(seq, Body::Message(to_app())),
            _ if self.is("is silent on unknown topics") => {}
            _ => self.refuse(seq, ErrorCode::NotFound, "no such topic"),
        }
    }

    /// Asks the master something, for the sake of a request.
    fn ask(&mut self, on_behalf_of: u64, body: Body) {
        self.last_seq += 1;
        self.asked.insert(self.last_seq, on_behalf_of);
        let _ = self.write(&frame_of(self.last_seq, 0, true, body));
    }

    fn pass_on(&mut self, answered: u64, payload: &[u8]) {
        if let Some(seq) = self.asked.remove(&answered) {
            self.say(seq, Body::Reply(Reply { payload: payload.to_vec().into() }));
        }
    }

    fn refuse(&mut self, reply_to: u64, code: ErrorCode, message: &str) {
        self.say(reply_to, Body::Error(Error { code: code.into(), message: message.to_owned() }));
    }

    fn say(&mut self, reply_to: u64, body: Body) {
        // What a script without integers would make of it.
        let reply_to = if self.is("counts in doubles") { reply_to as f64 as u64 } else { reply_to };
        if let Err(error) = self.write(&frame_of(0, reply_to, false, body))
            && self.is("impatient")
            && error.kind() == io::ErrorKind::WouldBlock
        {
            drover_e2e::complain("the master does not read");
            let _ = self.stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    fn next<Out, In>(&mut self) -> Result<Option<In>, String>
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

fn frame_of(seq: u64, reply_to: u64, expects_reply: bool, body: Body) -> BytesMut {
    let frame = WorkerFrame { seq, reply_to, expects_reply, body: Some(body), ..Default::default() };
    BytesMut::from(&encode_frame(&frame, FrameLimit::WORKER).expect("what it says is small")[..])
}
