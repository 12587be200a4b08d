//! One GET over HTTP/1.1, of whose answer only the head is read.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::unconnected;
use crate::config::{HttpAt, HttpUrl};

/// The longest head that is read, with those of interim answers before it. Servers themselves allow 8 to 16 KiB.
const LONGEST_HEAD: usize = 16 * 1024;

/// How many fields a head may have. What they say is not looked at, but it has to be HTTP.
const FIELDS: usize = 128;

/// The status that a GET is answered with; otherwise why it has none. It takes as long as the server likes.
pub(super) async fn status(url: &HttpUrl, host: Option<&str>) -> Result<u16, String> {
    match &url.at {
        HttpAt::Tcp { addr, host: own } => {
            let stream = TcpStream::connect(addr).await.map_err(|error| unconnected(addr, &error))?;
            ask(stream, &url.path, host.unwrap_or(own)).await
        }
        HttpAt::Unix(socket) => {
            let stream = UnixStream::connect(socket).await;
            let stream = stream.map_err(|error| unconnected(socket.display(), &error))?;
            ask(stream, &url.path, host.unwrap_or("localhost")).await
        }
    }
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str, host: &str) -> Result<u16, String> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: drover\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    // A server may answer and close before it has read; what it said then counts.
    let written = stream.write_all(request.as_bytes()).await;
    let mut stream = stream.take(LONGEST_HEAD as u64);
    let mut head = Vec::with_capacity(1024);
    loop {
        let before = head.len();
        let read = stream.read_buf(&mut head).await.and_then(|read| match written {
            Err(ref error) if read == 0 => Err(error.kind().into()),
            _ => Ok(read),
        });
        match read {
            Ok(0) if head.len() >= LONGEST_HEAD => {
                return Err(format!("the head of the answer is over the limit of {LONGEST_HEAD} bytes"));
            }
            Ok(0) if head.is_empty() => return Err("the connection was closed without an answer".to_owned()),
            Ok(0) => return Err("the connection was closed within the head of the answer".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(format!("the connection broke: {error}")),
        }
        // Only the end of a line can make it whole: one that comes byte by byte is not parsed as often.
        if head[before..].contains(&b'\n')
            && let Some(code) = parse(&mut head)?
        {
            return Ok(code);
        }
    }
}

/// The status of a head that is whole. Interim answers before it are taken away.
fn parse(head: &mut Vec<u8>) -> Result<Option<u16>, String> {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut answer = httparse::Response::new(&mut fields);
        let parsed = answer.parse(head).map_err(|error| format!("the answer is not HTTP/1: {error}"))?;
        let (httparse::Status::Complete(length), Some(code)) = (parsed, answer.code) else { return Ok(None) };
        // 101 ends what is HTTP, all others of its kind announce an answer (RFC 9110, section 15.2).
        if !(100..200).contains(&code) || code == 101 {
            return Ok(Some(code));
        }
        head.drain(..length);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::{TcpListener, UnixListener};

    use super::super::{Prober, Surroundings};
    use super::*;
    use crate::config::{Command, Probe};

    /// Asks a server that reads the request and answers this, in two parts, then closes; and what it was asked.
    async fn asked(answer: &[u8]) -> (Result<(), String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/health?a=b", listener.local_addr().unwrap());
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            }
            let (first, rest) = answer.split_at(answer.len() / 2);
            // Once it has read enough, it does not wait for the rest.
            let _ = stream.write_all(first).await;
            tokio::task::yield_now().await;
            let _ = stream.write_all(rest).await;
            String::from_utf8(request).unwrap()
        };
        let mut asker = Prober::new(Probe::http(url.parse().unwrap()), surroundings(), None);
        let (verdict, request) = tokio::join!(asker.until_news(), serving);
        (verdict.map_err(|reason| reason.to_string()), request)
    }

    fn surroundings() -> Surroundings {
        Surroundings::of("app", Command::new("true"))
    }

    #[tokio::test]
    async fn a_good_status_passes_whatever_follows_it() {
        for answer in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.0 204\r\nA: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nand no more",
            "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            // Nobody follows it: that the server answers is enough.
            "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n",
        ] {
            let (verdict, request) = asked(answer.as_bytes()).await;
            assert_eq!(verdict, Ok(()), "{answer}");
            assert!(request.starts_with("GET /health?a=b HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
        }
    }

    #[tokio::test]
    async fn whatever_is_no_good_answer_is_told_with_the_reason() {
        let huge = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(LONGEST_HEAD));
        let endless = "x".repeat(LONGEST_HEAD + 1);
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(FIELDS + 1));
        for (answer, reason) in [
            ("HTTP/1.1 500 Oh\r\n\r\n", "GET /health?a=b answered 500"),
            ("HTTP/1.1 404 No\r\n\r\n", "GET /health?a=b answered 404"),
            ("HTTP/1.1 101 Other\r\n\r\n", "GET /health?a=b answered 101"),
            ("SSH-2.0-OpenSSH_9\r\n", "GET /health?a=b: the answer is not HTTP/1: "),
            ("", "GET /health?a=b: the connection was closed without an answer"),
            (
                "HTTP/1.1 200 OK\r\nA: b\r\n",
                "GET /health?a=b: the connection was closed within the head of the answer",
            ),
            (&huge, "GET /health?a=b: the head of the answer is over the limit of 16384 bytes"),
            (&endless, "GET /health?a=b: the head of the answer is over the limit of 16384 bytes"),
            (&many, "GET /health?a=b: the answer is not HTTP/1: "),
        ] {
            let (verdict, _) = asked(answer.as_bytes()).await;
            let told = verdict.unwrap_err();
            assert!(told.starts_with(reason), "{told}");
        }
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_costs_no_more_than_the_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let probe = Probe { timeout: Duration::from_millis(20), ..Probe::http(url) };
        let reason = Prober::new(probe, surroundings(), None).until_news().await.unwrap_err();
        assert_eq!(&*reason, "GET /: took longer than 20ms");
    }

    #[tokio::test]
    async fn a_unix_socket_is_asked_and_the_host_may_be_given() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("web.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let url: HttpUrl = format!("unix:{}:/health", socket.display()).parse().unwrap();
        for (host, line) in
            [(None, "\r\nHost: localhost\r\n"), (Some("shop.example"), "\r\nHost: shop.example\r\n")]
        {
            let serving = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = String::new();
                while !request.ends_with("\r\n\r\n") {
                    request.push(char::from(stream.read_u8().await.unwrap()));
                }
                stream.write_all(b"HTTP/1.1 503 Not Yet\r\n\r\n").await.unwrap();
                request
            };
            let (code, request) = tokio::join!(status(&url, host), serving);
            assert_eq!(code, Ok(503));
            assert!(request.starts_with("GET /health ") && request.contains(line), "{request}");
        }
        std::fs::remove_file(&socket).unwrap();
        let error = status(&url, None).await.unwrap_err();
        assert!(error.starts_with(&format!("no connection to {}: ", socket.display())), "{error}");
    }
}
