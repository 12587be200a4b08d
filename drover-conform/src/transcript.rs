//! What was said on a connection, for people: direction, time, bytes, message.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many entries are kept: the last ones, which tell why a case failed. A burst of a thousand pings would hide them.
const KEPT: usize = 60;

/// How many bytes of each entry are shown.
const SHOWN: usize = 40;

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// The side that is played here.
    Drover,
    /// The side under test.
    Tested,
    /// Neither: what became of a process or a connection.
    Remark,
}

/// The log of a case, to which the connection and the stage write.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    transcript: Arc<Mutex<Transcript>>,
    since: Instant,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { transcript: Arc::default(), since: Instant::now() }
    }

    pub(crate) fn remark(&self, text: &str) {
        self.add(Who::Remark, &[], 0, text);
    }

    pub(crate) fn add(&self, who: Who, bytes: &[u8], length: usize, text: &str) {
        self.lock().add(self.since.elapsed(), who, bytes, length, text);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lock().lines()
    }

    fn lock(&self) -> MutexGuard<'_, Transcript> {
        self.transcript.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was said, oldest first.
#[derive(Debug, Default)]
struct Transcript {
    entries: VecDeque<String>,
    left_out: usize,
}

impl Transcript {
    /// Adds what was said `at` so long after the beginning. `bytes` is the beginning of `length` bytes.
    fn add(&mut self, at: Duration, who: Who, bytes: &[u8], length: usize, text: &str) {
        let arrow = match who {
            Who::Drover => "→",
            Who::Tested => "←",
            Who::Remark => "·",
        };
        let mut entry = format!("{:>8.3}s {arrow} {text}", at.as_secs_f64());
        if length > 0 {
            entry.push_str(&format!("   [{} bytes: {}]", length, hex(bytes, length)));
        }
        if self.entries.len() == KEPT {
            self.entries.pop_front();
            self.left_out += 1;
        }
        self.entries.push_back(entry);
    }

    /// A line for each entry.
    fn lines(&self) -> Vec<String> {
        let before = (self.left_out > 0).then(|| format!("           … {} entries before", self.left_out));
        before.into_iter().chain(self.entries.iter().cloned()).collect()
    }
}

fn hex(bytes: &[u8], length: usize) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let mut text = String::new();
    for (at, byte) in shown.iter().enumerate() {
        // The header of a frame stands apart.
        let gap = if at == 4 { " " } else { "" };
        text.push_str(&format!("{gap}{byte:02x}"));
    }
    if shown.len() < length {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_time_direction_message_and_the_first_bytes() {
        let mut transcript = Transcript::default();
        transcript.add(
            Duration::from_millis(1234),
            Who::Tested,
            &[0, 0, 0, 2, 0x10, 3],
            6,
            "Pong reply_to=3",
        );
        transcript.add(Duration::from_secs(2), Who::Remark, &[], 0, "it exited with code 0");
        assert_eq!(
            transcript.lines(),
            ["   1.234s ← Pong reply_to=3   [6 bytes: 00000002 1003]", "   2.000s · it exited with code 0"]
        );
    }

    #[test]
    fn bytes_and_entries_are_bounded_and_the_last_ones_stay() {
        let mut transcript = Transcript::default();
        for number in 0..1000 {
            transcript.add(Duration::ZERO, Who::Drover, &[0; 500], 100_000, &number.to_string());
        }
        let lines = transcript.lines();
        assert_eq!(lines.len(), KEPT + 1);
        assert_eq!(lines[0], "           … 940 entries before");
        assert!(lines[KEPT].contains("→ 999 ") && lines[KEPT].len() < 150, "{}", lines[KEPT]);
    }
}
