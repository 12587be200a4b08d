//! An HTTP client of a few lines.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::patience::PATIENCE;

/// Asks, and leaves the answer to be read.
pub(crate) fn request(addr: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").expect("it is taken");
    stream
}

/// The body of a page.
pub(crate) fn get(addr: &str, path: &str) -> String {
    body(request(addr, path))
}

/// Reads an answer to its end.
pub(crate) fn body(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("there is an answer");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    body.to_owned()
}
