//! Points in time for people, in UTC, and lengths of time.

/// `YYYY-MM-DDTHH:MM:SS.mmmZ` (RFC 3339).
pub(crate) fn timestamp(time_ms: u64) -> String {
    let days = time_ms / 86_400_000;
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{}", time_of_day(time_ms))
}

/// `HH:MM:SS.mmmZ`. A day is never a question in a list of what has just happened.
pub(crate) fn time_of_day(time_ms: u64) -> String {
    let (ms, seconds) = (time_ms % 1000, time_ms / 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}Z", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// A length of time in its two largest units.
pub(crate) fn uptime(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..=9 => format!("{}.{} s", seconds, ms % 1000 / 100),
        10..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// The date of a day, counted from 1970 (Hinnant, `civil_from_days`).
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Moment;

    #[test]
    fn a_timestamp_is_read_as_it_was_written() {
        for day in (0..40_000).step_by(17) {
            let ms = day * 86_400_000 + 12_345_678;
            assert_eq!(timestamp(ms).parse(), Ok(Moment::At(ms)), "{day}");
        }
        assert_eq!(timestamp(951_782_400_001), "2000-02-29T00:00:00.001Z");
    }
}
