//! Where lines go.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

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
    pub slot: u32,
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
