//! Takes the master's socket for a terminal.

use drover_e2e::raw::Link;

fn main() {
    let mut link = Link::at_the_moment();
    let _ = link.send_bytes(b"Listening on 8080\n");
    drover_e2e::wait_for_ever();
}
