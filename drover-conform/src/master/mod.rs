//! Plays workers against a running master.
//!
//! A master gives tokens only to processes that it has started. So the app under test runs stand-ins (`drover conform
//! stand-in`), which hold still while a case speaks for them: with their token, on a connection of its own.
//!
//! ```text
//!  case ── start, stop, status ──► control socket ──┐
//!    │                                           master ── starts ──► stand-in
//!    └── Hello with the stand-in's token, … ──► worker socket ┘            ▲
//!    └── SIGUSR1: hold still; SIGUSR2: exit with 0 ────────────────────────┘
//! ```

mod bus;
mod control;
mod forward;
mod framing;
mod handshake;
mod life;
mod link;
mod mutation;
mod runner;
mod stage;
mod stand_in;

use stage::Stage;

use crate::case::About;

pub use runner::{Run, RunError, run};
pub use stand_in::{StandInError, stand_in};

/// A case that is played against a master.
type Case = crate::case::Case<Stage>;

/// Every case, in the order of the groups.
pub fn cases() -> impl Iterator<Item = About> {
    all().into_iter().map(|case| case.about)
}

fn all() -> Vec<Case> {
    [handshake::CASES, framing::CASES, forward::CASES, life::CASES, link::CASES, bus::CASES, mutation::CASES]
        .concat()
}
