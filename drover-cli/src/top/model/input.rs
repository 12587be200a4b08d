//! What comes in, and what is to be done about it.

use std::collections::HashMap;

use drover_proto::latest::{DescribeReply, Event, LogLine, StatusReply};

use super::key::Key;
use super::order::Order;

/// What has happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// The master told what there is.
    Status(StatusReply),
    /// Something happened.
    Event(Box<Event>),
    /// The master had let go of that many events before they were read.
    EventsMissed(u64),
    /// A worker printed a line. It comes from the following with this number; lines of earlier ones are not wanted any more.
    Line(u64, LogLine),
    /// Lines were lost to this following.
    LinesMissed(u64, u64),
    /// Lines are followed anew, under this number.
    LinesBegin(u64),
    /// What processes use, by pid.
    Used(HashMap<u32, Use>),
    /// The past of a worker, which was asked for by this name.
    Evidence(String, DescribeReply),
    /// What came of an order, or of a question.
    Told(String),
    /// The master is gone.
    Lost(String),
    /// It is there again.
    Found,
    /// A key was pressed.
    Pressed(Key),
    /// The terminal has this many columns and rows.
    Resized(u16, u16),
    /// Nothing but time passed.
    TimePassed,
}

/// The time at which it happened, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    /// Of a clock that is never set.
    pub(crate) steady: u64,
    /// Since 1970.
    pub(crate) wall: u64,
}

/// What a process uses: the part of a CPU in percent, and bytes of memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Use {
    pub(crate) cpu: f64,
    pub(crate) memory: u64,
}

/// What a key asks of the program around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Ask the master for this.
    Carry(Order),
    /// Leave.
    Quit,
    /// Give the terminal back until the shell continues this program.
    Pause,
    /// Draw all of it again.
    Repaint,
}

/// What is shown, and so has to be known. Each is asked for when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    /// Whose lines are followed; empty for all.
    pub(crate) lines: Option<String>,
    /// Whose past is shown, and what tells that it has changed: the worker's id and restarts.
    pub(crate) evidence: Option<(String, u64, u64)>,
    /// Whether the last status is older than what has happened since.
    pub(crate) status: bool,
    /// Whether a number is shown that no event tells.
    pub(crate) in_flight: bool,
}
