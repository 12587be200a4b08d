//! Durations with units: `250ms`, `30s`, `1h30m`.

use std::time::Duration;

use thiserror::Error;

/// Reads a duration: whole numbers, each with its unit (`d`, `h`, `m`, `s`, `ms`), larger units first.
///
/// # Errors
///
/// [`DurationError`] says what is wrong with the text; [`DurationError::help`] says what to write instead.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use drover_master::config::{DurationError, parse_duration};
///
/// assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
/// assert_eq!(parse_duration("30"), Err(DurationError::NoUnit { number: "30".into() }));
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut rest = text;
    let mut millis = 0_u64;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let (number, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_where(after, |c| c.is_ascii_digit());
        rest = after;
        if unit.starts_with(['.', ',']) {
            return Err(DurationError::NotWhole);
        }
        if number.is_empty() {
            return Err(DurationError::NoNumber);
        }
        if unit.is_empty() {
            return Err(DurationError::NoUnit { number: number.to_owned() });
        }
        if unit.contains(char::is_whitespace) {
            return Err(DurationError::Space);
        }
        if !UNITS.iter().any(|(known, _)| *known == unit) {
            return Err(DurationError::UnknownUnit { unit: unit.to_owned() });
        }
        // `units` only moves on: a unit that stands before its place, or twice, is not found any more.
        let Some((_, factor)) = units.find(|(known, _)| *known == unit) else {
            return Err(DurationError::Order { unit: unit.to_owned() });
        };
        millis = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*factor))
            .and_then(|part| part.checked_add(millis))
            .filter(|sum| *sum <= LONGEST.as_millis() as u64)
            .ok_or(DurationError::TooLong)?;
    }
    Ok(Duration::from_millis(millis))
}

/// Writes a duration as [`parse_duration`] reads it; what is below a millisecond is left out.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use drover_master::config::format_duration;
///
/// assert_eq!(format_duration(Duration::from_secs(5400)), "1h30m");
/// assert_eq!(format_duration(Duration::ZERO), "0s");
/// ```
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    let mut text = String::new();
    for (unit, factor) in UNITS {
        let factor = u128::from(factor);
        if millis >= factor {
            text += &format!("{}{unit}", millis / factor);
            millis %= factor;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// The same, for people.
pub(crate) fn shown_duration(duration: Duration) -> String {
    if duration == Duration::MAX { "for ever".to_owned() } else { format_duration(duration) }
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DurationError {
    /// There is nothing.
    #[error("is an empty duration")]
    Empty,
    /// A number without a unit.
    #[error("has no unit after `{number}`")]
    NoUnit {
        /// The number that stands alone.
        number: String,
    },
    /// A unit, or anything else, where a number should stand.
    #[error("is not a duration")]
    NoNumber,
    /// A fraction.
    #[error("has a fraction")]
    NotWhole,
    /// Space between or around the parts.
    #[error("has a space in it")]
    Space,
    /// A unit that does not exist.
    #[error("has the unknown unit `{unit}`")]
    UnknownUnit {
        /// What stands in the unit's place.
        unit: String,
    },
    /// A unit after a smaller one, or twice.
    #[error("has `{unit}` in the wrong place")]
    Order {
        /// The unit that is out of place.
        unit: String,
    },
    /// More than ten years.
    #[error("is too long")]
    TooLong,
}

impl DurationError {
    /// Says what to write instead.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Empty | Self::NoNumber => "write for example `\"30s\"` or `\"1h30m\"`".to_owned(),
            Self::NoUnit { number } => {
                format!("write for example `\"{number}s\"`; units are ms, s, m, h and d")
            }
            Self::NotWhole => "use whole numbers, for example `\"1500ms\"` instead of `\"1.5s\"`".to_owned(),
            Self::Space => "write the parts together, for example `\"1h30m\"`".to_owned(),
            Self::UnknownUnit { .. } => "units are ms, s, m, h and d".to_owned(),
            Self::Order { .. } => {
                "name each unit once, larger ones first, for example `\"1h30m\"`".to_owned()
            }
            Self::TooLong => format!("at most `\"{}\"`", format_duration(LONGEST)),
        }
    }
}

/// The longest duration that is accepted: ten years, so that adding one to any clock cannot overflow.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// The units and their milliseconds, largest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, millis) in [
            ("0s", 0),
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("007s", 7000),
            ("3650d", 315_360_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn every_mistake_has_its_reason() {
        let unknown = |unit: &str| DurationError::UnknownUnit { unit: unit.into() };
        for (text, error) in [
            ("", DurationError::Empty),
            ("30", DurationError::NoUnit { number: "30".into() }),
            ("1h30", DurationError::NoUnit { number: "30".into() }),
            ("s", DurationError::NoNumber),
            ("soon", DurationError::NoNumber),
            ("-5s", DurationError::NoNumber),
            (" 5s", DurationError::NoNumber),
            ("1.5s", DurationError::NotWhole),
            (".5s", DurationError::NotWhole),
            ("1h 30m", DurationError::Space),
            ("5 s", DurationError::Space),
            ("5min", unknown("min")),
            ("5S", unknown("S")),
            ("5µs", unknown("µs")),
            ("30m1h", DurationError::Order { unit: "h".into() }),
            ("1s1s", DurationError::Order { unit: "s".into() }),
            ("3651d", DurationError::TooLong),
            ("99999999999999999999s", DurationError::TooLong),
            ("18446744073709551615d", DurationError::TooLong),
        ] {
            assert_eq!(parse_duration(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn durations_survive_writing_and_reading(millis in 0..=LONGEST.as_millis() as u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}|[0-9dhms.]{0,12}") {
            let _ = parse_duration(&text);
        }
    }
}
