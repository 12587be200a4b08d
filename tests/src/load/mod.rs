//! Load on a service whose master is operated meanwhile, and the count of what became of each request.
//!
//! - [`exchange`](mod@exchange): one request and its answer, with all the ways in which that fails; [`client`]: the three
//!   kinds of clients; [`generator`]: many of them, as fast as they get answers or at a steady rate; [`tally`],
//!   [`histogram`]: what they counted.
//! - [`notes`]: what each worker writes down by itself; [`observer`]: how many served at once, read from those notes and
//!   from nothing a master says; [`inside`]: which lost requests were inside a worker that was killed;
//!   [`waits`]: how long workers took to start and to leave.
//! - [`service`]: a master as a process, with its configuration; [`step`]: what is asked of it; [`trial`]: steps under load;
//!   [`chaos`]: steps that kill masters at moments of chance.

pub mod chaos;
pub mod client;
pub mod exchange;
pub mod generator;
pub mod histogram;
pub mod inside;
pub mod notes;
pub mod observer;
pub mod service;
pub mod step;
pub mod tally;
pub mod trial;
pub mod waits;

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
