//! Reads the pipes of one worker until both end.

use std::io;
use std::iter;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::net::unix::pipe;

use super::forward::{PIECE, write_output};
use super::lines::Lines;
use super::prefix::prefix;
use super::{Line, OutputLog, Printer, Stream, Tail};
use crate::config::Output;
use crate::machine::ids::{SlotIndex, WorkerId};

/// How much is read at once: the size of a pipe's buffer (`pipe(7)`). It lives only while there is something to read.
const READ: usize = PIECE;

/// How much of it is cut into lines at once. Empty lines with their prefixes take a hundred times the memory of what was
/// read, and so they take it of this.
const CUT: usize = 4 * 1024;

/// The pipes of one worker.
#[derive(Debug)]
pub(crate) struct OutputReader {
    pub app: Arc<str>,
    pub slot: SlotIndex,
    pub worker: WorkerId,
    pub output: Output,
    /// Keeps the last of it, if somebody may ask.
    pub log: Option<OutputLog>,
    pub tail: Arc<Tail>,
}

impl OutputReader {
    /// Reads until both pipes have ended.
    pub(crate) async fn run(self, stdout: Option<OwnedFd>, stderr: Option<OwnedFd>) {
        tokio::join!(self.read(Stream::Stdout, stdout), self.read(Stream::Stderr, stderr));
    }

    async fn read(&self, stream: Stream, pipe: Option<OwnedFd>) {
        let Some(pipe) = pipe else { return };
        if let Err(error) = self.read_until_end(stream, pipe).await {
            tracing::warn!(target: "drover::output", %error, app = %self.app, slot = self.slot.0, "output is lost");
        }
    }

    async fn read_until_end(&self, stream: Stream, pipe: OwnedFd) -> io::Result<()> {
        let pipe = pipe::Receiver::from_owned_fd(pipe)?;
        let mut lines = Lines::default();
        loop {
            pipe.readable().await?;
            // Made anew for each burst, so that a silent worker costs no buffer.
            let mut buffer = Vec::with_capacity(READ);
            match pipe.try_read_buf(&mut buffer) {
                Ok(0) => break,
                Ok(_) => self.take(stream, &mut lines, buffer).await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        let mut last = Vec::new();
        lines.finish(|line| last.push(line.to_vec()));
        self.hand_on(stream, last).await;
        Ok(())
    }

    async fn take(&self, stream: Stream, lines: &mut Lines, bytes: Vec<u8>) {
        // Before anything that may wait: the evidence of an exit does not depend on a slow terminal.
        if stream == Stream::Stderr {
            self.tail.feed(&bytes);
        }
        let wants_lines =
            self.log.is_some() || matches!(self.output, Output::Prefixed { .. } | Output::Sink(_));
        if wants_lines {
            for part in bytes.chunks(CUT) {
                let mut complete = Vec::new();
                lines.feed(part, |line| complete.push(line.to_vec()));
                self.hand_on(stream, complete).await;
            }
        }
        if matches!(self.output, Output::Forward) {
            write_output(stream, bytes).await;
        }
    }

    async fn hand_on(&self, stream: Stream, complete: Vec<Vec<u8>>) {
        if let Some(log) = &self.log {
            log.keep(&self.app, Printer { slot: self.slot, worker: self.worker, stream }, &complete);
        }
        match &self.output {
            Output::Prefixed { colour } => {
                let prefix = prefix(&self.app, self.slot.0, *colour);
                for text in prefixed(&prefix, &complete) {
                    write_output(stream, text).await;
                }
            }
            Output::Sink(sink) => {
                for line in complete {
                    sink.take(Line { app: &self.app, slot: self.slot.0, stream, bytes: &line }).await;
                }
            }
            Output::Forward | Output::Inherit | Output::Discard => {}
        }
    }
}

/// The lines with their prefix, in texts of whole lines that are at most a [`PIECE`], made one after the other. A line that is
/// longer with its prefix is a text of its own.
fn prefixed(prefix: &str, lines: &[Vec<u8>]) -> impl Iterator<Item = Vec<u8>> {
    let length = |line: &[u8]| prefix.len() + line.len() + 1;
    let mut rest = lines;
    iter::from_fn(move || {
        let (mut size, mut count) = (0, 0);
        for line in rest {
            if count > 0 && size + length(line) > PIECE {
                break;
            }
            (size, count) = (size + length(line), count + 1);
        }
        let (these, after) = rest.split_at(count);
        rest = after;
        let mut text = Vec::with_capacity(size);
        for line in these {
            text.extend_from_slice(prefix.as_bytes());
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        (count > 0).then_some(text)
    })
}

#[cfg(test)]
mod tests {
    use std::future::{Future, pending};
    use std::io::Write;
    use std::pin::Pin;
    use std::time::Duration;

    use super::*;
    use crate::process::OutputSink;

    /// A terminal that was stopped.
    #[derive(Debug)]
    struct Stopped;

    impl OutputSink for Stopped {
        fn take<'a>(&'a self, _: Line<'a>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
            Box::pin(pending())
        }
    }

    #[tokio::test]
    async fn the_last_words_do_not_wait_for_a_sink_nor_for_the_end_of_their_line() {
        let tail = Arc::new(Tail::default());
        let output = Output::Sink(Arc::new(Stopped));
        let reader = OutputReader {
            app: "app".into(),
            slot: SlotIndex(0),
            worker: WorkerId(1),
            output,
            log: None,
            tail: Arc::clone(&tail),
        };
        let (read, write) = io::pipe().unwrap();
        (&write).write_all(b"first\nlast words").unwrap();
        let reading = tokio::spawn(reader.run(None, Some(read.into())));
        let fed = async {
            while tail.lines() != ["first", "last words"] {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), fed).await.expect("the tail has them");
        assert!(!reading.is_finished());
        reading.abort();
    }

    #[test]
    fn prefixed_lines_are_handed_over_whole_and_in_pieces_that_hold_the_bound() {
        let prefix = prefix("an-app-of-a-long-name", 12, true);
        let lines: Vec<Vec<u8>> = (0..64 * 1024).map(|number| vec![b'x'; number % 40]).collect();
        let pieces: Vec<Vec<u8>> = prefixed(&prefix, &lines).collect();
        assert!(pieces.iter().all(|piece| piece.capacity() <= PIECE && piece.ends_with(b"\n")));
        assert!(pieces.len() < 100, "{} pieces", pieces.len());
        let expected: usize = lines.iter().map(|line| prefix.len() + line.len() + 1).sum();
        assert_eq!(pieces.concat().len(), expected);
    }
}
