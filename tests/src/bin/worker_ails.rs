//! Without the protocol. Answers GETs on `E2E_DIR/SLOT.sock` with the status that stands in `E2E_DIR/SLOT`, at that moment; 200 if there
//! is none, and nothing at all if it is `hang`. With a listener at descriptor `E2E_LISTENER` it tells each connection its slot.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

fn main() {
    drover_e2e::die_with_the_test();
    let dir: PathBuf = drover_e2e::setting("E2E_DIR").expect("E2E_DIR is set");
    let slot: u32 = drover_e2e::setting("DROVER_SLOT").expect("the master tells the slot");
    let told = dir.join(slot.to_string());
    let socket = dir.join(format!("{slot}.sock"));
    // A worker before it may have left it.
    let _ = std::fs::remove_file(&socket);
    let health = UnixListener::bind(socket).expect("the socket can be bound");
    if let Some(listener) = drover_e2e::inherited_listener() {
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = writeln!(&stream, "{slot}");
            }
        });
    }
    let mut unanswered = Vec::new();
    for stream in health.incoming() {
        let mut stream = stream.expect("a connection can be accepted");
        let status = std::fs::read_to_string(&told).unwrap_or_else(|_| "200".to_owned());
        if status == "hang" {
            unanswered.push(stream);
            continue;
        }
        // Whoever asks may leave at any time.
        let request = BufReader::new(&stream).lines().map_while(Result::ok);
        let _ = request.take_while(|line| !line.is_empty()).count();
        let _ = write!(stream, "HTTP/1.1 {status} As Told\r\nContent-Length: 0\r\n\r\n");
    }
}
