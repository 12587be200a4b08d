//! The master's part, played against a worker's program.
//!
//! | file | is |
//! | --- | --- |
//! | `process`, `tested` | a worker: its process, its connection, and what is asked of both |
//! | `client`, `sockets` | a client of the worker's socket, and what the kernel tells of it |
//! | `stage` | where a case is played: a socket, and one worker after the other |
//! | `orphans` | what workers have started and left |
//! | `runner` | plays cases side by side, and tells what came of each |
//! | the others | the cases, a file a group |

mod backpressure;
mod bus;
mod bus_more;
mod client;
mod correlation;
mod directory;
mod environment;
mod forward;
mod framing;
mod handshake;
mod keep_alive;
mod life;
mod life_more;
mod master_death;
mod mutation;
mod orphans;
mod process;
mod runner;
mod serving;
mod sockets;
mod stage;
mod tested;

use stage::Stage;

pub(crate) use runner::{Run, RunError, run};
pub(crate) use stage::Settings;

/// A case that is played against a worker.
pub(crate) type Case = super::play::Case<Stage>;

/// Every case, in the order of the groups.
pub(crate) fn cases() -> Vec<Case> {
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
