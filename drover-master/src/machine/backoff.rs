//! The pauses between tries.

use std::time::Duration;

use crate::config::Backoff;

/// The pause before try number `attempt`, counted from 0: `initial · factorⁿ`, at most `max`, shifted by chance by up to
/// `jitter` of itself to either side, and never over `max`.
pub fn delay(backoff: &Backoff, attempt: u32, rng: &mut fastrand::Rng) -> Duration {
    if backoff.initial.is_zero() {
        // Nothing grows to nothing: but zero times the infinity that a power ends in is not a number.
        return Duration::ZERO;
    }
    let ceiling = backoff.max.as_secs_f64();
    let exponent = i32::try_from(attempt).unwrap_or(i32::MAX);
    let grown = (backoff.initial.as_secs_f64() * backoff.factor.powi(exponent)).min(ceiling);
    let shift = 1.0 + backoff.jitter * (2.0 * rng.f64() - 1.0);
    Duration::try_from_secs_f64(grown * shift).map_or(backoff.max, |pause| pause.min(backoff.max))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pause_is_within_its_jitter_and_never_over_the_maximum(
            initial_ms in 1u64..10_000, max_ms in 0u64..100_000, factor in 1.0f64..10.0, jitter in 0.0f64..=1.0,
            attempt in 0u32..=u32::MAX, seed: u64,
        ) {
            let backoff = Backoff {
                initial: Duration::from_millis(initial_ms), max: Duration::from_millis(max_ms), factor, jitter,
            };
            let pause = delay(&backoff, attempt, &mut fastrand::Rng::with_seed(seed));
            prop_assert!(pause <= backoff.max);
            let grown = (backoff.initial.as_secs_f64() * factor.powi(attempt.min(1000) as i32)).min(backoff.max.as_secs_f64());
            prop_assert!(pause.as_secs_f64() >= grown * (1.0 - jitter) - 1e-9);
        }
    }

    #[test]
    fn a_pause_of_nothing_never_grows_and_one_without_a_maximum_never_overflows() {
        let rng = &mut fastrand::Rng::with_seed(0);
        let nothing = Backoff { initial: Duration::ZERO, ..Backoff::default() };
        let boundless = Backoff { max: Duration::MAX, ..Backoff::default() };
        for attempt in [0, 1, 1024, u32::MAX] {
            assert_eq!(delay(&nothing, attempt, rng), Duration::ZERO);
            assert!(delay(&boundless, attempt, rng) > Duration::ZERO);
        }
    }

    #[test]
    fn without_jitter_pauses_double_up_to_the_maximum() {
        let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
        let pauses: Vec<u64> = (0..10)
            .map(|attempt| delay(&backoff, attempt, &mut fastrand::Rng::with_seed(0)).as_millis() as u64)
            .collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
    }
}
