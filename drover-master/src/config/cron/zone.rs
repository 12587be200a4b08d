//! A time zone: how far local time is from UTC, and when that changes.

use std::fmt;
use std::str::FromStr;
#[cfg(feature = "timezone")]
use std::sync::Arc;

use thiserror::Error;

#[cfg(feature = "timezone")]
use jiff::{Timestamp, tz::TimeZone};

/// Whose time a schedule is read in. Other zones than UTC are a feature, `timezone`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(ZoneRules);

#[derive(Debug, Clone, PartialEq, Eq)]
enum ZoneRules {
    Utc,
    /// Its rules are in memory: nothing is read later.
    #[cfg(feature = "timezone")]
    Other {
        name: Arc<str>,
        rules: TimeZone,
    },
}

/// Why a text names no time zone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// The machine has no rules for it.
    #[error("is not a time zone that this machine knows")]
    Unknown,
    /// This program knows UTC only.
    #[error("is not UTC, and this program was built without other time zones")]
    NotBuilt,
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(ZoneRules::Utc);

    /// The local time of the machine, as it is set now: by `TZ`, or by `/etc/localtime`. A later change of that is not noticed.
    #[cfg(feature = "timezone")]
    pub fn local() -> Self {
        Self(ZoneRules::Other { name: "local".into(), rules: TimeZone::system() })
    }

    /// Its name, as it is written in a file: `UTC`, `local`, `Europe/Berlin`.
    pub fn name(&self) -> &str {
        match &self.0 {
            ZoneRules::Utc => "UTC",
            #[cfg(feature = "timezone")]
            ZoneRules::Other { name, .. } => name,
        }
    }

    /// How many seconds local time is ahead of UTC at this one, which is counted from 1970.
    pub(super) fn offset_at(&self, second: i64) -> i64 {
        match &self.0 {
            ZoneRules::Utc => {
                let _ = second;
                0
            }
            #[cfg(feature = "timezone")]
            ZoneRules::Other { rules, .. } => rules.to_offset(at(second)).seconds().into(),
        }
    }

    /// When that changes next, after this second.
    pub(super) fn change_after(&self, second: i64) -> Option<i64> {
        match &self.0 {
            ZoneRules::Utc => {
                let _ = second;
                None
            }
            #[cfg(feature = "timezone")]
            ZoneRules::Other { rules, .. } => {
                rules.following(at(second)).next().map(|change| change.timestamp().as_second())
            }
        }
    }

    /// When it changed last, at this second at the latest.
    pub(super) fn change_until(&self, second: i64) -> Option<i64> {
        match &self.0 {
            ZoneRules::Utc => {
                let _ = second;
                None
            }
            #[cfg(feature = "timezone")]
            ZoneRules::Other { rules, .. } => {
                rules.preceding(at(second + 1)).next().map(|change| change.timestamp().as_second())
            }
        }
    }
}

#[cfg(feature = "timezone")]
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(if second < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        match text {
            "UTC" => Ok(Self::UTC),
            #[cfg(feature = "timezone")]
            "local" => Ok(Self::local()),
            #[cfg(feature = "timezone")]
            name => {
                let rules = TimeZone::get(name).map_err(|_| ZoneError::Unknown)?;
                Ok(Self(ZoneRules::Other { name: name.into(), rules }))
            }
            #[cfg(not(feature = "timezone"))]
            _ => Err(ZoneError::NotBuilt),
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(all(test, feature = "timezone"))]
impl Zone {
    /// By rules as `TZ` has them, so that a test needs no file of the machine.
    pub(crate) fn posix(rules: &str) -> Self {
        Self(ZoneRules::Other {
            name: rules.into(),
            rules: TimeZone::posix(rules).expect("the rules of a test"),
        })
    }
}
