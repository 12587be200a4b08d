//! The last lines of stderr: the evidence that goes with an exit.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many lines. Enough for the end of a backtrace.
const LINES: usize = 20;

/// How much of a line, in bytes. A line is for reading; with [`LINES`] it bounds an exit's evidence to some 8 KiB.
const LINE_LEN: usize = 400;

/// The last lines, shared by the reader and who waits for the exit.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    lines: Mutex<VecDeque<String>>,
}

impl Tail {
    /// Adds a line, and forgets the oldest if there are too many.
    pub(crate) fn push(&self, line: &[u8]) {
        let cut = &line[..line.len().min(LINE_LEN)];
        let mut text = String::from_utf8_lossy(cut).into_owned();
        if cut.len() < line.len() {
            text.push('…');
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(text);
    }

    /// The lines so far, oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept_and_long_ones_are_cut() {
        let tail = Tail::default();
        tail.push("x".repeat(LINE_LEN + 1).as_bytes());
        assert_eq!(tail.lines()[0].chars().count(), LINE_LEN + 1);
        assert!(tail.lines()[0].ends_with('…'));
        for number in 0..LINES {
            tail.push(number.to_string().as_bytes());
        }
        assert_eq!(tail.lines().len(), LINES);
        assert_eq!(tail.lines()[0], "0");
    }
}
