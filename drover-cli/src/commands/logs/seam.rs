//! Where the lines that a master keeps begin, and those of its files end.

use std::collections::HashMap;

use drover_proto::latest::{LogLine, OutputStream};

/// The oldest kept lines of each slot. What a slot printed goes with its oldest first, so that everything later is kept too.
#[derive(Debug)]
pub(super) struct Seam {
    slots: HashMap<(String, u32), FirstKept>,
    /// When the master was asked: what a slot has printed since, of which nothing is kept, comes later.
    asked_ms: u64,
}

/// The kept lines with the oldest time of a slot.
#[derive(Debug)]
struct FirstKept {
    time_ms: u64,
    lines: Vec<(OutputStream, String)>,
}

impl Seam {
    pub(super) fn new(kept: &[LogLine], asked_ms: u64) -> Self {
        let mut slots: HashMap<_, FirstKept> = HashMap::new();
        for line in kept {
            let first = slots
                .entry((line.app.clone(), line.slot))
                .or_insert_with(|| FirstKept { time_ms: line.time_ms, lines: Vec::new() });
            if line.time_ms == first.time_ms {
                first.lines.push((line.stream(), said(line)));
            }
        }
        Self { slots, asked_ms }
    }

    /// Whether the kept lines of an app go back beyond this time. Without any nobody knows.
    pub(super) fn reaches(&self, app: &str, since_ms: u64) -> bool {
        let mut slots = self.slots.iter().filter(|((of, _), _)| of == app).peekable();
        slots.peek().is_some() && slots.all(|(_, first)| first.time_ms < since_ms)
    }

    /// Whether a line of a file is none that is kept. Each kept line is told from one of the file's.
    pub(super) fn is_before(&mut self, line: &LogLine) -> bool {
        let Some(first) = self.slots.get_mut(&(line.app.clone(), line.slot)) else {
            return line.time_ms < self.asked_ms;
        };
        if line.time_ms != first.time_ms {
            return line.time_ms < first.time_ms;
        }
        let (stream, text) = (line.stream(), said(line));
        let is_same = |(kept, said): &(OutputStream, String)| {
            *said == text && (stream == OutputStream::Unspecified || stream == *kept)
        };
        match first.lines.iter().position(is_same) {
            Some(at) => {
                first.lines.swap_remove(at);
                false
            }
            None => true,
        }
    }
}

/// As JSON has it, in a file too.
fn said(line: &LogLine) -> String {
    String::from_utf8_lossy(&line.text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(slot: u32, time_ms: u64, text: &[u8]) -> LogLine {
        let stream = OutputStream::Stdout.into();
        LogLine { app: "web".into(), slot, stream, time_ms, text: text.to_vec(), ..LogLine::default() }
    }

    #[test]
    fn each_line_is_taken_once_from_the_file_or_from_what_is_kept() {
        // Of three lines at 20 the first is forgotten.
        let kept = [line(0, 20, b"same"), line(0, 20, b"\xff"), line(0, 30, b"same"), line(1, 25, b"other")];
        let mut seam = Seam::new(&kept, 100);
        for (of_file, is_before) in [
            (line(0, 10, b"same"), true),
            (line(0, 20, b"forgotten"), true),
            (line(0, 20, b"same"), false),
            (line(0, 20, "\u{fffd}".as_bytes()), false),
            (line(0, 30, b"same"), false),
            (line(0, 40, b"after the question"), false),
            (line(1, 20, b"same"), true),
            (line(1, 25, b"other"), false),
            (line(2, 99, b"of a slot of which nothing is kept"), true),
            (line(2, 100, b"after the question"), false),
        ] {
            assert_eq!(seam.is_before(&of_file), is_before, "{of_file:?}");
        }
        // A file of text does not say the stream.
        let mut seam = Seam::new(&kept, 100);
        assert!(!seam.is_before(&LogLine { stream: 0, ..line(0, 20, b"same") }));
        assert!(seam.is_before(&LogLine { stream: 0, ..line(0, 20, b"same") }), "another one");
        assert!(seam.reaches("web", 26) && !seam.reaches("web", 25) && !seam.reaches("db", 26));
    }
}
