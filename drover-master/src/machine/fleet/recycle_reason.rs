//! Why a worker has served enough, for people.

use std::fmt;
use std::time::Duration;

/// Why a worker has served enough. The limit is the worker's own, drawn within the jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum RecycleReason {
    /// It has served for long.
    Age {
        /// How long.
        age: Duration,
        /// Its limit.
        limit: Duration,
    },
    /// Its process holds much memory.
    Memory {
        /// How many bytes.
        rss: u64,
        /// Its limit.
        limit: u64,
    },
    /// It has answered many requests.
    Requests {
        /// How many.
        count: u64,
        /// Its limit.
        limit: u64,
    },
    /// It has a socket that nobody reaches any more: another is in its place.
    Socket,
}

/// A sentence about the worker, for people.
impl fmt::Display for RecycleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Age { age, limit } => {
                write!(f, "it has served {}, its limit is {}", in_words(age), in_words(limit))
            }
            Self::Memory { rss, limit } => write!(f, "it uses {} MiB, over {}", mib(rss), mib(limit)),
            Self::Requests { count, limit } => {
                write!(f, "it has answered {} requests, over {}", grouped(count), grouped(limit))
            }
            Self::Socket => {
                f.write_str("it has a socket that was replaced, and the new one is for a new worker")
            }
        }
    }
}

fn in_words(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_secs() {
        0..120 => format!("{seconds:.1} s"),
        120..7200 => format!("{:.1} min", seconds / 60.0),
        7200.. => format!("{:.1} h", seconds / 3600.0),
    }
}

const fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_with_the_limit_and_the_value() {
        let told = |reason: RecycleReason| reason.to_string();
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let age = RecycleReason::Age { age: hours(25), limit: hours(24) };
        assert_eq!(told(age), "it has served 25.0 h, its limit is 24.0 h");
        let memory = RecycleReason::Memory { rss: 612 << 20, limit: 512 << 20 };
        assert_eq!(told(memory), "it uses 612 MiB, over 512");
        let requests = RecycleReason::Requests { count: 100_123, limit: 100_000 };
        assert_eq!(told(requests), "it has answered 100,123 requests, over 100,000");
        assert_eq!((grouped(7), grouped(1_234_567)), ("7".to_owned(), "1,234,567".to_owned()));
        let second = Duration::from_millis(1250);
        assert_eq!((in_words(second), in_words(hours(1))), ("1.2 s".to_owned(), "60.0 min".to_owned()));
    }
}
