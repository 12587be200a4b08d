//! A client of the worker's socket: HTTP, a byte at a time if need be.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::sockets::{Place, place};
use super::tested::Worker;
use crate::case::{Fault, failed};
use crate::peer::PATIENCE;
use crate::transcript::Log;

/// How often is looked again at what no event tells.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// How long a client is watched that is not to be taken: a worker that would take it does so at once. Longer costs every good
/// worker the time; shorter lets a bad one pass that had no turn on a busy machine.
pub(super) const WATCHED: Duration = Duration::from_secs(1);

/// The head of a request without its last line: a worker can't answer yet.
const BEGUN: &[u8] = b"GET / HTTP/1.1\r\nHost: conform\r\nConnection: close\r\n";

/// A connection to the worker's socket, as a client has it.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    /// The port of the worker's socket, and its own.
    ports: (u16, u16),
    log: Log,
}

/// What is known of a client at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The kernel tells where it stands.
    At(Place),
    /// Its own end tells that the worker has hung up.
    HungUp,
    /// Neither tells anything. It passes.
    Untold,
}

impl Client {
    /// Connects. It may wait in the kernel's queue then.
    pub(super) async fn connect(worker: &Worker) -> Result<Self, Fault> {
        let Some(address) = worker.address else {
            return Err(Fault::Skipped("the worker is handed no socket (--no-listener)".to_owned()));
        };
        let stream = match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(failed(format!(
                    "a client can't connect to {address}: {error}; a socket that listens was expected"
                )));
            }
            Err(_) => {
                return Err(failed(format!(
                    "a client could not connect to {address} within {PATIENCE:?}; room in the queue of the socket was expected"
                )));
            }
        };
        let own = stream.local_addr().map_err(|error| failed(format!("a client has no address: {error}")))?;
        Ok(Self { stream, ports: (address.port(), own.port()), log: worker.log.clone() })
    }

    /// A client that the worker has taken, with a request that is not complete: something to finish. None for a worker that is
    /// handed no socket.
    pub(super) async fn begun(worker: &Worker) -> Result<Option<Self>, Fault> {
        if worker.address.is_none() {
            return Ok(None);
        }
        let mut client = Self::connect(worker).await?;
        client.begins().await?;
        Ok(Some(client))
    }

    /// Sends a part of a request and waits until the worker has read it.
    pub(super) async fn begins(&mut self) -> Result<(), Fault> {
        self.writes(BEGUN).await;
        let why = match self.reaches(|standing| standing.has_come_to(Place::Taken), PATIENCE).await? {
            Standing::At(Place::Taken) => {
                self.log.remark("a client is taken; its request is not complete");
                return Ok(());
            }
            Standing::HungUp => {
                "it took a client and closed the connection before the request was complete; it was expected to wait for the rest"
                    .to_owned()
            }
            Standing::At(Place::Waiting) => format!(
                "no worker took the client within {PATIENCE:?}; a started worker was expected to accept it (one that serves nothing is tested with --no-listener)"
            ),
            Standing::At(Place::Unread) => format!(
                "it took a client and did not read its request, which was expected within {PATIENCE:?}"
            ),
            Standing::Untold => format!(
                "the kernel did not tell within {PATIENCE:?} where the client stands; a line of /proc/net/tcp was expected"
            ),
        };
        Err(failed(why))
    }

    /// Sends the rest of its request.
    pub(super) async fn completes(&mut self) {
        self.log.remark("the client completes its request");
        self.writes(b"\r\n").await;
    }

    /// Waits for an answer, of whatever status.
    pub(super) async fn is_answered(&mut self) -> Result<(), Fault> {
        let mut head = [0; 12];
        let end = match tokio::time::timeout(PATIENCE, self.stream.read_exact(&mut head)).await {
            Ok(Ok(_)) if head.starts_with(b"HTTP/1.") => {
                self.log.remark("the client is answered");
                return Ok(());
            }
            Ok(Ok(_)) => format!("it answered with `{}`", head.escape_ascii()),
            Ok(Err(error)) => format!("the connection ended instead: {error}"),
            Err(_) => format!("nothing came within {PATIENCE:?}"),
        };
        Err(failed(format!("a client expected an answer of HTTP to its request; {end}")))
    }

    /// Whether the worker takes it, while it is watched.
    pub(super) async fn is_taken(&self) -> Result<bool, Fault> {
        let standing = self.reaches(|standing| standing.has_come_to(Place::Unread), WATCHED).await?;
        Ok(standing.has_come_to(Place::Unread))
    }

    /// Looks until its standing is such, for so long; gives back the last.
    async fn reaches(&self, is_such: impl Fn(Standing) -> bool, time: Duration) -> Result<Standing, Fault> {
        let until = Instant::now() + time;
        loop {
            let standing = self.standing().await?;
            if is_such(standing) || Instant::now() >= until {
                return Ok(standing);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn standing(&self) -> Result<Standing, Fault> {
        // Nothing may have come yet: only what is there counts.
        let end = tokio::time::timeout(Duration::ZERO, self.stream.peek(&mut [0])).await;
        if let Ok(Ok(0) | Err(_)) = end {
            return Ok(Standing::HungUp);
        }
        match place(self.ports.0, self.ports.1) {
            Ok(Some(place)) => Ok(Standing::At(place)),
            Ok(None) => Ok(Standing::Untold),
            Err(error) => Err(Fault::Skipped(format!("where a client stands can't be told: {error}"))),
        }
    }

    async fn writes(&mut self, bytes: &[u8]) {
        // A worker that has hung up is told by what is read next.
        let _ = self.stream.write_all(bytes).await;
    }
}

impl Standing {
    /// Whether a worker has brought it as far as this, or hung up: it has accepted then.
    fn has_come_to(self, place: Place) -> bool {
        match self {
            Self::At(at) => at >= place,
            Self::HungUp => true,
            Self::Untold => false,
        }
    }
}
