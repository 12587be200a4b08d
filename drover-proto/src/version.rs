//! Protocol versions: a whole number, offered as a range, chosen as the highest common one.

use std::fmt;

/// The versions that this crate speaks.
pub const SPOKEN: VersionRange = VersionRange { min: 1, max: 1 };

/// A range of protocol versions, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    min: u32,
    max: u32,
}

impl VersionRange {
    /// A range from the oldest to the newest version.
    ///
    /// # Errors
    ///
    /// [`InvalidRange`] if `min` is 0 or over `max`: the peer sent no usable offer.
    pub const fn new(min: u32, max: u32) -> Result<Self, InvalidRange> {
        if min == 0 || min > max { Err(InvalidRange { min, max }) } else { Ok(Self { min, max }) }
    }

    /// The oldest version of the range.
    pub const fn min(self) -> u32 {
        self.min
    }

    /// The newest version of the range.
    pub const fn max(self) -> u32 {
        self.max
    }

    /// The highest version that both ranges hold.
    ///
    /// # Errors
    ///
    /// [`NoCommonVersion`], with both ranges, if they do not meet.
    pub fn negotiate(self, theirs: Self) -> Result<u32, NoCommonVersion> {
        let highest = self.max.min(theirs.max);
        if highest >= self.min.max(theirs.min) {
            Ok(highest)
        } else {
            Err(NoCommonVersion { ours: self, theirs })
        }
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "{}", self.min)
        } else {
            write!(f, "{} to {}", self.min, self.max)
        }
    }
}

/// A version range that is empty or begins below 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "version range {min} to {max} is not usable: it must begin at 1 or later and not end before it begins"
)]
pub struct InvalidRange {
    /// The offered oldest version.
    pub min: u32,
    /// The offered newest version.
    pub max: u32,
}

/// Two sides that share no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no protocol version in common: we speak {ours}, the peer speaks {theirs}")]
pub struct NoCommonVersion {
    /// The versions of the side that compares.
    pub ours: VersionRange,
    /// The versions the peer offered.
    pub theirs: VersionRange,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(min: u32, max: u32) -> VersionRange {
        VersionRange::new(min, max).unwrap()
    }

    #[test]
    fn the_highest_common_version_is_chosen_whoever_asks() {
        for (ours, theirs, chosen) in [
            (range(1, 1), range(1, 1), 1),
            (range(1, 3), range(2, 5), 3),
            (range(2, 5), range(1, 3), 3),
            (range(1, 9), range(4, 4), 4),
        ] {
            assert_eq!(ours.negotiate(theirs), Ok(chosen));
        }
    }

    #[test]
    fn ranges_that_do_not_meet_are_both_named() {
        let error = range(1, 2).negotiate(range(3, 4)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no protocol version in common: we speak 1 to 2, the peer speaks 3 to 4"
        );
        assert!(range(3, 4).negotiate(range(1, 2)).is_err());
    }

    #[test]
    fn an_empty_or_zero_range_is_refused() {
        assert!(VersionRange::new(0, 1).is_err());
        assert!(VersionRange::new(0, 0).is_err());
        assert!(VersionRange::new(2, 1).is_err());
    }
}
