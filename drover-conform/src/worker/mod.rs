//! Plays the master against the program of a worker.
//!
//! | file | is |
//! | --- | --- |
//! | `process` | the worker's process: its `child`, what is `printed`, its `exit` |
//! | `tested` | a worker: its process, its connection, and what the cases ask of both |
//! | `client`, `sockets` | a client of the worker's socket, and what the kernel tells of it |
//! | `stage` | where a case is played: a socket, and one worker after the other |
//! | `orphans` | what workers have started and left |
//! | `runner` | a run: the first start, the cases, the end of all that was started |
//! | the others | the cases, a file a group |

mod backpressure;
mod bus;
mod bus_more;
mod child;
mod client;
mod correlation;
mod directory;
mod environment;
mod exit;
mod forward;
mod framing;
mod handshake;
mod keep_alive;
mod life;
mod life_more;
mod master_death;
mod mutation;
mod orphans;
mod printed;
mod process;
mod runner;
mod serving;
mod sockets;
mod stage;
mod tested;

use stage::Stage;

use crate::case::About;

pub use runner::{Run, RunError, run};
pub use stage::Settings;

/// A case that is played against a worker.
type Case = crate::case::Case<Stage>;

/// Every case, in the order of the groups.
pub fn cases() -> impl Iterator<Item = About> {
    all().into_iter().map(|case| case.about)
}

fn all() -> Vec<Case> {
    [
        handshake::CASES,
        framing::CASES,
        forward::CASES,
        life::CASES,
        life_more::CASES,
        serving::CASES,
        correlation::CASES,
        backpressure::CASES,
        keep_alive::CASES,
        master_death::CASES,
        environment::CASES,
        bus::CASES,
        bus_more::CASES,
        mutation::CASES,
    ]
    .concat()
}
