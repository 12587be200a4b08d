//! What the program that keeps the workers takes: its own proportional share of memory, without the workers.

use crate::program::{Program, pss_kb};
use crate::report::{Aim, Unit, line};
use crate::sample::{Pair, Sample};
use crate::{PLAIN, SDK_WORKER};

/// At a hundred workers, in KB.
const AT_HUNDRED: f64 = 5.0 * 1024.0;

/// Each worker more, in KB.
const PLAIN_WORKER: f64 = 12.0;
const LIBRARY_WORKER: f64 = 24.0;

pub(crate) async fn all() {
    kept("plain", &[100, 1000], &[], &PLAIN, PLAIN_WORKER).await;
    kept("SDK", &[20, 100], &["--protocol", "drover"], &[SDK_WORKER], LIBRARY_WORKER).await;
}

/// The share at each count, and what a worker more costs from the first count to the last.
async fn kept(kind: &str, counts: &[usize; 2], options: &[&str], command: &[&str], aim: f64) {
    let mut shares = Vec::new();
    for count in *counts {
        let floor = Program::floor(count, command);
        let below = pss_kb(floor.pid());
        floor.end();
        let drover = Program::drover(count, options, command).await;
        let above = pss_kb(drover.pid());
        drover.end();
        let pair = Pair { floor: Sample::one(below), drover: Sample::one(above) };
        let aim = if count == 100 { Aim::AtMost(AT_HUNDRED) } else { Aim::None };
        line(&format!("memory with {count} {kind} workers"), Unit::Memory, &pair, aim);
        shares.push((below, above));
    }
    let more = (counts[1] - counts[0]) as f64;
    let (few, many) = (shares[0], shares[1]);
    let pair =
        Pair { floor: Sample::one((many.0 - few.0) / more), drover: Sample::one((many.1 - few.1) / more) };
    line(&format!("memory of each {kind} worker more"), Unit::Memory, &pair, Aim::AtMost(aim));
}
