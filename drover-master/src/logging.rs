//! Traces of the master on stderr, asked for by the environment.
//!
//! `DROVER_LOG` takes targets and levels: `debug`, or `drover::worker=debug,drover::protocol=trace`. `DEBUG` is the Node
//! module's way: `drover:*` is everything, `drover:worker` is that target. Environments and tokens are never traced.
//!
//! | target | tells |
//! | --- | --- |
//! | `drover::master`, `drover::supervisor` | an app as a whole |
//! | `drover::worker` | every state change of a worker, with old and new phase |
//! | `drover::protocol` | every message and connection |
//! | `drover::process` | signals and reaping |
//! | `drover::control` | requests of the command line |
//! | `drover::output` | trouble with what workers print |

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::str::FromStr;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::process::say_aside;

/// How much is traced: this, and what is graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What is broken.
    Error,
    /// What somebody should know.
    Warn,
    /// What happens to apps.
    Info,
    /// What happens to workers.
    Debug,
    /// Every message.
    Trace,
}

impl Level {
    const fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

/// Why traces can't be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoggingError {
    /// `DROVER_LOG` can't be understood: the user's fault.
    #[error(
        "DROVER_LOG is `{text}`, which is not a list of targets and levels such as `debug` or `drover::worker=debug`"
    )]
    Filter {
        /// What it is.
        text: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The program has a subscriber already.
    #[error("traces are set up already")]
    Twice(#[source] Box<dyn Error + Send + Sync>),
}

/// Prints what `DROVER_LOG` and `DEBUG` ask for. Without `DROVER_LOG`, `default` and what is graver; [`Level::Warn`] is quiet.
///
/// A trace never waits for a stderr that nobody reads: it is written by a thread of its own, and what that can't keep is counted.
/// Call [`flush_output`](crate::flush_output) before the process ends.
///
/// # Errors
///
/// [`LoggingError`]; the program can go on without traces.
pub fn init(default: Level) -> Result<(), LoggingError> {
    let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let targets = targets(default, read("DROVER_LOG").as_deref(), read("DEBUG").as_deref())?;
    let colour =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt::layer().with_writer(|| AsideWriter).with_ansi(colour);
    tracing_subscriber::registry()
        .with(lines)
        .with(targets)
        .try_init()
        .map_err(|error| LoggingError::Twice(error.into()))
}

/// Hands each trace over whole.
struct AsideWriter;

impl Write for AsideWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        say_aside(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn targets(default: Level, drover_log: Option<&str>, debug: Option<&str>) -> Result<Targets, LoggingError> {
    let mut targets = match drover_log {
        Some(text) => Targets::from_str(text)
            .map_err(|source| LoggingError::Filter { text: text.to_owned(), source: source.into() })?,
        None => Targets::new().with_default(default.filter()),
    };
    let asked = debug.unwrap_or_default().split([',', ' ']).filter_map(|word| {
        let rest = word.strip_prefix("drover")?;
        match rest {
            "" | ":*" | "*" => Some("drover".to_owned()),
            _ => rest.strip_prefix(':').map(|target| format!("drover::{}", target.trim_end_matches(":*"))),
        }
    });
    for target in asked {
        targets = targets.with_target(target, LevelFilter::DEBUG);
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_variables_ask_for_what_they_say() {
        let cases: [(Option<&str>, Option<&str>, &str, bool); 8] = [
            (None, None, "drover::worker", false),
            (None, Some("drover:*"), "drover::worker", true),
            (None, Some("express,drover:*"), "drover::protocol", true),
            (None, Some("drover:worker"), "drover::worker", true),
            (None, Some("drover:worker"), "drover::protocol", false),
            (None, Some("express:*"), "drover::worker", false),
            (Some("debug"), None, "drover::worker", true),
            (Some("drover::worker=debug"), None, "drover::protocol", false),
        ];
        for (drover_log, debug, target, expected) in cases {
            let targets = targets(Level::Warn, drover_log, debug).unwrap();
            assert_eq!(
                targets.would_enable(target, &tracing::Level::DEBUG),
                expected,
                "{drover_log:?} {debug:?} {target}"
            );
        }
    }

    #[test]
    fn a_filter_that_makes_no_sense_is_quoted() {
        let error = targets(Level::Warn, Some("drover=loud"), None).unwrap_err();
        assert!(error.to_string().contains("`drover=loud`"), "{error}");
    }
}
