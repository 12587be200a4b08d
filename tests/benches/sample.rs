//! Rounds, and what they showed.

use std::time::{Duration, Instant};

/// The figures of one side, one a round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            even if even % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        }
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// Both sides of a line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pair {
    pub(crate) floor: Sample,
    pub(crate) drover: Sample,
}

impl Pair {
    /// One round: the floor's figure and Drover's.
    pub(crate) fn push(&mut self, [floor, drover]: [f64; 2]) {
        self.floor.0.push(floor);
        self.drover.0.push(drover);
    }
}

/// Measures floor and Drover in turns, after one round of each that is not counted.
pub(crate) async fn in_turns(
    rounds: usize,
    mut floor: impl AsyncFnMut() -> Duration,
    mut drover: impl AsyncFnMut() -> Duration,
) -> Pair {
    let mut pair = Pair::default();
    for round in 0..=rounds {
        let (below, above) = (floor().await, drover().await);
        if round > 0 {
            pair.push([below.as_secs_f64(), above.as_secs_f64()]);
        }
    }
    pair
}

/// How long something takes.
pub(crate) fn timed<T>(what: impl FnOnce() -> T) -> (T, Duration) {
    let begin = now();
    let result = what();
    (result, begin.elapsed())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
