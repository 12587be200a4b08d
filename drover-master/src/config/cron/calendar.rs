//! Dates, from days counted from 1970.

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: u8,
    /// From 1.
    pub(super) day: u8,
}

/// The date of a day (Hinnant, `civil_from_days`).
pub(super) const fn date_of(days: i64) -> Date {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    Date { year, month: month as u8, day: day as u8 }
}

/// The day of the week, from 0, a Sunday. The first of January 1970 was a Thursday.
pub(super) const fn weekday_of(days: i64) -> u8 {
    (days + 4).rem_euclid(7) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        for (days, year, month, day, weekday) in [
            (0, 1970, 1, 1, 4),
            (-1, 1969, 12, 31, 3),
            (59, 1970, 3, 1, 0),
            (11_016, 2000, 2, 29, 2),
            (20_786, 2026, 11, 29, 0),
            (47_540, 2100, 2, 28, 0),
            (47_541, 2100, 3, 1, 1),
        ] {
            assert_eq!(date_of(days), Date { year, month, day });
            assert_eq!(weekday_of(days), weekday, "{days}");
        }
    }
}
