//! Entries as the journal's native protocol has them: fields, each `NAME=value` and a line's end; or, if that would not do, the name, a
//! line's end, the length in 64 bits, the value, and a line's end (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).

use std::fmt::Display;
use std::io::Write as _;

use super::super::{Printer, Stream};

/// Priorities of syslog(3): an error, a warning, and what is worth knowing. Lines of stderr are errors, as they are for podman and
/// Docker.
const ERROR: u8 = 3;
const WARNING: u8 = 4;
const INFORMATION: u8 = 6;

/// A line that a worker has printed.
pub(super) fn line(app: &str, from: Printer, stream: Stream, line: &[u8], into: &mut Vec<u8>) {
    let (priority, message) = with_priority(stream, line);
    into.clear();
    field("MESSAGE", message, into);
    number("PRIORITY", priority, into);
    field("SYSLOG_IDENTIFIER", app.as_bytes(), into);
    field("DROVER_APP", app.as_bytes(), into);
    number("DROVER_SLOT", from.slot.0, into);
    number("DROVER_GENERATION", from.generation.0, into);
    number("DROVER_WORKER_ID", from.worker.0, into);
    number("DROVER_PID", from.pid, into);
    let name: &[u8] = match stream {
        Stream::Stdout => b"stdout",
        Stream::Stderr => b"stderr",
    };
    field("DROVER_STREAM", name, into);
}

/// An entry that stands for lines of an app that are missing.
pub(super) fn missing(app: &str, count: u64, into: &mut Vec<u8>) {
    let said = format!("drover: {count} lines are missing here: the journal did not take them in time");
    into.clear();
    field("MESSAGE", said.as_bytes(), into);
    number("PRIORITY", WARNING, into);
    field("SYSLOG_IDENTIFIER", app.as_bytes(), into);
    field("DROVER_APP", app.as_bytes(), into);
    number("DROVER_MISSED", count, into);
}

/// What a line is worth, and the line without what says so: a program may write `<N>` before it (sd-daemon(3)).
fn with_priority(stream: Stream, line: &[u8]) -> (u8, &[u8]) {
    match line {
        [b'<', digit @ b'0'..=b'7', b'>', message @ ..] => (digit - b'0', message),
        _ if stream == Stream::Stderr => (ERROR, line),
        _ => (INFORMATION, line),
    }
}

fn field(name: &str, value: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(name.as_bytes());
    if value.iter().all(|byte| *byte >= b' ' || *byte == b'\t') {
        into.push(b'=');
    } else {
        into.push(b'\n');
        into.extend_from_slice(&(value.len() as u64).to_le_bytes());
    }
    into.extend_from_slice(value);
    into.push(b'\n');
}

fn number(name: &str, value: impl Display, into: &mut Vec<u8>) {
    writeln!(into, "{name}={value}").expect("a Vec takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Generation, SlotIndex, WorkerId};

    const FROM: Printer =
        Printer { slot: SlotIndex(3), generation: Generation(2), worker: WorkerId(9), pid: 4711 };

    fn encoded(stream: Stream, said: &[u8]) -> Vec<u8> {
        // What was in the buffer before is gone.
        let mut into = b"before".to_vec();
        line("web", FROM, stream, said, &mut into);
        into
    }

    #[test]
    fn a_line_has_its_fields_and_its_priority() {
        let rest = |stream: &str| {
            format!(
                "SYSLOG_IDENTIFIER=web\nDROVER_APP=web\nDROVER_SLOT=3\nDROVER_GENERATION=2\nDROVER_WORKER_ID=9\nDROVER_PID=4711\nDROVER_STREAM={stream}\n"
            )
        };
        for (stream, said, message, priority) in [
            (Stream::Stdout, "listening", "listening", 6),
            (Stream::Stderr, "no cache", "no cache", 3),
            (Stream::Stdout, "", "", 6),
            (Stream::Stdout, "a\ttab, größer = so", "a\ttab, größer = so", 6),
            (Stream::Stdout, "<0>on fire", "on fire", 0),
            (Stream::Stderr, "<7> detail", " detail", 7),
            (Stream::Stderr, "<4>", "", 4),
            // None of these is a priority, as sd-daemon(3) has them.
            (Stream::Stderr, "<8>eight", "<8>eight", 3),
            (Stream::Stdout, "<p>a tag", "<p>a tag", 6),
            (Stream::Stdout, "<16>facility", "<16>facility", 6),
            (Stream::Stdout, " <3>later", " <3>later", 6),
            (Stream::Stdout, "<3", "<3", 6),
        ] {
            let name = if stream == Stream::Stdout { "stdout" } else { "stderr" };
            let expected = format!("MESSAGE={message}\nPRIORITY={priority}\n{}", rest(name));
            assert_eq!(String::from_utf8(encoded(stream, said.as_bytes())).unwrap(), expected, "{said:?}");
        }
    }

    #[test]
    fn a_value_with_control_bytes_comes_with_its_length() {
        for said in [&b"\x1b[1mbold"[..], b"of Windows\r", b"nul\0", b"two\nlines"] {
            let length = u8::try_from(said.len()).unwrap();
            let expected =
                [b"MESSAGE\n", &[length, 0, 0, 0, 0, 0, 0, 0][..], said, b"\nPRIORITY=6\n"].concat();
            assert!(encoded(Stream::Stdout, said).starts_with(&expected), "{said:?}");
        }
        // What is not UTF-8 does no harm.
        assert!(encoded(Stream::Stdout, b"\xff").starts_with(b"MESSAGE=\xff\nPRIORITY=6\n"));
    }

    #[test]
    fn what_is_missing_is_a_warning_of_its_app() {
        let mut into = Vec::new();
        missing("web", 5, &mut into);
        let said = "drover: 5 lines are missing here: the journal did not take them in time";
        let expected =
            format!("MESSAGE={said}\nPRIORITY=4\nSYSLOG_IDENTIFIER=web\nDROVER_APP=web\nDROVER_MISSED=5\n");
        assert_eq!(String::from_utf8(into).unwrap(), expected);
    }
}
