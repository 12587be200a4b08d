//! What the program that keeps the workers takes: its own proportional share of memory, without the workers.

use std::time::Duration;

use crate::program::{Program, pss_kb};
use crate::report::{Aim, Unit, line};
use crate::sample::{Pair, now};
use crate::{PLAIN, SDK_WORKER};

/// At a hundred workers, in KB.
const AT_HUNDRED: f64 = 5.0 * 1024.0;

/// Each worker more, in KB.
const PLAIN_WORKER: f64 = 12.0;
const LIBRARY_WORKER: f64 = 24.0;

/// No change for this long: nothing more follows.
const SETTLED: Duration = Duration::from_secs(4);

pub(crate) async fn all(rounds: usize) {
    kept(rounds, "plain", &[100, 1000], &[], &PLAIN, PLAIN_WORKER).await;
    kept(rounds, "SDK", &[20, 100], &["--protocol", "drover"], &[SDK_WORKER], LIBRARY_WORKER).await;
}

/// The share at each count, and what a worker more costs from the first count to the last.
async fn kept(rounds: usize, kind: &str, counts: &[usize; 2], options: &[&str], command: &[&str], aim: f64) {
    let (mut few, mut many, mut more) = (Pair::default(), Pair::default(), Pair::default());
    for _ in 0..rounds {
        let [least, most] =
            [shares(counts[0], options, command).await, shares(counts[1], options, command).await];
        let workers = (counts[1] - counts[0]) as f64;
        few.push(least);
        many.push(most);
        more.push([(most[0] - least[0]) / workers, (most[1] - least[1]) / workers]);
    }
    for (count, pair) in counts.iter().zip([few, many]) {
        let aim = if *count == 100 { Aim::AtMost(AT_HUNDRED) } else { Aim::None };
        line(&format!("memory with {count} {kind} workers"), Unit::Memory, &pair, aim);
    }
    line(&format!("memory of each {kind} worker more"), Unit::Memory, &more, Aim::AtMost(aim));
}

/// What a master takes once its start is over: soon after it, it gives back what only the start needed, which no event tells.
pub(crate) async fn settled(pid: u32) -> f64 {
    let (mut least, mut since) = (pss_kb(pid), now());
    while since.elapsed() < SETTLED {
        tokio::time::sleep(SETTLED / 10).await;
        let kept = pss_kb(pid);
        if kept < least {
            (least, since) = (kept, now());
        }
    }
    pss_kb(pid)
}

/// What the floor and Drover take with this many workers.
async fn shares(count: usize, options: &[&str], command: &[&str]) -> [f64; 2] {
    let floor = Program::floor(count, command);
    let below = pss_kb(floor.pid());
    floor.end();
    let drover = Program::drover(count, options, command).await;
    let above = settled(drover.pid()).await;
    drover.end();
    [below, above]
}
