//! A master that has nothing to do.

use std::time::Duration;

use crate::PLAIN;
use crate::options::Options;
use crate::program::{Program, context_switches};
use crate::report::{Aim, Unit, line};
use crate::sample::Pair;

const WORKERS: usize = 100;

/// How long the last of the start and of the question whether all are ready may take to pass: tokio ends a thread that has blocked once it has had
/// nothing to do for 10 s, and with a thread goes its count.
const SETTLE: Duration = Duration::from_secs(12);

/// Counts how often the threads of the program run while nothing happens.
pub(crate) async fn switches(options: &Options) {
    let watched = Duration::from_secs(if options.is_quick() { 5 } else { 20 });
    let floor = Program::floor(WORKERS, &PLAIN);
    let drover = Program::drover(WORKERS, &[], &PLAIN).await;
    tokio::time::sleep(SETTLE).await;
    let before = [context_switches(floor.pid()), context_switches(drover.pid())];
    tokio::time::sleep(watched).await;
    let below = context_switches(floor.pid()) - before[0];
    let above = context_switches(drover.pid()) - before[1];
    floor.end();
    drover.end();
    let mut pair = Pair::default();
    pair.push([below as f64, above as f64]);
    let what = format!("wakeups of {WORKERS} plain workers' master, {} s", watched.as_secs());
    line(&what, Unit::Count, &pair, Aim::AtMost(0.0));
}
