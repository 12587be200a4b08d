//! Asks the master what it has to answer, for ever, and never reads the answers.

use drover_e2e::raw::Link;
use drover_proto::latest::WorkerFrame;

fn main() {
    let mut link = Link::started();
    // A request without a body: one of a later version, which has to be answered.
    for seq in 1.. {
        if link.send(&WorkerFrame { seq, expects_reply: true, ..Default::default() }).is_err() {
            break;
        }
    }
    drover_e2e::wait_for_ever();
}
