//! The master's part, played against a worker's program.
//!
//! | file | is |
//! | --- | --- |
//! | `process`, `peer`, `tested` | a worker: its process, its connection, and what is asked of both |
//! | `stage` | where a case is played: a socket, and one worker after the other |
//! | `runner` | plays cases side by side, and tells what came of each |
//! | the others | the cases, a file a group |

mod backpressure;
mod bus;
mod bus_more;
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
mod mutator;
mod peer;
mod process;
mod runner;
mod stage;
mod tested;

use std::future::Future;
use std::pin::Pin;

use super::case::{About, Fault};
use stage::Stage;

pub(crate) use runner::{Run, RunError, run};
pub(crate) use stage::Settings;

/// How a case is played.
type Play = for<'a> fn(&'a mut Stage) -> Playing<'a>;

type Playing<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'a>>;

/// A case and how it is played.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) about: About,
    play: Play,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.about.fmt(f)
    }
}

impl Case {
    const fn new(id: &'static str, done: &'static str, sentence: &'static str, play: Play) -> Self {
        Self { about: About { id, sentence, done, needs: None }, play }
    }

    /// Only for workers with this capability.
    const fn needs(mut self, capability: &'static str) -> Self {
        self.about.needs = Some(capability);
        self
    }
}

/// Every case, in the order of the groups.
pub(crate) fn cases() -> Vec<Case> {
    [
        handshake::CASES,
        framing::CASES,
        forward::CASES,
        life::CASES,
        life_more::CASES,
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
