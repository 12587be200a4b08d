//! Announces a frame of nearly 16 MiB.

use drover_e2e::raw::Link;

fn main() {
    let mut link = Link::at_the_moment();
    let _ = link.send_bytes(&[0, 0xff, 0xff, 0xff]);
    drover_e2e::wait_for_ever();
}
