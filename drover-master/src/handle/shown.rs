//! Messages to a program that does not take them itself: shown to people, as events.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drover_proto::latest::ErrorCode;
use tokio::time::Instant;

use super::EventLog;
use crate::bus::{Handler, Message};
use crate::machine::fleet::{EventKind, FleetEvent};
use crate::machine::phase::Phase;
use crate::machine::readable::Readable;

/// How much of a message is shown, in bytes. It is for people.
const SHOWN: usize = 1024;

/// How many are shown at once, and how often one more after that. The log of events is bounded: what an app says must not drive out
/// what happened to it.
const AT_ONCE: u32 = 100;
const EVERY: Duration = Duration::from_millis(100);

/// Shows each message as an event of its worker; what is too much is counted.
pub(crate) fn shown(app: Arc<str>, events: EventLog) -> Handler {
    let allowance = Mutex::new(Allowance { left: AT_ONCE, since: None, missed: 0 });
    Handler::new(move |mut message| {
        if let Some(responder) = message.responder() {
            let nobody = format!("nobody answers for {app}: what is sent here is only shown to people");
            return responder.refuse(ErrorCode::Failed, nobody);
        }
        let missed = allowance.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        if let Some(missed) = missed {
            let (topic, text) = (readable(message.topic().as_bytes()), readable(message.payload()));
            let kind = EventKind::Message { topic: topic.into(), text: text.into(), missed };
            events.publish(&app, event(&message, kind));
        }
    })
}

fn event(message: &Message<'_>, kind: EventKind) -> FleetEvent {
    // Most say something while they serve; what a phase is, its own events tell.
    FleetEvent { worker: Some((message.from(), None)), phase: Phase::Started, kind }
}

/// As a line: what is not text, and what would move a cursor, is escaped.
fn readable(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(SHOWN)];
    let mut text = String::new();
    for chunk in cut.utf8_chunks() {
        text.push_str(&Readable(chunk.valid()).to_string());
        text.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    if bytes.len() > SHOWN {
        text.push_str(&format!("… ({} bytes)", bytes.len()));
    }
    text
}

/// This many at once, and then one from time to time.
#[derive(Debug)]
struct Allowance {
    left: u32,
    /// Since when more may be added; None as long as it is whole.
    since: Option<Instant>,
    missed: u64,
}

impl Allowance {
    /// How many were missed since the last one that was let through; `None`: this one is missed too.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if let Some(since) = self.since {
            let more =
                u32::try_from(now.duration_since(since).as_millis() / EVERY.as_millis()).unwrap_or(AT_ONCE);
            self.left = self.left.saturating_add(more).min(AT_ONCE);
            self.since = (self.left < AT_ONCE).then(|| since + EVERY * more.min(AT_ONCE));
        }
        if self.left == 0 {
            self.missed += 1;
            return None;
        }
        self.left -= 1;
        self.since.get_or_insert(now);
        Some(std::mem::take(&mut self.missed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_escaped_and_what_is_long_is_cut() {
        assert_eq!(readable("größe\n\u{1b}[2J".as_bytes()), r"größe\n\u{1b}[2J");
        assert_eq!(readable(b"a\xff\x00b"), r"a\xff\u{0}b");
        let long = "x".repeat(SHOWN + 1);
        assert_eq!(readable(long.as_bytes()), format!("{}… (1025 bytes)", "x".repeat(SHOWN)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_shown_in_part_and_the_rest_is_counted() {
        let mut allowance = Allowance { left: AT_ONCE, since: None, missed: 0 };
        let mut shown =
            |count: u32| (0..count).filter_map(|_| allowance.take(Instant::now())).collect::<Vec<_>>();
        assert_eq!(shown(1000), [0; AT_ONCE as usize]);
        tokio::time::advance(EVERY * 2).await;
        // The first tells of those that were missed.
        assert_eq!(shown(1000), [900, 0]);
        tokio::time::advance(EVERY * 1000).await;
        let after_a_pause = shown(1000);
        assert_eq!((after_a_pause.len(), after_a_pause[0]), (AT_ONCE as usize, 998));
    }
}
