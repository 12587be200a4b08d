//! One request and its answer, in HTTP/1.1 by hand: a library of HTTP would hide how it failed.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::tally::{Fault, Stage};

/// The header in which a worker tells who it is: its pid and its generation.
pub const WORKER_HEADER: &str = "x-worker";

/// How long the body of an answer is; long enough that an answer can be cut in the middle.
pub const BODY: usize = 1024;

/// The head of an answer is much shorter; a server that sends more is not one of ours.
const MOST_OF_A_HEAD: usize = 8192;

/// A whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Who sent it.
    pub pid: u32,
    /// Of which generation the worker is.
    pub generation: u64,
    /// Whether the connection may be used again.
    pub keeps: bool,
}

/// How far an exchange has come. It outlives the exchange, for whoever gives up on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How far.
    pub stage: Stage,
    /// Who answers, once that is known.
    pub pid: Option<u32>,
}

/// How a service is asked for the body of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `/?id=7` and `/slow?ms=200&id=7`: the worker makes the body.
    Number,
    /// `/echo?text=7.…&ms=200`: the worker says it back.
    Echo,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// In which form.
    pub form: Form,
    /// Told back by the answer, so that no answer is taken for another's.
    pub id: u64,
    /// How long the worker is to take; zero for at once.
    pub slow: Duration,
    /// Whether the connection is to be kept.
    pub keep: bool,
}

/// The body of the answer to a request: its number, filled up.
pub fn body(id: u64) -> String {
    format!("{id:.<BODY$}")
}

/// Sends a request and reads its answer.
///
/// # Errors
///
/// How it failed; how far it had come stands in `progress`.
pub async fn exchange(
    stream: &mut TcpStream,
    request: Request,
    progress: &mut Progress,
) -> Result<Answer, Fault> {
    let of = |error| Fault::of(&error);
    progress.stage = Stage::Sending;
    stream.write_all(request.text().as_bytes()).await.map_err(of)?;
    progress.stage = Stage::Waiting;
    let mut read = Vec::with_capacity(2 * BODY);
    let head = loop {
        if let Some(head) = Head::parse(&read)? {
            break head;
        }
        if stream.read_buf(&mut read).await.map_err(of)? == 0 {
            return Err(Fault::Truncated);
        }
        progress.stage = Stage::Answering;
    };
    progress.pid = Some(head.answer.pid);
    while read.len() < head.length + BODY {
        if stream.read_buf(&mut read).await.map_err(of)? == 0 {
            return Err(Fault::Truncated);
        }
    }
    if read[head.length..] == *body(request.id).as_bytes() { Ok(head.answer) } else { Err(Fault::Wrong) }
}

impl Request {
    fn text(self) -> String {
        let target = match (self.form, self.slow.as_millis()) {
            (Form::Number, 0) => format!("/?id={}", self.id),
            (Form::Number, slow) => format!("/slow?ms={slow}&id={}", self.id),
            (Form::Echo, slow) => format!("/echo?text={}&ms={slow}", body(self.id)),
        };
        let connection = if self.keep { "keep-alive" } else { "close" };
        format!("GET {target} HTTP/1.1\r\nhost: load\r\nconnection: {connection}\r\n\r\n")
    }
}

struct Head {
    answer: Answer,
    /// With the empty line.
    length: usize,
}

impl Head {
    /// The head, once all of it is there.
    fn parse(read: &[u8]) -> Result<Option<Self>, Fault> {
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else {
            return if read.len() > MOST_OF_A_HEAD { Err(Fault::Wrong) } else { Ok(None) };
        };
        let text = std::str::from_utf8(&read[..end]).map_err(|_| Fault::Wrong)?;
        Self::of(text, end + 4).map(Some).ok_or(Fault::Wrong)
    }

    /// None if it is not the head of a success of one of our workers.
    fn of(text: &str, length: usize) -> Option<Self> {
        let mut lines = text.split("\r\n");
        if !lines.next()?.starts_with("HTTP/1.1 200 ") {
            return None;
        }
        let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
        let header = |wanted: &str| {
            headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
        };
        if header("content-length")?.parse() != Ok(BODY) {
            return None;
        }
        let (pid, generation) = header(WORKER_HEADER)?.split_once(' ')?;
        let keeps = !header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let answer = Answer { pid: pid.parse().ok()?, generation: generation.parse().ok()?, keeps };
        Some(Self { answer, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_status_or_without_its_worker_is_wrong() {
        let head = |status: &str, headers: &str| {
            let text = format!("HTTP/1.1 {status}\r\ncontent-length: 1024\r\n{headers}\r\n");
            Head::parse(text.as_bytes()).map(|head| head.map(|head| head.answer))
        };
        let answer = |keeps| Ok(Some(Answer { pid: 7, generation: 2, keeps }));
        assert_eq!(head("200 OK", "x-worker: 7 2\r\n"), answer(true));
        assert_eq!(head("200 OK", "X-Worker: 7 2\r\nconnection: close\r\n"), answer(false));
        assert_eq!(head("200 OK", "x-worker: 7 2\r\nConnection: Close\r\n"), answer(false));
        assert_eq!(head("503 No", "x-worker: 7 2\r\n"), Err(Fault::Wrong));
        assert_eq!(head("200 OK", ""), Err(Fault::Wrong));
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\n").map(|head| head.is_none()), Ok(true));
        assert!(Head::parse(&[b' '; MOST_OF_A_HEAD + 1]).is_err());
    }
}
