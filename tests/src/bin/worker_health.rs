//! Without the protocol. Answers GETs on the Unix socket `E2E_SOCKET` with the statuses in `E2E_STATUSES`, one after the
//! other, and with the last one from then on.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;

fn main() {
    drover_e2e::die_with_the_test();
    let socket = std::env::var_os("E2E_SOCKET").expect("E2E_SOCKET is set");
    let listener = UnixListener::bind(socket).expect("the socket can be bound");
    let statuses = std::env::var("E2E_STATUSES").expect("E2E_STATUSES is set");
    let mut statuses: Vec<&str> = statuses.split(' ').rev().collect();
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection can be accepted");
        let Some(status) = statuses.last().copied() else { return };
        if statuses.len() > 1 {
            statuses.pop();
        }
        // Whoever asks may leave at any time.
        let request = BufReader::new(&stream).lines().map_while(Result::ok);
        let _ = request.take_while(|line| !line.is_empty()).count();
        let _ = write!(stream, "HTTP/1.1 {status} As Told\r\nContent-Length: 0\r\n\r\n");
    }
}
