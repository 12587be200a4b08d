//! The line that stands below all others at a terminal and is written again and again: what is under way. Only the thread that
//! writes the others writes it too, so each of them is whole and stands above it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Stream;

/// Takes it away (ECMA-48 ED). The cursor waits at its first column, also where a window that became narrower has wrapped it; whatever
/// else is from there on is the rest of it.
const ERASE: &str = "\r\x1b[J";

/// How often it is written at most: faster than anybody reads, and slow enough for a line over ssh.
const EACH: Duration = Duration::from_millis(100);

/// What is to stand there, and what does. The lock is held for a comparison, never for a write.
#[derive(Debug)]
pub(super) struct StandingLine(Mutex<StandingText>);

#[derive(Debug)]
struct StandingText {
    wanted: Option<String>,
    shown: Option<String>,
    /// Whether the writer knows that they differ.
    is_woken: bool,
}

impl StandingLine {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(StandingText { wanted: None, shown: None, is_woken: false }))
    }

    /// Says what is to stand there; none: nothing. `wake` tells the writer, if it can.
    pub(super) fn want(&self, line: Option<String>, wake: impl FnOnce() -> bool) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.wanted = line;
        if lines.wanted != lines.shown && !lines.is_woken {
            lines.is_woken = wake();
        }
    }
}

/// How far the thread that writes is.
#[derive(Debug, Default)]
pub(super) struct StandingWriter {
    at: Option<Instant>,
    /// Whether the last line of stdout has begun, and of stderr: nothing stands below half a line.
    begun: [bool; 2],
}

impl StandingWriter {
    /// What has to be written to stderr before these bytes go to a stream.
    pub(super) fn before(&mut self, line: &StandingLine, stream: Stream, bytes: &[u8]) -> &'static [u8] {
        let Some(last) = bytes.last() else { return b"" };
        self.begun[stream as usize] = *last != b'\n';
        let mut lines = line.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.shown.take().is_some() { ERASE.as_bytes() } else { b"" }
    }

    /// What has to be written to stderr once nothing else is: the line, if it has changed or made room, and not too soon. Then whoever
    /// wants it says so again.
    pub(super) fn after(&mut self, line: &StandingLine, now: Instant) -> Option<Vec<u8>> {
        let mut lines = line.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.is_woken = false;
        if lines.wanted == lines.shown {
            return None;
        }
        let Some(wanted) = lines.wanted.clone() else {
            lines.shown = None;
            return Some(ERASE.into());
        };
        let is_soon = self.at.is_some_and(|at| now.saturating_duration_since(at) < EACH);
        if is_soon || self.begun.contains(&true) {
            return None;
        }
        self.at = Some(now);
        // What was there is written over, and the rest of it erased: nothing flickers.
        let text = format!("\r{wanted}\x1b[J\r");
        lines.shown = Some(wanted);
        Some(text.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_makes_room_for_every_line_and_is_written_on_a_change_and_ten_times_a_second_at_most() {
        let (line, mut writer, start) = (StandingLine::new(), StandingWriter::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8(bytes).unwrap());
        let woken = |wanted: Option<&str>| {
            let mut is_woken = false;
            line.want(wanted.map(str::to_owned), || {
                is_woken = true;
                true
            });
            is_woken
        };
        assert!(!woken(None), "nothing was there");
        assert!(woken(Some("1/2")));
        assert!(!woken(Some("1/3")), "the writer is told once");
        assert_eq!(text(writer.after(&line, at(0))).as_deref(), Some("\r1/3\x1b[J\r"));
        assert!(!woken(Some("1/3")), "it stands there");
        // A line of a worker, which has begun.
        assert_eq!(writer.before(&line, Stream::Stdout, b"one\ntw"), ERASE.as_bytes());
        assert!(woken(Some("1/3")));
        assert_eq!(writer.after(&line, at(200)), None);
        assert_eq!(writer.before(&line, Stream::Stdout, b"o\n"), b"");
        assert_eq!(text(writer.after(&line, at(210))).as_deref(), Some("\r1/3\x1b[J\r"));
        assert!(woken(Some("2/3")));
        assert_eq!(writer.after(&line, at(309)), None, "too soon");
        assert!(woken(Some("2/3")));
        assert_eq!(text(writer.after(&line, at(310))).as_deref(), Some("\r2/3\x1b[J\r"));
        assert_eq!(writer.before(&line, Stream::Stderr, b""), b"");
        // Its end is never too soon.
        assert!(woken(None));
        assert_eq!(text(writer.after(&line, at(311))).as_deref(), Some(ERASE));
        assert_eq!(writer.after(&line, at(500)), None);
    }
}
