//! A line of a log file, read back.

use drover_proto::latest::{LogLine, OutputStream};
use serde::Deserialize;

use crate::args::Moment;

/// What the lines of a file are.
#[derive(Debug, Clone)]
pub(super) struct FileForm {
    pub app: String,
    /// Whose file it is; none: the app's.
    pub slot: Option<u32>,
    pub is_json: bool,
}

#[derive(Deserialize)]
struct JsonLine {
    slot: Option<u32>,
    generation: Option<u64>,
    worker: Option<u64>,
    pid: Option<u32>,
    stream: Option<String>,
    time_ms: u64,
    text: Option<String>,
    missed: Option<u64>,
}

impl FileForm {
    /// The line; what a line of text does not say of itself is that of the one before it. None: it is none of Drover's.
    pub(super) fn read(&self, line: &[u8], before: Option<&LogLine>) -> Option<LogLine> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if self.is_json { self.read_json(line) } else { self.read_text(line, before) }
    }

    fn read_json(&self, line: &[u8]) -> Option<LogLine> {
        let line: JsonLine = serde_json::from_slice(line).ok()?;
        let missed = line.missed.map(|count| format!("drover: {count} lines are missing here"));
        Some(LogLine {
            app: self.app.clone(),
            slot: line.slot.or(self.slot)?,
            stream: match line.stream.as_deref() {
                Some("stdout") => OutputStream::Stdout.into(),
                Some("stderr") => OutputStream::Stderr.into(),
                _ => OutputStream::Unspecified.into(),
            },
            time_ms: line.time_ms,
            text: line.text.or(missed)?.into_bytes(),
            generation: line.generation.unwrap_or(0),
            worker: line.worker.unwrap_or(0),
            pid: line.pid.unwrap_or(0),
        })
    }

    fn read_text(&self, line: &[u8], before: Option<&LogLine>) -> Option<LogLine> {
        let (time_ms, line) = match time(line) {
            Some((time_ms, rest)) => (time_ms, rest),
            None => (before?.time_ms, line),
        };
        let (slot, text) = match self.slot {
            Some(slot) => (slot, line),
            None => match self.owner(line) {
                Some(owned) => owned,
                None => (before?.slot, line),
            },
        };
        Some(LogLine { app: self.app.clone(), slot, time_ms, text: text.to_vec(), ..LogLine::default() })
    }

    /// `app/slot | ` before the rest.
    fn owner<'l>(&self, line: &'l [u8]) -> Option<(u32, &'l [u8])> {
        let rest = line.strip_prefix(self.app.as_bytes())?.strip_prefix(b"/")?;
        let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
        let (slot, rest) = rest.split_at(end);
        let slot = std::str::from_utf8(slot).ok()?.parse().ok()?;
        Some((slot, rest.strip_prefix(b" | ")?))
    }
}

/// `2026-03-01T09:30:00.000Z ` before the rest.
fn time(line: &[u8]) -> Option<(u64, &[u8])> {
    const LENGTH: usize = "2026-03-01T09:30:00.000Z".len();
    let (time, rest) = line.split_at_checked(LENGTH)?;
    match std::str::from_utf8(time).ok().filter(|time| time.ends_with('Z'))?.parse() {
        Ok(Moment::At(ms)) => Some((ms, rest.strip_prefix(b" ")?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-11-29T09:30:00.250Z";
    const MS: u64 = 1_795_944_600_250;

    #[test]
    fn a_line_of_text_is_read_as_it_was_written() {
        let of_app = FileForm { app: "web".into(), slot: None, is_json: false };
        let of_slot = FileForm { slot: Some(3), ..of_app.clone() };
        let line = |form: &FileForm, text: &str, before: Option<&LogLine>| {
            form.read(text.as_bytes(), before)
                .map(|line| (line.slot, line.time_ms, String::from_utf8(line.text).unwrap()))
        };
        let first = of_app.read(format!("{TIME} web/12 | one\n").as_bytes(), None).unwrap();
        for (form, text, before, expected) in [
            (&of_app, format!("{TIME} web/12 | one\n"), None, Some((12, MS, "one"))),
            (&of_app, format!("{TIME} web/12 | \n"), None, Some((12, MS, ""))),
            (&of_slot, format!("{TIME} web/12 | one\n"), None, Some((3, MS, "web/12 | one"))),
            (&of_slot, format!("{TIME} \n"), None, Some((3, MS, ""))),
            // From before the times, or torn by a full disk.
            (&of_app, "web/1 | one\n".to_owned(), None, None),
            (&of_app, "web/1 | one\n".to_owned(), Some(&first), Some((1, MS, "one"))),
            (&of_app, "drover: 4 lines".to_owned(), Some(&first), Some((12, MS, "drover: 4 lines"))),
            (&of_app, "2026-11-29 09:30 x".to_owned(), Some(&first), Some((12, MS, "2026-11-29 09:30 x"))),
        ] {
            let expected = expected.map(|(slot, time, text): (u32, u64, &str)| (slot, time, text.to_owned()));
            assert_eq!(line(form, &text, before), expected, "{text}");
        }
    }

    #[test]
    fn a_line_of_json_is_read_as_it_was_written() {
        let form = FileForm { app: "web".into(), slot: None, is_json: true };
        let told = LogLine {
            app: "web".into(),
            slot: 1,
            stream: OutputStream::Stderr.into(),
            time_ms: MS,
            text: "a \"quoted\" \u{1b}[1m größer".into(),
            generation: 2,
            worker: 9,
            pid: 4711,
        };
        assert_eq!(form.read(crate::output::json::log_line(&told).as_bytes(), None), Some(told));
        let missed = form.read(b"{\"app\":\"web\",\"slot\":2,\"time_ms\":7,\"missed\":3}\n", None).unwrap();
        assert_eq!((missed.slot, missed.text), (2, b"drover: 3 lines are missing here".to_vec()));
        assert_eq!(form.read(b"{\"app\":\"web\",\"slot\":2,\"ti", None), None);
    }
}
