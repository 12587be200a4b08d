//! The graceful end of plain workers and of what keeps them.

use crate::PLAIN;
use crate::program::Program;
use crate::report::{Aim, Unit, line};
use crate::sample::in_turns;

/// How many workers.
const WORKERS: usize = 100;

/// From SIGTERM to the program until it is gone, and its workers before it.
pub(crate) async fn all(rounds: usize) {
    let bare = async || Program::floor(WORKERS, &PLAIN).end();
    let drover = async || Program::drover(WORKERS, &[], &PLAIN).await.end();
    let pair = in_turns(rounds, bare, drover).await;
    line(&format!("stop of {WORKERS} plain workers and the master"), Unit::Time, &pair, Aim::Ratio(2.0));
}
