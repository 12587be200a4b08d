//! The floor as a program: `floor COUNT PROGRAM ARGS…` starts so many, says "ready", and at SIGTERM ends them and itself.

use drover_e2e::floor::{Floor, stop};
use nix::sys::signal::{SIGTERM, SigSet};

fn main() {
    drover_e2e::die_with_the_test();
    let mut args = std::env::args().skip(1);
    let count: usize = args.next().and_then(|count| count.parse().ok()).expect("COUNT is a number");
    let program = args.next().expect("PROGRAM is named");
    let floor = Floor::new(&program, args);
    let children: Vec<_> = (0..count).map(|_| floor.spawn()).collect();
    // Only now: what is blocked is inherited, and the children are to die of it.
    let mut term = SigSet::empty();
    term.add(SIGTERM);
    term.thread_block().expect("SIGTERM can be blocked");
    drover_e2e::say("ready");
    term.wait().expect("SIGTERM is a signal");
    stop(children);
}
