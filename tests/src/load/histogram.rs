//! Latencies, counted in buckets: cheap to add to, and exact to a thousandth.

use std::time::Duration;

/// Each power of two microseconds is divided into so many buckets, so a figure is off by a thousandth at most.
const DIVISIONS: usize = 1 << DIVISION_BITS;
const DIVISION_BITS: u32 = 10;

/// Up to 2^36 microseconds, 19 hours; no request takes longer.
const BUCKETS: usize = DIVISIONS * 27;

/// How long things took.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u32>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0 }
    }
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, took: Duration) {
        self.buckets[bucket(took)] += 1;
        self.count += 1;
    }

    /// Counts what another one has counted.
    pub fn add_all(&mut self, other: &Self) {
        for (own, others) in self.buckets.iter_mut().zip(&other.buckets) {
            *own += others;
        }
        self.count += other.count;
    }

    /// How many were counted.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// What so large a part of them, from 0 to 1, did not exceed; zero if there is none.
    pub fn quantile(&self, part: f64) -> Duration {
        let rank = (self.count as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return lower_end(index);
            }
        }
        Duration::ZERO
    }
}

fn bucket(took: Duration) -> usize {
    let micros = usize::try_from(took.as_micros()).unwrap_or(usize::MAX);
    if micros < DIVISIONS {
        return micros;
    }
    let power = micros.ilog2() - DIVISION_BITS;
    let within = (micros >> power) - DIVISIONS;
    (DIVISIONS * (power as usize + 1) + within).min(BUCKETS - 1)
}

fn lower_end(bucket: usize) -> Duration {
    let micros = match bucket / DIVISIONS {
        0 => bucket,
        power => (DIVISIONS + bucket % DIVISIONS) << (power - 1),
    };
    Duration::from_micros(micros as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_off_by_a_thousandth_at_most() {
        for micros in [0, 1, 1023, 1024, 1025, 2048, 4711, 200_000, 200_300, 5_000_000, 3_600_000_000] {
            let took = Duration::from_micros(micros);
            let shown = lower_end(bucket(took));
            assert!(shown <= took && took.saturating_sub(shown) * 1000 <= took, "{took:?} is {shown:?}");
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_what_was_counted() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.99), Duration::ZERO);
        for micros in (1..=500).rev() {
            histogram.add(Duration::from_micros(micros));
        }
        let mut others = Histogram::default();
        (501..=1000).for_each(|micros| others.add(Duration::from_micros(micros)));
        histogram.add_all(&others);
        let [half, most, all] = [0.5, 0.99, 1.0].map(|part| histogram.quantile(part).as_micros());
        assert_eq!((half, most, all, histogram.count()), (500, 990, 1000, 1000));
    }
}
