//! What the master itself says on stderr without waiting: traces, remarks, the message of a panic. Whoever says it may be the
//! runtime's thread, which must not wait for a terminal; so it goes into a buffer, and the thread that writes empties that.

use std::sync::{Mutex, PoisonError};

/// How many bytes may wait to be written. A start of a thousand workers with every trace is a quarter of it, and a terminal
/// shows such a burst in a second.
const WAITING: usize = 1024 * 1024;

/// The buffer. Its lock is held for a copy in memory, never for a write.
#[derive(Debug)]
pub(super) struct Aside(Mutex<WaitingText>);

#[derive(Debug)]
struct WaitingText {
    bytes: Vec<u8>,
    /// How many texts found no room.
    lost: u64,
    /// Whether the writer knows that there is something.
    is_woken: bool,
}

impl Aside {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(WaitingText { bytes: Vec::new(), lost: 0, is_woken: false }))
    }

    /// Keeps a text until it is written; one for which there is no room is counted. `wake` tells the writer, if it can.
    pub(super) fn keep(&self, text: &[u8], wake: impl FnOnce() -> bool) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.bytes.len() + text.len() > WAITING {
            held.lost = held.lost.saturating_add(1);
        } else {
            held.bytes.extend_from_slice(text);
        }
        if !held.is_woken {
            held.is_woken = wake();
        }
    }

    /// All that waits, and a line about what is missing.
    pub(super) fn take(&self) -> Vec<u8> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.is_woken = false;
        let mut bytes = std::mem::take(&mut held.bytes);
        if held.lost > 0 {
            let lost = std::mem::take(&mut held.lost);
            let line = format!("drover: {lost} lines are missing here: stderr did not take them in time\n");
            bytes.extend_from_slice(line.as_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_waits_up_to_a_bound_and_what_is_lost_is_counted_where_it_is_missing() {
        let aside = Aside::new();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        let mut woken = 0;
        for _ in 0..WAITING / line.len() + 3 {
            aside.keep(&line, || {
                woken += 1;
                true
            });
        }
        assert_eq!(woken, 1, "the writer is told once");
        let bytes = aside.take();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.lines().count(), WAITING / line.len() + 1);
        assert!(text.ends_with("drover: 3 lines are missing here: stderr did not take them in time\n"));
        aside.keep(b"after\n", || false);
        // A writer that could not be told is told with the next text.
        aside.keep(b"that\n", || true);
        assert_eq!(aside.take(), b"after\nthat\n");
        assert!(aside.take().is_empty());
    }
}
