//! A schedule, and when it is due.
//!
//! Where the clocks change, a schedule that names hours is for times of the day: what falls into the hour that is left out is due
//! once, at its end; what falls into the hour that comes twice is due the first time only. One for any hour is for the
//! passing of time: `*/15 * * * *` is due every fifteen minutes through both.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use thiserror::Error;

use super::Zone;
use super::calendar::{Date, date_of};
use super::fields::CronFields;
use crate::config::{DurationError, parse_duration};
use crate::written::Written;

const SHORTEST: Duration = Duration::from_secs(1);

/// The nicknames of crontab(5).
const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// When runs are due: five fields as in crontab(5), a nickname such as `@hourly`, or `@every 90s`.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use drover_master::config::{Schedule, Zone};
///
/// let schedule: Schedule = "30 3 * * MON-FRI".parse()?;
/// let next = schedule.next_after(SystemTime::UNIX_EPOCH, &Zone::UTC);
/// assert_eq!(next, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(3 * 3600 + 30 * 60)));
/// # Ok::<(), drover_master::config::ScheduleError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    rhythm: Rhythm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rhythm {
    Every(Duration),
    Calendar(CronFields),
}

/// Why a text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// Not five fields.
    #[error(
        "has {count} fields, but a schedule has 5: minute, hour, day of the month, month, day of the week"
    )]
    Fields {
        /// How many there are.
        count: usize,
    },
    /// A field that means nothing.
    #[error("has `{part}` for the {field}: {fault}")]
    Field {
        /// Which one.
        field: &'static str,
        /// The part of it that is wrong.
        part: String,
        /// What is wrong with it.
        fault: String,
    },
    /// No day fits, such as a 30th of February.
    #[error("is never due: no day fits it")]
    Never,
    /// A nickname that there is not.
    #[error("has the unknown nickname `{name}`")]
    Nickname {
        /// What was written.
        name: String,
    },
    /// `@every` with something else than a time.
    #[error("has a time for @every that {0}")]
    Every(DurationError),
    /// `@every` with next to no time.
    #[error("is due more often than every second")]
    TooOften,
}

impl ScheduleError {
    /// What to write instead.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Fields { count: 6 } => {
                "leave out the seconds: five fields, or `@every 10s` for what runs more often than every minute"
            }
            Self::Nickname { name } if name == "@reboot" => {
                "an app that runs once, when the master starts, has `kind = \"oneshot\"`"
            }
            Self::Fields { .. } | Self::Field { .. } | Self::Never | Self::Nickname { .. } => {
                "write for example `\"30 3 * * *\"`, `\"*/5 * * * *\"`, `\"0 9 * * MON-FRI\"`, `\"@hourly\"` or `\"@every 90s\"`"
            }
            Self::Every(_) | Self::TooOften => "write for example `\"@every 90s\"` or `\"@every 1h30m\"`",
        }
    }
}

impl Schedule {
    /// The time from one run to the next, if it is that, whatever the clock on the wall shows.
    pub const fn every(&self) -> Option<Duration> {
        match self.rhythm {
            Rhythm::Every(every) => Some(every),
            Rhythm::Calendar(_) => None,
        }
    }

    /// The first time after this one at which a run is due. None: there is none within nine years.
    pub fn next_after(&self, time: SystemTime, zone: &Zone) -> Option<SystemTime> {
        match self.rhythm {
            Rhythm::Every(every) => time.checked_add(every),
            Rhythm::Calendar(fields) => instant(next_second(&fields, second(time), zone)?),
        }
    }
}

/// The first second after this one that is the beginning of a minute which fits.
fn next_second(fields: &CronFields, second: i64, zone: &Zone) -> Option<i64> {
    let is_of_day = !fields.is_of_any_hour();
    let (mut at, mut offset) = (second, zone.offset_at(second));
    // In local time: all before it has been, and so has what it shows a second time.
    let mut from = second + offset + 1;
    if is_of_day && let Some(change) = zone.change_until(second) {
        from = from.max(change + zone.offset_at(change - 1));
    }
    loop {
        let local = fields.next_from(minute_from(from))? * 60;
        let Some(change) = zone.change_after(at).filter(|change| local >= change + offset) else {
            return Some(local - offset);
        };
        let after = zone.offset_at(change);
        if is_of_day {
            if local < change + after {
                return Some(change);
            }
            from = change + offset.max(after);
        } else {
            from = change + after;
        }
        (at, offset) = (change, after);
    }
}

/// The first minute that begins with this second or later.
const fn minute_from(second: i64) -> i64 {
    (second + 59).div_euclid(60)
}

/// Counted from 1970; the clock of a machine that shows an earlier year is wrong.
fn second(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX / 4)
}

fn instant(second: i64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(second).ok()?))
}

impl Zone {
    /// A time as people there read it, in the form of RFC 3339: `2026-03-29T03:00:00+02:00`.
    pub(crate) fn shown(&self, time: SystemTime) -> String {
        let second = second(time);
        let offset = self.offset_at(second);
        let local = second + offset;
        let Date { year, month, day } = date_of(local.div_euclid(86_400));
        let of_day = local.rem_euclid(86_400);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let date = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        match (self == &Self::UTC, offset < 0, offset.abs() / 60) {
            (true, ..) => date + "Z",
            (false, is_behind, minutes) => {
                let sign = if is_behind { '-' } else { '+' };
                format!("{date}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim();
        let rhythm = match text.split_once(|byte: char| byte.is_ascii_whitespace()) {
            Some(("@every", time)) => {
                let every = parse_duration(time.trim()).map_err(ScheduleError::Every)?;
                if every < SHORTEST {
                    return Err(ScheduleError::TooOften);
                }
                Rhythm::Every(every)
            }
            _ if text.starts_with('@') => {
                let known = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
                let (_, fields) = known.ok_or_else(|| ScheduleError::Nickname { name: text.to_owned() })?;
                Rhythm::Calendar(CronFields::parse(fields)?)
            }
            _ => Rhythm::Calendar(CronFields::parse(text)?),
        };
        Ok(Self { text: text.split_ascii_whitespace().collect::<Vec<_>>().join(" "), rhythm })
    }
}

/// Its text.
impl Written for Schedule {
    type Form = String;

    fn form(&self) -> String {
        self.text.clone()
    }

    fn of_form(form: String) -> Result<Self, String> {
        form.parse().map_err(|error| format!("`{form}` {error}"))
    }
}

/// As it was written.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
