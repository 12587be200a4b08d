//! The cases that are played against a master, a file a group.

mod bus;
mod forward;
mod framing;
mod handshake;
mod life;
mod link;
mod mutation;

use super::stage::MasterCase;
use crate::case::About;

/// Every case, in the order of the groups.
pub fn cases() -> impl Iterator<Item = About> {
    all().into_iter().map(|case| case.about)
}

pub(super) fn all() -> Vec<MasterCase> {
    [handshake::CASES, framing::CASES, forward::CASES, life::CASES, link::CASES, bus::CASES, mutation::CASES]
        .concat()
}
