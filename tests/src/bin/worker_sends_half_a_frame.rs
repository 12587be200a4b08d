//! Announces 100 bytes, sends 10 and closes.

use drover_e2e::raw::Link;

fn main() {
    let mut link = Link::at_the_moment();
    let mut half = vec![0, 0, 0, 100];
    half.extend([b'x'; 10]);
    let _ = link.send_bytes(&half);
    drop(link);
    drover_e2e::wait_for_ever();
}
