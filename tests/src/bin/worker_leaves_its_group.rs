//! Without the protocol; moves into its master's process group, and is deaf to SIGTERM. Says when it is.

use nix::sys::signal::{SIGTERM, SigSet};
use nix::unistd::{Pid, getpgid, getppid, setpgid};

fn main() {
    drover_e2e::die_with_the_test();
    SigSet::from(SIGTERM).thread_block().expect("SIGTERM can be blocked");
    let group = getpgid(Some(getppid())).expect("the master has a group");
    setpgid(Pid::from_raw(0), group).expect("a group of the same session can be joined");
    drover_e2e::say("deaf");
    drover_e2e::wait_for_ever();
}
