//! Lines as they stand in a file.

use std::io::{BufRead as _, Write as _};
use std::time::SystemTime;

use super::super::queue::LogEntry;
use crate::config::{LogFormat, LogOwner, LogPolicy, Stream};
use crate::ids::SlotIndex;

/// Whether lines stand there just as they were printed.
pub(super) fn is_plain(wish: &LogPolicy) -> bool {
    wish.format == LogFormat::Text && wish.per == LogOwner::Worker && !wish.timestamps
}

/// Lines that were read at once.
pub(super) fn entry(wish: &LogPolicy, app: &str, entry: &LogEntry, into: &mut Vec<u8>) {
    if is_plain(wish) {
        return into.extend_from_slice(&entry.text);
    }
    let before = match wish.format {
        LogFormat::Text => before(wish, app, entry.from.slot, entry.time),
        LogFormat::Json => {
            let from = entry.from;
            format!(
                "{{\"app\":\"{app}\",\"slot\":{},\"generation\":{},\"worker\":{},\"pid\":{},\"stream\":\"{}\",\"time_ms\":{},\"text\":\"",
                from.slot.0,
                from.generation.0,
                from.worker.0,
                from.pid,
                match entry.stream {
                    Stream::Stdout => "stdout",
                    Stream::Stderr => "stderr",
                },
                ms(entry.time),
            )
        }
    };
    let mut rest = &*entry.text;
    while !rest.is_empty() {
        into.extend_from_slice(before.as_bytes());
        match wish.format {
            // The standard library looks for the end at many bytes at once.
            LogFormat::Text => {
                rest.read_until(b'\n', into).expect("a slice can be read");
            }
            LogFormat::Json => {
                let mut line = Vec::new();
                rest.read_until(b'\n', &mut line).expect("a slice can be read");
                escape(line.strip_suffix(b"\n").unwrap_or(&line), into);
                into.extend_from_slice(b"\"}\n");
            }
        }
    }
}

/// A line that stands for lines of a slot that are missing.
pub(super) fn lost(
    wish: &LogPolicy,
    app: &str,
    slot: SlotIndex,
    count: u64,
    time: SystemTime,
    into: &mut Vec<u8>,
) {
    match wish.format {
        LogFormat::Text => {
            into.extend_from_slice(before(wish, app, slot, time).as_bytes());
            let said =
                format!("drover: {count} lines are missing here: the disk did not take them in time\n");
            into.extend_from_slice(said.as_bytes());
        }
        LogFormat::Json => {
            let slot = slot.0;
            let said = format!(
                "{{\"app\":\"{app}\",\"slot\":{slot},\"time_ms\":{},\"missed\":{count}}}\n",
                ms(time)
            );
            into.extend_from_slice(said.as_bytes());
        }
    }
}

/// A line that stands for lines that the file itself did not take.
pub(super) fn not_taken(wish: &LogPolicy, count: u64, time: SystemTime) -> String {
    match wish.format {
        LogFormat::Text => {
            format!("drover: {count} lines are missing here: this file could not be written\n")
        }
        LogFormat::Json => format!("{{\"time_ms\":{},\"missed\":{count}}}\n", ms(time)),
    }
}

/// What stands before a line of text.
fn before(wish: &LogPolicy, app: &str, slot: SlotIndex, time: SystemTime) -> String {
    let mut before = String::new();
    if wish.timestamps {
        before = timestamp(ms(time));
        before.push(' ');
    }
    if wish.per == LogOwner::App {
        before.push_str(&format!("{app}/{} | ", slot.0));
    }
    before
}

fn ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ` (RFC 3339); the date as Hinnant has it, `civil_from_days`.
pub(in crate::process::output) fn timestamp(time_ms: u64) -> String {
    let (ms, seconds) = (time_ms % 1000, time_ms / 1000);
    let days = time_ms / 86_400_000 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// As the text of a JSON string. What is not UTF-8 becomes U+FFFD.
fn escape(bytes: &[u8], into: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid().as_bytes();
        while let Some(at) = rest.iter().position(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\')) {
            into.extend_from_slice(&rest[..at]);
            match rest[at] {
                byte @ (b'"' | b'\\') => into.extend_from_slice(&[b'\\', byte]),
                b'\t' => into.extend_from_slice(b"\\t"),
                b'\r' => into.extend_from_slice(b"\\r"),
                byte => write!(into, "\\u{byte:04x}").expect("a Vec takes everything"),
            }
            rest = &rest[at + 1..];
        }
        into.extend_from_slice(rest);
        if !chunk.invalid().is_empty() {
            into.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}
