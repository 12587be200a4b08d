//! The five fields of a crontab, and the minutes that fit them.

use super::ScheduleError;
use super::calendar::{Date, date_of, weekday_of};

const MINUTES_OF_DAY: i64 = 24 * 60;

/// How many days are looked at for one that fits. From one 29th of February to the next there are eight years at most, round 2100.
const DAYS: i64 = 9 * 366;

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// What one field may hold.
struct FieldRule {
    name: &'static str,
    least: u8,
    most: u8,
    /// The words for the numbers from `least` on.
    words: &'static [&'static str],
}

const RULES: [FieldRule; 5] = [
    FieldRule { name: "minute", least: 0, most: 59, words: &[] },
    FieldRule { name: "hour", least: 0, most: 23, words: &[] },
    FieldRule { name: "day of the month", least: 1, most: 31, words: &[] },
    FieldRule { name: "month", least: 1, most: 12, words: MONTHS },
    // 7 is a Sunday, too.
    FieldRule { name: "day of the week", least: 0, most: 7, words: WEEKDAYS },
];

/// The minutes that a crontab means, by the local time of some place. In each field bit N stands for the number N.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CronFields {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether one of both fields for days begins with `*`: then both have to fit, else one.
    needs_both_days: bool,
    /// Whether it names no hours: it is for the passing of time, and not for times of the day.
    is_of_any_hour: bool,
}

impl CronFields {
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let parts: Vec<&str> = text.split_ascii_whitespace().collect();
        let Ok(parts) = <[&str; 5]>::try_from(parts.as_slice()) else {
            return Err(ScheduleError::Fields { count: parts.len() });
        };
        let mut bits = [0; 5];
        for ((bits, rule), part) in bits.iter_mut().zip(&RULES).zip(parts) {
            *bits = rule.parse(part)?;
        }
        let [minutes, hours, days, months, weekdays] = bits;
        let fields = Self {
            minutes,
            hours,
            days,
            months,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            needs_both_days: parts[2].starts_with('*') || parts[4].starts_with('*'),
            is_of_any_hour: parts[1].starts_with('*'),
        };
        // From a year that begins with a leap day's century: whatever fits at all fits within the next nine.
        fields.next_from(0).map(|_| fields).ok_or(ScheduleError::Never)
    }

    pub(super) const fn is_of_any_hour(&self) -> bool {
        self.is_of_any_hour
    }

    /// The next minute that fits, this one included; minutes are counted from 1970, in local time.
    pub(super) fn next_from(&self, minute: i64) -> Option<i64> {
        let (first, mut of_day) = (minute.div_euclid(MINUTES_OF_DAY), minute.rem_euclid(MINUTES_OF_DAY));
        for day in first..first + DAYS {
            if self.fits_day(day)
                && let Some(found) = self.next_of_day(of_day)
            {
                return Some(day * MINUTES_OF_DAY + found);
            }
            of_day = 0;
        }
        None
    }

    fn fits_day(&self, day: i64) -> bool {
        let Date { month, day: of_month, .. } = date_of(day);
        let of_month = has(self.days, of_month.into());
        let of_week = has(self.weekdays, weekday_of(day).into());
        let fits = if self.needs_both_days { of_month && of_week } else { of_month || of_week };
        fits && has(self.months, month.into())
    }

    fn next_of_day(&self, of_day: i64) -> Option<i64> {
        let (hour, minute) = (of_day / 60, of_day % 60);
        if has(self.hours, hour)
            && let Some(minute) = lowest(self.minutes & (u64::MAX << minute))
        {
            return Some(hour * 60 + minute);
        }
        let hour = lowest(self.hours & (u64::MAX << (hour + 1)))?;
        Some(hour * 60 + lowest(self.minutes)?)
    }
}

impl FieldRule {
    fn parse(&self, text: &str) -> Result<u64, ScheduleError> {
        text.split(',').try_fold(0, |bits, part| Ok(bits | self.parse_part(part)?))
    }

    /// `*`, `N`, `N-M`, each perhaps with `/STEP`.
    fn parse_part(&self, part: &str) -> Result<u64, ScheduleError> {
        let fault = |fault: String| ScheduleError::Field { field: self.name, part: part.to_owned(), fault };
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => {
                let number = step.parse().ok().filter(|step| (1..=self.most).contains(step));
                let step = number
                    .ok_or_else(|| fault(format!("its step has to be a number from 1 to {}", self.most)))?;
                (range, Some(step))
            }
        };
        let number = |text: &str| self.number(text).map_err(fault);
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most.min(self.least + self.span() - 1)),
            Some((from, to)) => (number(from)?, number(to)?),
            None if step.is_some() => (number(range)?, self.most),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return Err(fault("it ends before it begins".to_owned()));
        }
        Ok((from..=to).step_by(step.unwrap_or(1).into()).fold(0, |bits, number| bits | 1 << number))
    }

    /// How many different numbers there are: a Sunday is one of them, though it has two.
    const fn span(&self) -> u8 {
        if self.most == 7 { 7 } else { self.most - self.least + 1 }
    }

    fn number(&self, text: &str) -> Result<u8, String> {
        if let Some(at) = self.words.iter().position(|word| word.eq_ignore_ascii_case(text)) {
            return Ok(self.least + at as u8);
        }
        let is_number = !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number =
            text.parse().ok().filter(|number| is_number && (self.least..=self.most).contains(number));
        number.ok_or_else(|| {
            let words = match self.words {
                [] => String::new(),
                [first, .., last] => format!(" or {first} to {last}"),
                [word] => format!(" or {word}"),
            };
            format!("it takes {} to {}{words}", self.least, self.most)
        })
    }
}

const fn has(bits: u64, number: i64) -> bool {
    bits >> number & 1 == 1
}

fn lowest(bits: u64) -> Option<i64> {
    (bits != 0).then(|| bits.trailing_zeros().into())
}
