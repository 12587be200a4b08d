//! What can be typed to `logs`.

use clap::{Args, ValueEnum};
use drover_master::control::Name;
use regex::bytes::Regex;

use super::moment::Moment;
use super::online::number;

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// APP, APP/SLOT or APP@ID; `*`, `?` and `[abc]` match any [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<Name>,
    /// Keep showing new lines
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last N of the kept lines
    #[arg(short = 'n', long = "tail", visible_alias = "lines", value_name = "N", value_parser = number::<u32>)]
    pub lines: Option<u32>,
    /// Only lines since then: how long ago, such as 5m, or when in UTC, such as 2026-03-01T09:30:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// Only lines until then
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
    /// Only lines of this stream
    #[arg(long, value_name = "STREAM")]
    pub stream: Option<StreamArg>,
    /// The same as --stream err
    #[arg(long, conflicts_with = "stream")]
    pub err: bool,
    /// Print before each line the time at which the master read it, in UTC
    #[arg(short, long)]
    pub timestamps: bool,
    /// Only lines that match this regular expression; `(?i)` before it ignores case
    #[arg(long, value_name = "REGEX", value_parser = pattern)]
    pub grep: Option<Regex>,
    /// One JSON object for each line
    #[arg(long, conflicts_with = "timestamps")]
    pub json: bool,
    /// The last words of the last worker that ended in each slot: what it wrote to stderr before that
    #[arg(long, conflicts_with_all = ["follow", "lines", "since", "until", "stream", "err"])]
    pub last_exit: bool,
    /// The drover.toml of the master to ask [default: the one in this directory]
    #[arg(long, value_name = "FILE")]
    pub file: Option<std::path::PathBuf>,
}

/// Arguments of `reopen-logs`.
#[derive(Debug, Args)]
pub struct ReopenLogsArgs {
    /// Only the files of these apps; `*`, `?` and `[abc]` match any [default: all, and those that the master's own output goes to]
    #[arg(value_name = "APP")]
    pub apps: Vec<Name>,
}

/// One of a worker's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StreamArg {
    /// Its standard output.
    Out,
    /// Its standard error.
    Err,
}

/// A regular expression. Its own message has several lines, of which the last says what is wrong.
fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default();
        format!("it is not a regular expression: {}", reason.trim_start_matches("error: "))
    })
}
