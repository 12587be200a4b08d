//! A time zone: how far local time is from UTC, and when that changes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

#[cfg(feature = "timezone")]
use jiff::{Timestamp, tz::TimeZone};
use thiserror::Error;

use crate::written::Written;

/// Whose time a schedule is read in. Other zones than UTC are a feature, `timezone`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(ZoneRules);

#[derive(Debug, Clone, PartialEq, Eq)]
enum ZoneRules {
    Utc,
    Other { name: Arc<str>, offsets: Offsets },
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
        Self(ZoneRules::Other { name: "local".into(), offsets: Offsets::local() })
    }

    /// Its name, as it is written in a file: `UTC`, `local`, `Europe/Berlin`.
    pub fn name(&self) -> &str {
        match &self.0 {
            ZoneRules::Utc => "UTC",
            ZoneRules::Other { name, .. } => name,
        }
    }

    /// How many seconds local time is ahead of UTC at this one, which is counted from 1970.
    pub(super) fn offset_at(&self, second: i64) -> i64 {
        self.offsets().map_or(0, |offsets| offsets.offset_at(second))
    }

    /// When that changes next, after this second.
    pub(super) fn change_after(&self, second: i64) -> Option<i64> {
        self.offsets()?.change_after(second)
    }

    /// When it changed last, at this second at the latest.
    pub(super) fn change_until(&self, second: i64) -> Option<i64> {
        self.offsets()?.change_until(second)
    }

    /// None: always UTC.
    const fn offsets(&self) -> Option<&Offsets> {
        match &self.0 {
            ZoneRules::Utc => None,
            ZoneRules::Other { offsets, .. } => Some(offsets),
        }
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        match text {
            "UTC" => Ok(Self::UTC),
            name => Ok(Self(ZoneRules::Other { name: name.into(), offsets: Offsets::named(name)? })),
        }
    }
}

/// Its name: the rules are read again.
impl Written for Zone {
    type Form = String;

    fn form(&self) -> String {
        self.name().to_owned()
    }

    fn of_form(form: String) -> Result<Self, String> {
        form.parse().map_err(|error| format!("`{form}` {error}"))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The rules of a zone, in memory: nothing is read later. Without other zones there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Offsets {
    #[cfg(feature = "timezone")]
    Table(TimeZone),
}

#[cfg_attr(not(feature = "timezone"), expect(unused_variables, reason = "there is no value to ask"))]
impl Offsets {
    #[cfg(feature = "timezone")]
    fn local() -> Self {
        Self::Table(TimeZone::system())
    }

    #[cfg(feature = "timezone")]
    fn named(name: &str) -> Result<Self, ZoneError> {
        match name {
            "local" => Ok(Self::local()),
            _ => TimeZone::get(name).map(Self::Table).map_err(|_| ZoneError::Unknown),
        }
    }

    #[cfg(not(feature = "timezone"))]
    const fn named(_name: &str) -> Result<Self, ZoneError> {
        Err(ZoneError::NotBuilt)
    }

    fn offset_at(&self, second: i64) -> i64 {
        match *self {
            #[cfg(feature = "timezone")]
            Self::Table(ref zone) => zone.to_offset(at(second)).seconds().into(),
        }
    }

    fn change_after(&self, second: i64) -> Option<i64> {
        match *self {
            #[cfg(feature = "timezone")]
            Self::Table(ref zone) => {
                zone.following(at(second)).next().map(|change| change.timestamp().as_second())
            }
        }
    }

    fn change_until(&self, second: i64) -> Option<i64> {
        match *self {
            #[cfg(feature = "timezone")]
            Self::Table(ref zone) => {
                zone.preceding(at(second + 1)).next().map(|change| change.timestamp().as_second())
            }
        }
    }
}

#[cfg(feature = "timezone")]
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(if second < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(all(test, feature = "timezone"))]
impl Zone {
    /// By rules as `TZ` has them, so that a test needs no file of the machine.
    pub(crate) fn posix(rules: &str) -> Self {
        Self(ZoneRules::Other {
            name: rules.into(),
            offsets: Offsets::Table(TimeZone::posix(rules).expect("the rules of a test")),
        })
    }
}
