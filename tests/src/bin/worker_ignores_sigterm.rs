//! Without the protocol; deaf to SIGTERM. Says when it is.

use nix::sys::signal::{SIGTERM, SigSet};

fn main() {
    drover_e2e::die_with_the_test();
    // Blocked for as long as the process lives is as good as ignored, and needs no unsafe code.
    SigSet::from(SIGTERM).thread_block().expect("SIGTERM can be blocked");
    drover_e2e::say("deaf");
    drover_e2e::wait_for_ever();
}
