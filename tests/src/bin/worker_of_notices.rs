//! Notifies its master by `sd_notify(3)`: that it is ready once there is the file that `GATE` names, and from then on, again and again,
//! that it is busy. It does not care who its master is, and ends with the first signal.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

/// How often it looks and tells.
const AGAIN: Duration = Duration::from_millis(50);

fn main() {
    let gate = PathBuf::from(std::env::var_os("GATE").expect("GATE is set"));
    let to = std::env::var_os("NOTIFY_SOCKET").expect("NOTIFY_SOCKET is set");
    let socket = UnixDatagram::unbound().expect("a socket can be made");
    while !gate.exists() {
        std::thread::park_timeout(AGAIN);
    }
    socket.send_to(b"READY=1", &to).expect("somebody hears it");
    loop {
        // Between two masters it waits in the socket; that it has a place there is what is tried.
        socket.send_to(b"STATUS=busy", &to).expect("somebody hears it");
        std::thread::park_timeout(AGAIN);
    }
}
