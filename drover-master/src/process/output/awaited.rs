//! A text that a worker is to print: how a program that knows nothing of a master tells that it is ready.

use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::lines::LineBlock;
use super::{Stream, Tail};
use crate::config::Colours;

/// How many of the lines that had not the text in them are told.
const TOLD: usize = 3;

/// Listens for a text in the lines of one worker, until somebody has printed it.
#[derive(Debug)]
pub(crate) struct AwaitedText {
    text: String,
    heard: Mutex<Heard>,
    found: Notify,
    other: Notify,
}

#[derive(Debug, Default)]
struct Heard {
    is_found: bool,
    /// The end of a line of which more is to come, by stream: the text may begin in it. Where nothing more comes but the line's end,
    /// nothing is handed on, so that the next line counts as the rest of this one.
    begun: [String; 2],
    /// The last lines, of both streams.
    last: Tail,
}

impl AwaitedText {
    pub(crate) fn new(text: String) -> Self {
        Self { text, heard: Mutex::default(), found: Notify::new(), other: Notify::new() }
    }

    /// Takes the next lines of a stream, or a part of one.
    pub(super) fn hear(&self, stream: Stream, block: &LineBlock) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.is_found {
            return;
        }
        for line in block.lines() {
            let line = Colours::Stripped.line(line);
            let begun = mem::take(&mut heard.begun[stream as usize]);
            let whole = begun + &String::from_utf8_lossy(&line);
            if whole.contains(&self.text) {
                *heard = Heard { is_found: true, ..Heard::default() };
                drop(heard);
                return self.found.notify_one();
            }
            heard.last.feed(&line);
            if block.goes_on {
                let from = whole.len().saturating_sub(self.text.len());
                let from = (from..=whole.len()).find(|at| whole.is_char_boundary(*at)).unwrap_or(from);
                heard.begun[stream as usize] = whole[from..].to_owned();
            } else {
                heard.last.feed(b"\n");
            }
        }
        drop(heard);
        self.other.notify_one();
    }

    /// Whether the text has come; otherwise what came instead.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.is_found {
            return Ok(());
        }
        let lines = heard.last.lines();
        let awaited = format!("it has printed no line with {:?} in it", self.text);
        match &lines[lines.len().saturating_sub(TOLD)..] {
            [] => Err(format!("{awaited}, and nothing else")),
            [line] => Err(format!("{awaited}; its last line: {line}")),
            last => Err(format!("{awaited}; its last lines: {}", last.join(" | "))),
        }
    }

    /// Resolves when the text has come, or some time after another line.
    pub(crate) async fn until_heard(&self, pause: Duration) {
        tokio::select! {
            () = self.found.notified() => return,
            () = self.other.notified() => {}
        }
        let _ = timeout(pause, self.found.notified()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::Lines;
    use super::*;

    /// A stream, cut where there are silences.
    fn verdict(text: &str, printed: &[(Stream, &[&str])]) -> Result<(), String> {
        let awaited = AwaitedText::new(text.to_owned());
        for (stream, pieces) in printed {
            let mut lines = Lines::default();
            for piece in *pieces {
                lines.feed(&bytes::Bytes::copy_from_slice(piece.as_bytes()), |block| {
                    awaited.hear(*stream, &block)
                });
                lines.pause(|block| awaited.hear(*stream, &block));
            }
        }
        awaited.verdict()
    }

    #[test]
    fn a_text_is_found_within_a_line_of_either_stream_and_across_colours_and_silences() {
        for pieces in [
            &["listening on 80\n"][..],
            &["a\nb\n1: listening on 80\nc\n"],
            &["no end of line: listening on"],
            &["\x1b[32mlistening \x1b[1mon\x1b[0m 80\n"],
            &["\x1b[2K\rlistening on 80\r\n"],
            &["lis", "tening", " o", "n 80"],
            &["größer list", "ening on"],
            &["listening ", "listening on"],
        ] {
            for stream in [Stream::Stdout, Stream::Stderr] {
                assert_eq!(verdict("listening on", &[(stream, pieces)]), Ok(()), "{pieces:?}");
            }
        }
    }

    #[test]
    fn a_text_that_does_not_come_is_told_with_the_last_lines() {
        let none = "it has printed no line with \"listening on\" in it";
        for (pieces, told) in [
            (&[][..], ", and nothing else"),
            (&["Listening on 80\n"], "; its last line: Listening on 80"),
            (&["listening\n on\n"], "; its last lines: listening |  on"),
            (&["1\n2\n3\n\x1b[31m4\nwait", "ing"], "; its last lines: 3 | 4 | waiting"),
        ] {
            let verdict = verdict("listening on", &[(Stream::Stderr, pieces)]);
            assert_eq!(verdict, Err(format!("{none}{told}")), "{pieces:?}");
        }
        let parts = [(Stream::Stdout, &["listening "][..]), (Stream::Stderr, &["on\n"])];
        assert!(verdict("listening on", &parts).is_err(), "of two streams");
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_the_text_at_once() {
        let awaited = std::sync::Arc::new(AwaitedText::new("ready".to_owned()));
        let waiting = tokio::spawn({
            let awaited = std::sync::Arc::clone(&awaited);
            async move { awaited.until_heard(Duration::from_secs(600)).await }
        });
        for line in ["not yet", "ready"] {
            tokio::task::yield_now().await;
            awaited.hear(Stream::Stdout, &LineBlock::whole(line.as_bytes()));
        }
        timeout(Duration::from_secs(60), waiting).await.expect("it does not wait out its pause").unwrap();
        assert_eq!(awaited.verdict(), Ok(()));
    }
}
