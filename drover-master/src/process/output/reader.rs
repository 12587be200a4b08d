//! Reads the pipes of one worker until both end.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::net::unix::pipe;

use super::forward::write_output;
use super::lines::Lines;
use super::prefix::prefix;
use super::{Line, Stream, Tail};
use crate::config::Output;

/// How much is read at once: the size of a pipe's buffer (`pipe(7)`). It lives only while there is something to read.
const READ: usize = 64 * 1024;

/// The pipes of one worker.
#[derive(Debug)]
pub(crate) struct OutputReader {
    pub app: Arc<str>,
    pub slot: u32,
    pub output: Output,
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
            tracing::warn!(target: "drover::output", %error, app = %self.app, slot = self.slot, "output is lost");
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
        match self.output {
            Output::Forward => write_output(stream, bytes).await,
            Output::Prefixed { .. } | Output::Sink(_) => {
                let mut complete = Vec::new();
                lines.feed(&bytes, |line| complete.push(line.to_vec()));
                self.hand_on(stream, complete).await;
            }
            Output::Inherit | Output::Discard => {}
        }
    }

    async fn hand_on(&self, stream: Stream, complete: Vec<Vec<u8>>) {
        match &self.output {
            Output::Prefixed { colour } if !complete.is_empty() => {
                let prefix = prefix(&self.app, self.slot, *colour);
                let mut text = Vec::new();
                for line in complete {
                    text.extend_from_slice(prefix.as_bytes());
                    text.extend_from_slice(&line);
                    text.push(b'\n');
                }
                write_output(stream, text).await;
            }
            Output::Sink(sink) => {
                for line in complete {
                    sink.take(Line { app: &self.app, slot: self.slot, stream, bytes: &line }).await;
                }
            }
            Output::Forward | Output::Prefixed { .. } | Output::Inherit | Output::Discard => {}
        }
    }
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
        let reader = OutputReader { app: "app".into(), slot: 0, output, tail: Arc::clone(&tail) };
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
}
