//! What became of the requests.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use super::client::Kind;
use super::histogram::Histogram;

/// This many failures are kept with all that is known of them; beyond that they are only counted.
const KEPT: usize = 1000;

/// How a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nobody listens.
    Refused,
    /// The server, or the kernel in its place, broke the connection (`ECONNRESET`, `EPIPE`).
    Reset,
    /// The connection was closed in order before the whole answer had come.
    Truncated,
    /// No whole answer within the time.
    TimedOut,
    /// A whole answer, but not the one to this request.
    Wrong,
    /// The client's own machine could not send it (`EADDRNOTAVAIL`, `EMFILE`, too many under way): the trial is worth nothing.
    NotSent,
}

/// How far a request had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// There is no connection yet.
    Connecting,
    /// Not all of the request is with the kernel.
    Sending,
    /// All is sent, nothing of the answer has come.
    Waiting,
    /// Some of the answer has come.
    Answering,
}

/// A request that failed, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose request it was.
    pub kind: Kind,
    /// How it failed.
    pub fault: Fault,
    /// How far it had come.
    pub stage: Stage,
    /// The port of the client's end; none before it was connected.
    pub port: Option<u16>,
    /// The worker that sent this answer, or one before it on the same connection.
    pub pid: Option<u32>,
    /// When it had failed.
    pub when: SystemTime,
    /// Since the request was due.
    pub took: Duration,
}

/// What the clients counted.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Latencies of what was answered, of each kind of clients.
    answered: [Histogram; 3],
    failed: u64,
    failures: Vec<Failure>,
    /// How often a kept connection was found closed before a request was sent on it. Nothing is lost by that.
    pub closed_between: u64,
}

impl Fault {
    /// What an error of a connection means.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected => Self::Reset,
            _ => Self::NotSent,
        }
    }
}

impl Tally {
    pub(super) fn answered_one(&mut self, kind: Kind, took: Duration) {
        self.answered[kind as usize].add(took);
    }

    pub(super) fn failed_one(&mut self, failure: Failure) {
        self.failed += 1;
        if self.failures.len() < KEPT {
            self.failures.push(failure);
        }
    }

    /// Adds what was counted at another time.
    pub fn add(&mut self, other: &Self) {
        for (own, others) in self.answered.iter_mut().zip(&other.answered) {
            own.add_all(others);
        }
        self.failed += other.failed;
        let room = KEPT.saturating_sub(self.failures.len());
        self.failures.extend(other.failures.iter().take(room).cloned());
        self.closed_between += other.closed_between;
    }

    /// All requests, however they ended.
    pub fn requests(&self) -> u64 {
        self.failed + self.ok()
    }

    /// Those that were answered.
    pub fn ok(&self) -> u64 {
        self.answered.iter().map(Histogram::count).sum()
    }

    /// Those that failed.
    pub const fn failed(&self) -> u64 {
        self.failed
    }

    /// The first 1,000 of those that failed.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// How long answers to this kind of clients took.
    pub const fn latency(&self, kind: Kind) -> &Histogram {
        &self.answered[kind as usize]
    }
}

/// With `#` some of the failures are listed.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests, {} failed", self.requests(), self.failed)?;
        for kind in Kind::ALL {
            let latency = self.latency(kind);
            if latency.count() > 0 {
                let [half, most] = [0.5, 0.99].map(|part| latency.quantile(part).as_secs_f64() * 1e3);
                write!(f, "; {kind} {} ok, p50 {half:.1} ms, p99 {most:.1} ms", latency.count())?;
            }
        }
        if self.closed_between > 0 {
            write!(f, "; {} closed between requests", self.closed_between)?;
        }
        if f.alternate() {
            for failure in self.failures.iter().take(10) {
                write!(f, "\n  {failure}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, fault, stage, port, pid, when, took } = self;
        // As `drover events --json` tells its times.
        let when = when.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        write!(f, "at {when} ms {kind}: {fault:?} while {stage:?} after {took:.3?}")?;
        if let Some(port) = port {
            write!(f, ", from port {port}")?;
        }
        if let Some(pid) = pid {
            write!(f, ", at worker {pid}")?;
        }
        Ok(())
    }
}
