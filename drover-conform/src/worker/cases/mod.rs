//! The cases that are played against a worker, a file a group.

mod backpressure;
mod comeback;
mod correlation;
mod endings;
mod environment;
mod forward;
mod framing;
mod handshake;
mod keep_alive;
mod life;
mod master_death;
mod mutation;
mod requests;
mod sending;
mod serving;

use super::stage::WorkerCase;
use crate::case::About;

/// Every case, in the order of the groups.
pub fn cases() -> impl Iterator<Item = About> {
    all().into_iter().map(|case| case.about)
}

pub(super) fn all() -> Vec<WorkerCase> {
    [
        handshake::CASES,
        framing::CASES,
        forward::CASES,
        life::CASES,
        endings::CASES,
        serving::CASES,
        correlation::CASES,
        backpressure::CASES,
        keep_alive::CASES,
        master_death::CASES,
        comeback::CASES,
        environment::CASES,
        requests::CASES,
        sending::CASES,
        mutation::CASES,
    ]
    .concat()
}
