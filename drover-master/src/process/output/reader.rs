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
        if stream == Stream::Stdout && matches!(self.output, Output::Forward) {
            return write_output(stream, bytes).await;
        }
        let mut complete = Vec::new();
        lines.feed(&bytes, |line| complete.push(line.to_vec()));
        if matches!(self.output, Output::Forward) {
            write_output(stream, bytes).await;
        }
        self.hand_on(stream, complete).await;
    }

    async fn hand_on(&self, stream: Stream, complete: Vec<Vec<u8>>) {
        if stream == Stream::Stderr {
            complete.iter().for_each(|line| self.tail.push(line));
        }
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
