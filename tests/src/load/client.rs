//! Three kinds of clients, each of which sees another way to lose a request.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::exchange::{Answer, Form, Progress, Request, exchange};
use super::tally::{Failure, Fault, Stage};

/// How a client uses connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A connection for each request.
    Once,
    /// One connection for as long as the server keeps it.
    Kept,
    /// A connection for each request, which takes the worker a while.
    Slow,
}

/// How long the server has to close a connection that has served its only request. It has the answer by then, so that is no
/// failure.
const CLOSE: Duration = Duration::from_secs(1);

/// A client.
#[derive(Debug)]
pub struct Client {
    kind: Kind,
    to: SocketAddr,
    form: Form,
    /// How long a request of [`Kind::Slow`] takes the worker.
    slow: Duration,
    /// For a request as a whole, with its connection.
    patience: Duration,
    kept: Option<Kept>,
    /// What has served its only request, and is still open.
    done: Option<TcpStream>,
}

/// A connection on which an answer has come that announced no end.
#[derive(Debug)]
struct Kept {
    stream: TcpStream,
    pid: u32,
}

/// What became of one request.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) result: Result<Answer, Failure>,
    /// Since the request was due.
    pub(super) took: Duration,
    /// Whether a kept connection had been closed before this request was sent, on another one.
    pub(super) found_closed: bool,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Once, Self::Kept, Self::Slow];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once => "connection per request",
            Self::Kept => "keep-alive",
            Self::Slow => "slow",
        })
    }
}

impl Client {
    /// A client that has not connected yet.
    pub const fn new(kind: Kind, to: SocketAddr, form: Form, slow: Duration, patience: Duration) -> Self {
        Self { kind, to, form, slow, patience, kept: None, done: None }
    }

    /// Sends one request. `due` is when it was to be sent.
    pub(super) async fn request(&mut self, id: u64, due: Instant) -> Done {
        let mut progress = Progress { stage: Stage::Connecting, pid: None };
        let (mut port, mut found_closed) = (None, false);
        let patience = self.patience;
        let whole = self.whole(id, &mut progress, &mut port, &mut found_closed);
        let result = timeout(patience, whole).await.unwrap_or(Err(Fault::TimedOut));
        let took = due.elapsed();
        let Progress { stage, pid } = progress;
        let result = result.map_err(|fault| Failure {
            kind: self.kind,
            fault,
            stage,
            port,
            pid,
            when: SystemTime::now(),
            took,
        });
        if let Some(mut done) = self.done.take() {
            // The server closes first, so that the port of this end is free again at once.
            let _ = timeout(CLOSE, done.read(&mut [0])).await;
        }
        Done { result, took, found_closed }
    }

    async fn whole(
        &mut self,
        id: u64,
        progress: &mut Progress,
        port: &mut Option<u16>,
        found_closed: &mut bool,
    ) -> Result<Answer, Fault> {
        let mut kept = self.kept.take();
        if let Some(open) = &kept {
            match is_open(&open.stream) {
                Ok(true) => {}
                Ok(false) => (kept, *found_closed) = (None, true),
                Err(fault) => return Err(fault),
            }
        }
        progress.pid = kept.as_ref().map(|kept| kept.pid);
        let mut stream = match kept {
            Some(kept) => kept.stream,
            None => connect(self.to).await?,
        };
        *port = stream.local_addr().ok().map(|addr| addr.port());
        let slow = if self.kind == Kind::Slow { self.slow } else { Duration::ZERO };
        let request = Request { form: self.form, id, slow, keep: self.kind == Kind::Kept };
        let answer = exchange(&mut stream, request, progress).await?;
        match self.kind {
            Kind::Kept if answer.keeps => self.kept = Some(Kept { stream, pid: answer.pid }),
            Kind::Kept => {}
            Kind::Once | Kind::Slow => self.done = Some(stream),
        }
        Ok(answer)
    }
}

async fn connect(to: SocketAddr) -> Result<TcpStream, Fault> {
    let stream = TcpStream::connect(to).await.map_err(|error| Fault::of(&error))?;
    stream.set_nodelay(true).map_err(|error| Fault::of(&error))?;
    Ok(stream)
}

/// Whether a request may be sent on a kept connection. One that the server has closed in order has lost nothing, as long as
/// nothing was sent after that: every client of HTTP looks, and opens another.
fn is_open(stream: &TcpStream) -> Result<bool, Fault> {
    match stream.try_read(&mut [0]) {
        Ok(0) => Ok(false),
        // Nobody has asked for this.
        Ok(_) => Err(Fault::Wrong),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(Fault::of(&error)),
    }
}
