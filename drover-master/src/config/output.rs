//! Where the output of workers goes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::ids::SlotIndex;
use crate::written::Written;

/// Where the standard output and error of workers go.
///
/// The last lines of stderr are kept as evidence in every case but [`Inherit`](Self::Inherit).
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Output {
    /// To the master's own stdout and stderr, as it is.
    Forward,
    /// To the master's own stdout and stderr, each line with `app/slot | ` before it.
    Prefixed {
        /// Whether the prefix is coloured, and what becomes of the colours of workers.
        colours: Colours,
    },
    /// Workers write to the master's own descriptors themselves. Nothing is kept.
    Inherit,
    /// Nowhere.
    Discard,
    /// To a sink of the program's own, line by line.
    Sink(#[serde(with = "crate::written")] Arc<dyn OutputSink>),
}

/// Whether what is shown has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Colours {
    /// What stands before a line is coloured, and workers may colour their lines: for a terminal. Other control characters are shown
    /// as `^[`.
    Shown,
    /// Nothing is coloured but what workers colour: for a file or a pipe.
    #[default]
    Kept,
    /// Those of workers are taken away too.
    Stripped,
}

/// Which of a worker's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line of a worker; or a part of one, because it is longer than 256 KiB (where many workers write such at once, 16 KiB) or because the
/// worker has been silent within it for a second.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Line<'a> {
    /// The app.
    pub app: &'a str,
    /// The worker's slot.
    pub slot: SlotIndex,
    /// The stream.
    pub stream: Stream,
    /// The bytes, without the line's end. Not necessarily UTF-8.
    pub bytes: &'a [u8],
    /// Whether it is a part of a line whose end is yet to come. No character of UTF-8 is cut in two.
    pub goes_on: bool,
}

/// Takes the lines of workers.
pub trait OutputSink: fmt::Debug + Send + Sync {
    /// Takes one line. The future may wait, and the worker's output waits with it; supervision does not.
    fn take<'a>(&'a self, line: Line<'a>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// It is a part of the program that no other process has.
impl Written for Arc<dyn OutputSink> {
    type Form = ();

    fn form(&self) {}

    fn of_form((): ()) -> Result<Self, String> {
        Err("a sink for output is a part of the program that made it".to_owned())
    }
}
