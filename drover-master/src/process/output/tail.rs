//! The last lines of stderr: the evidence that goes with an exit.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::Piece;

/// How much of a line, in bytes. A line is for reading; with [`Tail::LINES`] it bounds an exit's evidence to some 8 KiB.
const LINE_LEN: usize = 400;

/// How much of a begun line is kept as it came: a character more than is shown, so that none is cut in two, and so that what
/// is longer can be told.
const BEGUN_LEN: usize = LINE_LEN + 4;

/// The last lines, shared by the reader and who waits for the exit.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    kept: Mutex<TailLines>,
}

#[derive(Debug, Default)]
struct TailLines {
    lines: VecDeque<String>,
    begun: Vec<u8>,
}

impl Tail {
    /// How many lines. Enough for the end of a backtrace.
    pub(crate) const LINES: usize = 20;

    /// Takes what an earlier master has read.
    pub(crate) fn begin_with(&self, pieces: &[Arc<Piece>]) {
        for line in pieces.iter().flat_map(|piece| piece.lines()) {
            self.feed(line);
            self.feed(b"\n");
        }
    }

    /// Takes what was printed next.
    pub(crate) fn feed(&self, mut bytes: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // What would be pushed out at once is not looked at.
        let mut ends = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
        if let Some((end, _)) = ends.nth(Self::LINES) {
            kept.begun.clear();
            bytes = &bytes[end + 1..];
        }
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            kept.begin(&bytes[..end]);
            kept.end();
            bytes = &bytes[end + 1..];
        }
        kept.begin(bytes);
    }

    /// The lines so far, oldest first. A line whose end has not come is one of them: it may never come, as when a process that
    /// the worker left behind holds the pipe.
    pub(crate) fn lines(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = (!kept.begun.is_empty()).then(|| text(&kept.begun));
        let too_many = (kept.lines.len() + usize::from(begun.is_some())).saturating_sub(Self::LINES);
        kept.lines.iter().skip(too_many).cloned().chain(begun).collect()
    }
}

impl TailLines {
    fn begin(&mut self, bytes: &[u8]) {
        let room = BEGUN_LEN - self.begun.len();
        self.begun.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end(&mut self) {
        if self.lines.len() == Tail::LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(text(&self.begun));
        self.begun.clear();
    }
}

/// At most [`LINE_LEN`] bytes and a mark. Cut after decoding: a byte that is not UTF-8 becomes a character of three.
fn text(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    if line.len() <= LINE_LEN {
        return line.into_owned();
    }
    let end = (0..=LINE_LEN).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", &line[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept_and_long_ones_are_cut() {
        let tail = Tail::default();
        tail.feed("x".repeat(LINE_LEN).as_bytes());
        tail.feed(b"\n");
        assert_eq!(tail.lines(), ["x".repeat(LINE_LEN)]);
        tail.feed("y".repeat(LINE_LEN + 1).as_bytes());
        tail.feed(b"\n");
        assert_eq!(tail.lines()[1], "y".repeat(LINE_LEN) + "…");
        for number in 0..Tail::LINES {
            tail.feed(format!("{number}\n").as_bytes());
        }
        assert_eq!(tail.lines().len(), Tail::LINES);
        assert_eq!(tail.lines()[0], "0");
    }

    #[test]
    fn a_line_of_what_is_no_text_is_not_longer_than_others() {
        let tail = Tail::default();
        for _ in 0..Tail::LINES {
            tail.feed(&[0xff; 64 * 1024]);
            tail.feed(b"\n");
        }
        assert!(tail.lines().iter().all(|line| line.len() <= LINE_LEN + "…".len() && line.ends_with('…')));
    }

    #[test]
    fn a_long_line_is_not_cut_within_a_character() {
        for character in ["é", "→", "🐑"] {
            for before in 0..4 {
                let tail = Tail::default();
                let line = "x".repeat(before) + &character.repeat(LINE_LEN);
                line.as_bytes().chunks(7).for_each(|piece| tail.feed(piece));
                let shown = &tail.lines()[0];
                assert!(line.starts_with(shown.strip_suffix('…').unwrap()), "{shown}");
            }
        }
    }

    #[test]
    fn a_line_whose_end_has_not_come_is_the_last_of_the_tail() {
        let tail = Tail::default();
        tail.feed(b"first\nlast wo");
        assert_eq!(tail.lines(), ["first", "last wo"]);
        tail.feed(b"rds");
        assert_eq!(tail.lines(), ["first", "last words"]);
        (0..Tail::LINES).for_each(|_| tail.feed(b"\n"));
        tail.feed(b"more");
        assert_eq!(tail.lines().len(), Tail::LINES);
        assert_eq!(tail.lines()[Tail::LINES - 1], "more");
    }
}
