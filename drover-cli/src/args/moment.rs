//! Points in time, as they are typed: how long ago, or when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use drover_master::config::parse_duration;

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// This long before now.
    Ago(Duration),
    /// Milliseconds since 1970.
    At(u64),
}

/// From where on events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// After the one with this number.
    Seq(u64),
    /// From a point in time on.
    Moment(Moment),
}

const EXPECTED: &str =
    "expected how long ago, such as 5m or 1h30m, or when in UTC, such as 2026-03-01T09:30:00Z";

impl Moment {
    /// In milliseconds since 1970.
    pub(crate) fn ms(self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        match self {
            Self::At(ms) => ms,
            Self::Ago(ago) => u64::try_from(now.saturating_sub(ago).as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(ms) = at(text) {
            return Ok(Self::At(ms));
        }
        parse_duration(text).map(Self::Ago).map_err(|_| EXPECTED.to_owned())
    }
}

impl std::str::FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(seq) => Ok(Self::Seq(seq)),
            Err(_) => text.parse().map(Self::Moment).map_err(|_| format!("{EXPECTED}, or an event's number")),
        }
    }
}

/// A date, with a time of day behind a `T` or a space, in UTC; seconds and their parts, and the `Z`, may be left out.
fn at(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let numbers =
        |text: &str, by: char| text.split(by).map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>();
    let [year @ 1970..=9999, month @ 1..=12, day @ 1..=31] = numbers(date, '-')?[..] else { return None };
    let (time, parts) = time.split_once('.').unwrap_or((time, "0"));
    let (hour, minute, second) = match numbers(time, ':')?[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 60 || parts.len() > 9 {
        return None;
    }
    let ms: u64 = format!("{parts:0<3}").get(..3)?.parse().ok()?;
    let seconds = ((days_before(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds * 1000 + ms)
}

/// The days from 1970 to a date: years are counted from March, so that a leap day is the last of one (Hinnant, `days_from_civil`).
fn days_before(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let (era, year_of_era) = (year / 400, year % 400);
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_how_long_ago_or_a_date() {
        for (text, moment) in [
            ("5m", Moment::Ago(Duration::from_secs(300))),
            ("1970-01-01", Moment::At(0)),
            ("2000-02-29T00:00:00Z", Moment::At(951_782_400_000)),
            ("2026-11-29 09:30", Moment::At(1_795_944_600_000)),
            ("2026-11-29T09:30:00.25Z", Moment::At(1_795_944_600_250)),
        ] {
            assert_eq!(text.parse(), Ok(moment), "{text}");
        }
        for text in ["", "5", "yesterday", "2026-13-01", "2026-11-29T25:00", "12:30", "2026-11-29T09"] {
            assert_eq!(text.parse::<Moment>().unwrap_err(), EXPECTED, "{text}");
        }
        assert_eq!("17".parse(), Ok(Since::Seq(17)));
        assert_eq!("17s".parse(), Ok(Since::Moment(Moment::Ago(Duration::from_secs(17)))));
    }

    #[test]
    fn what_is_long_ago_is_not_before_the_beginning() {
        assert_eq!(Moment::Ago(Duration::MAX).ms(), 0);
        assert!(Moment::Ago(Duration::ZERO).ms() > 1_700_000_000_000);
    }
}
