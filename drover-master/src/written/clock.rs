//! Times.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use nix::time::{ClockId, clock_gettime};

use super::Written;

/// One moment by both: an `Instant` does not tell what it holds.
struct Anchor {
    at: Instant,
    nanos: i64,
}

/// How often the two clocks are read, to find a moment at which they were read close together.
const TRIES: usize = 16;

/// Read once, so that what is written and read by one process is the same to the nanosecond.
fn anchor() -> &'static Anchor {
    static ANCHOR: OnceLock<Anchor> = OnceLock::new();
    ANCHOR.get_or_init(|| {
        let closest = (0..TRIES).map(|_| reading()).min_by_key(|(apart, _)| *apart);
        closest.map(|(_, anchor)| anchor).expect("it was read more than once")
    })
}

/// How far apart the readings were, and what they were.
#[expect(clippy::disallowed_methods, reason = "the one moment by which instants are told to other processes")]
fn reading() -> (i64, Anchor) {
    let before = monotonic();
    let at = Instant::now();
    let apart = monotonic() - before;
    (apart, Anchor { at, nanos: before + apart / 2 })
}

fn monotonic() -> i64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has this clock");
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

/// Within 292 years of the boot, which every deadline is.
fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

impl Written for Instant {
    type Form = i64;

    fn form(&self) -> i64 {
        let anchor = anchor();
        match self.checked_duration_since(anchor.at) {
            Some(later) => anchor.nanos.saturating_add(nanos(later)),
            None => anchor.nanos.saturating_sub(nanos(anchor.at.saturating_duration_since(*self))),
        }
    }

    fn of_form(form: i64) -> Result<Self, String> {
        let anchor = anchor();
        let away = Duration::from_nanos(form.abs_diff(anchor.nanos));
        let time =
            if form < anchor.nanos { anchor.at.checked_sub(away) } else { anchor.at.checked_add(away) };
        time.ok_or_else(|| format!("{form} is not a time of the monotonic clock"))
    }
}

impl Written for SystemTime {
    type Form = (i64, u32);

    fn form(&self) -> (i64, u32) {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        match self.duration_since(Self::UNIX_EPOCH) {
            Ok(since) => (seconds(since), since.subsec_nanos()),
            Err(before) => match (seconds(before.duration()), before.duration().subsec_nanos()) {
                (whole, 0) => (-whole, 0),
                (whole, part) => (-whole - 1, 1_000_000_000 - part),
            },
        }
    }

    fn of_form((seconds, nanos): (i64, u32)) -> Result<Self, String> {
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let whole = match seconds < 0 {
            true => Self::UNIX_EPOCH.checked_sub(whole),
            false => Self::UNIX_EPOCH.checked_add(whole),
        };
        let time = whole.and_then(|whole| whole.checked_add(Duration::from_nanos(nanos.into())));
        time.ok_or_else(|| format!("{seconds} is not a time of the wall clock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_what_the_monotonic_clock_shows_and_comes_back_to_the_nanosecond() {
        let (before, now, after) = (monotonic(), reading().1.at, monotonic());
        let slack = 1_000_000_000;
        assert!((before - slack..=after + slack).contains(&now.form()), "{before} {} {after}", now.form());
        for nanos in [0, 1, 999_999_999, 1 << 40, 100 * 365 * 86_400 * 1_000_000_000] {
            let away = Duration::from_nanos(nanos);
            assert_eq!(Instant::of_form((now + away).form()), Ok(now + away));
            if let Some(earlier) = now.checked_sub(away) {
                assert_eq!(Instant::of_form(earlier.form()), Ok(earlier));
            }
        }
        for form in [i64::MIN, -1, 0, i64::MAX] {
            // A time or a fault, and never a panic.
            let _ = Instant::of_form(form);
        }
    }

    #[test]
    fn a_time_of_the_wall_clock_may_lie_before_1970() {
        let epoch = SystemTime::UNIX_EPOCH;
        for (time, form) in [
            (epoch, (0, 0)),
            (epoch + Duration::new(7, 5), (7, 5)),
            (epoch - Duration::from_secs(7), (-7, 0)),
            (epoch - Duration::from_nanos(1), (-1, 999_999_999)),
        ] {
            assert_eq!((time.form(), SystemTime::of_form(form)), (form, Ok(time)));
        }
        assert!(SystemTime::of_form((i64::MAX, u32::MAX)).is_err());
        let _ = SystemTime::of_form((i64::MIN, 0));
    }
}
