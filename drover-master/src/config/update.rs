//! How the workers of a running app are replaced by others.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How a reload goes about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct UpdatePolicy {
    /// How many replacements may be starting, or proving themselves, beside the old workers. Default: 1. Too low makes a
    /// reload of many workers slow; too high needs memory and CPU for that many more at once. A percentage of the workers is
    /// rounded up. With neither this nor `max_unavailable` nothing could move; then it is 1.
    pub max_surge: Share,
    /// How many of the workers may be missing meanwhile: so many are stopped before their replacement is there. Default: 0.
    /// Higher needs less memory, and serves with fewer. A percentage is rounded down.
    pub max_unavailable: Share,
    /// How long a replacement has to live after it was ready, before its predecessor is let go. Default: 0. Too short misses
    /// what fails at the first requests; longer makes each replacement take that much longer.
    pub soak: Duration,
    /// Who goes first. Default: the new one starts before the old one stops.
    pub order: UpdateOrder,
    /// What follows the first replacement that fails. Default: back to the old.
    pub on_failure: OnUpdateFailure,
    /// How long all replacements may take together, without the drain of the last ones. Default: 10 minutes; then it has
    /// failed. Too short rolls back what was only slow; too long lets a reload that gets nowhere stand in the way of others.
    pub timeout: Duration,
    /// How many generations may be alive at once, draining ones included. Default: 4. While an old one still drains, the next
    /// reload begins all the same, until there are so many; then it waits. Less than 2 is taken as 2. Lower
    /// makes quick reloads wait for long drains; higher lets them pile up in memory.
    pub max_generations: u32,
}

impl Default for UpdatePolicy {
    fn default() -> Self {
        Self {
            max_surge: Share::Count(1),
            max_unavailable: Share::Count(0),
            soak: Duration::ZERO,
            order: UpdateOrder::StartFirst,
            on_failure: OnUpdateFailure::Rollback,
            timeout: Duration::from_secs(600),
            max_generations: 4,
        }
    }
}

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum UpdateOrder {
    /// The new worker is ready before the old one stops: two share a slot's number for a while.
    StartFirst,
    /// The old worker is gone before the new one starts: for apps that can't have two in one slot. `max_surge` has no meaning
    /// then, and `max_unavailable` is at least 1.
    StopFirst,
}

/// What follows the first replacement that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum OnUpdateFailure {
    /// Old workers that still run stay; those that are gone are started again as they were.
    Rollback,
    /// Everything stays as it is, until somebody promotes or aborts it.
    Pause,
}

/// This many workers, or a part of all.
///
/// # Example
///
/// ```
/// use drover_master::Share;
///
/// assert_eq!("25%".parse(), Ok(Share::Percent(25)));
/// assert_eq!("2".parse(), Ok(Share::Count(2)));
/// assert_eq!(Share::Percent(25).to_string(), "25%");
/// assert!("many".parse::<Share>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Share {
    /// This many.
    Count(u32),
    /// This many of a hundred: 0 to 100.
    Percent(u32),
}

impl Share {
    /// Of so many, rounded up.
    pub(crate) fn up(self, of: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => part(percent, of, 99),
        }
    }

    /// Of so many, rounded down.
    pub(crate) fn down(self, of: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => part(percent, of, 0),
        }
    }
}

fn part(percent: u32, of: u32, rounding: u64) -> u32 {
    u32::try_from((u64::from(percent) * u64::from(of) + rounding) / 100).unwrap_or(u32::MAX)
}

/// Not a number of workers, and no percentage of 0 to 100.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is neither a number of workers, such as 2, nor a part of them, such as 25% (0% to 100%)")]
pub struct ShareError {
    text: String,
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(Self::Percent),
            None => text.parse().ok().map(Self::Count),
        };
        parsed.ok_or_else(|| ShareError { text: text.to_owned() })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_for_the_surge_is_rounded_up_and_one_that_is_missing_down() {
        for (percent, of, up, down) in
            [(0, 4, 0, 0), (1, 4, 1, 0), (25, 4, 1, 1), (30, 4, 2, 1), (100, 4, 4, 4), (50, 1, 1, 0)]
        {
            let share = Share::Percent(percent);
            assert_eq!((share.up(of), share.down(of)), (up, down), "{percent}% of {of}");
        }
        assert_eq!((Share::Count(7).up(2), Share::Percent(100).up(u32::MAX)), (7, u32::MAX));
    }

    #[test]
    fn what_is_no_share_is_refused_with_what_was_given() {
        for text in ["", "%", "-1", "101%", "2.5", "1 %"] {
            assert!(text.parse::<Share>().unwrap_err().to_string().contains(&format!("`{text}`")));
        }
    }
}
