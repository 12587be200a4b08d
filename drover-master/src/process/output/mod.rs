//! What workers print: read from their pipes, cut into lines, handed to a sink; the last of stderr is kept as evidence, and
//! the last of all of it for those who ask a master with a control socket.
//!
//! Reading obeys the sink: if that is slow, the pipe fills and the worker waits in its `write(2)`, as it would on a slow
//! terminal. Supervision never waits for either.

mod aside;
mod awaited;
mod colours;
mod files;
mod forward;
mod journal;
mod lines;
mod log;
mod logfile;
mod lost;
mod prefix;
mod protected;
#[cfg(test)]
mod protected_tests;
mod queue;
mod queues;
mod reader;
mod rush;
mod sinks;
mod standing;
#[cfg(test)]
mod successor_tests;
mod tail;
mod tended;
mod transit;
mod writing;

pub(crate) use awaited::AwaitedText;
pub(crate) use files::{follow_files, remember_files};
pub use forward::{flush_output, keep_standing, say_aside, settle_output, write_output};
pub(crate) use forward::{protect_output, reopen_files};
#[cfg(feature = "file")]
pub(crate) use journal::journal_socket;
#[cfg(feature = "http")]
pub(crate) use log::LogCounts;
use log::WorkerLog;
pub(crate) use log::{AppLog, LogNext, LogStream, OutputLog, Piece, Printer};
pub(crate) use logfile::reopen_files_of;
#[cfg(feature = "http")]
pub(crate) use lost::{LostBy, lost_lines};
pub(crate) use reader::OutputReader;
pub(crate) use sinks::LogSinks;
pub(crate) use tail::Tail;
pub use tended::tend_output_files;
use transit::StreamPlace;
pub(crate) use transit::{OutputTransit, WorkerTransit};

use crate::config::{Colours, Line, Stream};
