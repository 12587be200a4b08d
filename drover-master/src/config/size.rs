//! Sizes with units: `512KiB`, `64MiB`, `1GiB`.

use thiserror::Error;

/// Reads a size: a whole number with its unit.
///
/// # Errors
///
/// [`SizeError`] says what is wrong with the text; [`SizeError::help`] says what to write instead.
///
/// # Examples
///
/// ```
/// use drover_master::config::{SizeError, parse_size};
///
/// assert_eq!(parse_size("64MiB"), Ok(64 * 1024 * 1024));
/// assert_eq!(parse_size("64"), Err(SizeError::NoUnit { number: "64".into() }));
/// ```
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    if number.is_empty() {
        return Err(SizeError::NoNumber);
    }
    if unit.is_empty() {
        return Err(SizeError::NoUnit { number: number.to_owned() });
    }
    let factor = UNITS.iter().find(|(known, _)| *known == unit).map(|(_, factor)| *factor);
    let factor = factor.ok_or_else(|| SizeError::UnknownUnit { unit: unit.to_owned() })?;
    // All ones stands for "unlimited".
    let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    size.filter(|size| *size != u64::MAX).ok_or(SizeError::TooLarge)
}

/// Writes a size as [`parse_size`] reads it, in the largest unit that has no fraction.
///
/// # Examples
///
/// ```
/// use drover_master::config::format_size;
///
/// assert_eq!(format_size(512 << 20), "512MiB");
/// ```
#[must_use]
pub fn format_size(bytes: u64) -> String {
    let mut binary = UNITS.iter().filter(|(_, factor)| factor.is_power_of_two()).rev();
    let fits = binary.find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    let (unit, factor) = fits.unwrap_or(&UNITS[0]);
    format!("{}{unit}", bytes / factor)
}

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SizeError {
    /// It does not begin with a number.
    #[error("is not a size")]
    NoNumber,
    /// A number without a unit.
    #[error("has no unit after `{number}`")]
    NoUnit {
        /// The number that stands alone.
        number: String,
    },
    /// A unit that does not exist, or a fraction.
    #[error("has the unknown unit `{unit}`")]
    UnknownUnit {
        /// What stands in the unit's place.
        unit: String,
    },
    /// More than 64 bits hold.
    #[error("is too large")]
    TooLarge,
}

impl SizeError {
    /// Says what to write instead.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NoNumber => "write for example `\"64MiB\"`".to_owned(),
            Self::NoUnit { number } => {
                format!("write for example `\"{number}MiB\"`; units are B, KiB, MiB, GiB and TiB")
            }
            Self::UnknownUnit { .. } => {
                "use a whole number and one of the units B, KiB, MiB, GiB and TiB; kB, MB, GB and TB count by 1000"
                    .to_owned()
            }
            Self::TooLarge => "write `\"unlimited\"` for no limit".to_owned(),
        }
    }
}

const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, bytes) in [
            ("0B", 0),
            ("7B", 7),
            ("2KiB", 2048),
            ("64MiB", 67_108_864),
            ("1GiB", 1 << 30),
            ("3TiB", 3 << 40),
            ("2kB", 2000),
            ("2MB", 2_000_000),
            ("2GB", 2_000_000_000),
            ("2TB", 2_000_000_000_000),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn every_mistake_has_its_reason() {
        let unknown = |unit: &str| SizeError::UnknownUnit { unit: unit.into() };
        for (text, error) in [
            ("", SizeError::NoNumber),
            ("much", SizeError::NoNumber),
            ("-1MiB", SizeError::NoNumber),
            ("64", SizeError::NoUnit { number: "64".into() }),
            ("64M", unknown("M")),
            ("64mb", unknown("mb")),
            ("1.5GiB", unknown(".5GiB")),
            ("64 MiB", unknown(" MiB")),
            ("18446744073709551615B", SizeError::TooLarge),
            ("16777216TiB", SizeError::TooLarge),
            ("99999999999999999999B", SizeError::TooLarge),
        ] {
            assert_eq!(parse_size(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn sizes_survive_writing_and_reading(size in 0..u64::MAX) {
            prop_assert_eq!(parse_size(&format_size(size)), Ok(size));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}|[0-9KMGTiB.]{0,12}") {
            let _ = parse_size(&text);
        }
    }
}
