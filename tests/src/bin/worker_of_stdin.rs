//! Without the protocol. Takes connections from the listening socket that is its standard input, and tells each its slot, and
//! whether descriptor 3 is the same socket.

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::AsFd;

fn main() {
    drover_e2e::die_with_the_test();
    let slot: u32 = drover_e2e::setting("DROVER_SLOT").expect("the master tells the slot");
    let link = |fd: u32| std::fs::read_link(format!("/proc/self/fd/{fd}")).expect("it is open");
    let is_same = link(0) == link(3);
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().expect("standard input is open");
    for stream in TcpListener::from(stdin).incoming() {
        let mut stream = stream.expect("a connection can be accepted");
        // Whoever asks may leave at any time.
        let _ = writeln!(stream, "{slot} {is_same}");
    }
}
