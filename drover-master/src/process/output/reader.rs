//! Reads the pipes of one worker until both end.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use tokio::net::unix::pipe;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use super::forward::{goes_nowhere, write_whole};
use super::lines::{LineBlock, Lines, PIECE};
use super::prefix::{prefix, prefixed};
use super::rush::{self, LargePipe, Look, Pace, Rush};
use super::transit::{PipeBytes, Receipt, Taker, TransitStream};
use super::{AwaitedText, Line, LogSinks, Stream, Tail, WorkerLog, WorkerTransit};
use crate::config::Output;
use crate::ids::SlotIndex;

/// After so long a silence what was begun is handed on, though its line has not ended: a question, or `waiting… ` before what hangs. So
/// long that a line that is printed in pieces, on a busy machine too, stays one line.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// How long the end of the output waits for a disk or the journal to have it.
const LAST_LINES: Duration = Duration::from_millis(500);

/// The pipes of one worker.
#[derive(Debug)]
pub(crate) struct OutputReader {
    pub app: Arc<str>,
    pub slot: SlotIndex,
    pub output: Output,
    /// Keeps the last of it, if somebody may ask.
    pub log: Option<WorkerLog>,
    /// Writes it to files and to the journal.
    pub sinks: Option<LogSinks>,
    pub tail: Arc<Tail>,
    /// Listens for a text, as long as somebody waits for that.
    pub awaited: Weak<AwaitedText>,
    /// Keeps what is on its way for a successor of this process, if there can be one.
    pub transit: Option<WorkerTransit>,
}

impl OutputReader {
    /// Reads until both pipes have ended. What a process before has read, and not written, comes first: also without pipes.
    pub(crate) async fn run(self, stdout: Option<OwnedFd>, stderr: Option<OwnedFd>) {
        tokio::join!(self.read(Stream::Stdout, stdout), self.read(Stream::Stderr, stderr));
        // So that what it printed is there once its end is told. A disk that takes longer does not hold that up.
        if let Some(sinks) = &self.sinks {
            let _ = timeout(LAST_LINES, sinks.written()).await;
        }
    }

    async fn read(&self, stream: Stream, pipe: Option<OwnedFd>) {
        let way =
            self.transit.as_ref().and_then(|transit| transit.stream(&self.app, stream, self.takers(stream)));
        if let Err(error) = self.read_until_end(stream, pipe, way.as_ref()).await {
            tracing::warn!(target: "drover::output", %error, app = %self.app, slot = self.slot.0, "output is lost");
        }
    }

    async fn read_until_end(
        &self,
        stream: Stream,
        pipe: Option<OwnedFd>,
        way: Option<&Arc<TransitStream>>,
    ) -> io::Result<()> {
        let mut lines = match way {
            Some(way) => self.resume(stream, way).await,
            None => Lines::default(),
        };
        let mut next = pipe.map(|pipe| (pipe, None));
        while let Some((pipe, larger)) = next.take() {
            let rushing = match way {
                Some(way) => self.read_when_woken_into(stream, pipe, &mut lines, way).await?,
                None => self.read_when_woken(stream, pipe, &mut lines).await?,
            };
            if let Some(rushing) = rushing {
                let rush = Rush::new(rushing, larger, Instant::now());
                next = self.read_in_a_rush(stream, rush, &mut lines, way).await?;
            }
        }
        let mut last = Vec::new();
        lines.finish(|block| last.push(block));
        self.hand_on(stream, last, way).await;
        if let Some(way) = way {
            way.end();
        }
        Ok(())
    }

    /// Waits for each piece. The pipe, if it is too many to wait for each; none at its end.
    async fn read_when_woken(
        &self,
        stream: Stream,
        pipe: OwnedFd,
        lines: &mut Lines,
    ) -> io::Result<Option<OwnedFd>> {
        let pipe = pipe::Receiver::from_owned_fd(pipe)?;
        let mut buffer = BytesMut::new();
        let mut pace = Pace::new(Instant::now());
        loop {
            // A worker that is silent between two lines wakes nobody.
            if lines.has_begun() {
                match timeout(SILENCE, pipe.readable()).await {
                    Ok(readable) => readable?,
                    Err(_) => {
                        let mut begun = Vec::new();
                        lines.pause(|block| begun.push(block));
                        self.hand_on(stream, begun, None).await;
                        continue;
                    }
                }
            } else {
                pipe.readable().await?;
            }
            // The same again if nobody keeps what was read into it.
            buffer.reserve(PIECE);
            match pipe.try_read_buf(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(length) => {
                    self.take(stream, lines, buffer.split().freeze(), None).await;
                    if pace.rushes(Instant::now(), length) {
                        return pipe.into_nonblocking_fd().map(Some);
                    }
                }
                // A silent worker costs no buffer.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => buffer = BytesMut::new(),
                Err(error) => return Err(error),
            }
        }
    }

    /// Looks for pieces again and again. The pipe, once there are few, or after a while; none at its end.
    async fn read_in_a_rush(
        &self,
        stream: Stream,
        mut rush: Rush,
        lines: &mut Lines,
        way: Option<&Arc<TransitStream>>,
    ) -> io::Result<Option<(OwnedFd, Option<LargePipe>)>> {
        while !rush.is_on_trial(Instant::now()) {
            let mut found = 0;
            // Others have a turn too.
            while found < rush.half() {
                match rush.look(way.map(|way| &**way))? {
                    Look::Bytes(PipeBytes { bytes, is_all }) => {
                        found += bytes.len();
                        self.take(stream, lines, bytes, way).await;
                        if is_all {
                            break;
                        }
                    }
                    Look::Empty => break,
                    Look::Over => return Ok(Some(rush.over())),
                    Look::Ended => return Ok(None),
                }
            }
            match found < rush.half() {
                true => sleep(rush::EACH).await,
                false => yield_now().await,
            }
        }
        Ok(Some(rush.over()))
    }

    pub(super) async fn take(
        &self,
        stream: Stream,
        lines: &mut Lines,
        bytes: Bytes,
        way: Option<&Arc<TransitStream>>,
    ) {
        // Before anything that may wait: the evidence of an exit does not depend on a slow terminal.
        if stream == Stream::Stderr {
            self.tail.feed(&bytes);
        }
        let wants_lines = self.log.is_some()
            || self.sinks.is_some()
            || self.awaited.strong_count() > 0
            || matches!(self.output, Output::Sink(_))
            || self.prefixes(stream);
        if wants_lines {
            let mut complete = Vec::new();
            lines.feed(&bytes, |block| complete.push(block));
            if let Some(way) = way {
                way.hand_on(lines.place());
            }
            self.hand_on(stream, complete, way).await;
        }
        if matches!(self.output, Output::Forward) {
            let receipt = way.map(|way| way.receipt(Taker::Own, way.place_read()));
            write_whole(stream, bytes.into(), receipt).await;
        }
    }

    /// Whether its lines go to the master's own stream, where somebody may see them.
    pub(super) fn prefixes(&self, stream: Stream) -> bool {
        matches!(self.output, Output::Prefixed { .. }) && !goes_nowhere(stream)
    }

    pub(super) async fn hand_on(
        &self,
        stream: Stream,
        complete: Vec<LineBlock>,
        way: Option<&Arc<TransitStream>>,
    ) {
        if let Some(awaited) = self.awaited.upgrade() {
            complete.iter().for_each(|block| awaited.hear(stream, block));
        }
        // The same for both: by it readers of the files know what is kept of them.
        let time = SystemTime::now();
        for block in &complete {
            self.keep(stream, time, block, way);
            if let Some(sinks) = &self.sinks {
                sinks.put(stream, time, block, way).await;
            }
        }
        self.hand_to_own(stream, complete, way).await;
    }

    /// The same to the log alone.
    pub(super) fn keep(
        &self,
        stream: Stream,
        time: SystemTime,
        block: &LineBlock,
        way: Option<&Arc<TransitStream>>,
    ) {
        match (&self.log, way) {
            (Some(log), Some(way)) if log.is_protected() => {
                log.keep(stream, time, block);
                way.receipt(Taker::Log, block.place()).give();
            }
            // It is kept longer than anything else may be in that memory.
            (Some(log), Some(_)) => log.keep(stream, time, &block.detached()),
            (Some(log), None) => log.keep(stream, time, block),
            (None, _) => {}
        }
    }

    /// The same to the master's own output alone, or to who takes lines in its place.
    pub(super) async fn hand_to_own(
        &self,
        stream: Stream,
        complete: Vec<LineBlock>,
        way: Option<&Arc<TransitStream>>,
    ) {
        let receipt = |place| way.map(|way| way.receipt(Taker::Own, place));
        match &self.output {
            Output::Prefixed { .. } if !self.prefixes(stream) => {}
            Output::Prefixed { colours } => {
                let prefix = prefix(&self.app, self.slot.0, *colours);
                for (text, place) in prefixed(&prefix, *colours, &complete) {
                    write_whole(stream, text, receipt(place)).await;
                }
            }
            Output::Sink(sink) => {
                for block in complete {
                    let (goes_on, receipt) = (block.goes_on, receipt(block.place()));
                    for bytes in block.lines() {
                        let line = Line { app: &self.app, slot: self.slot, stream, bytes, goes_on };
                        sink.take(line).await;
                    }
                    receipt.into_iter().for_each(Receipt::give);
                }
            }
            Output::Forward | Output::Inherit | Output::Discard => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, pending};
    use std::io::Write;
    use std::pin::Pin;

    use super::*;
    use crate::config::OutputSink;

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
            output,
            log: None,
            sinks: None,
            tail: Arc::clone(&tail),
            awaited: Weak::new(),
            transit: None,
        };
        let (read, write) = io::pipe().unwrap();
        (&write).write_all(b"first\nlast words").unwrap();
        let reading = tokio::spawn(reader.run(None, Some(read.into())));
        let fed = async {
            while tail.lines() != ["first", "last words"] {
                yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), fed).await.expect("the tail has them");
        assert!(!reading.is_finished());
        reading.abort();
    }

    /// Takes every line.
    #[derive(Debug, Default)]
    struct Taking(std::sync::Mutex<Vec<u8>>);

    impl OutputSink for Taking {
        fn take<'a>(&'a self, line: Line<'a>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
            let mut all = self.0.lock().unwrap();
            all.extend_from_slice(line.bytes);
            all.push(b'\n');
            Box::pin(std::future::ready(()))
        }
    }

    #[tokio::test]
    async fn a_rush_of_short_writes_is_read_whole_and_in_its_order_and_so_is_what_comes_after_it() {
        let sink = Arc::new(Taking::default());
        let reader = OutputReader {
            app: "app".into(),
            slot: SlotIndex(0),
            output: Output::Sink(Arc::clone(&sink) as Arc<dyn OutputSink>),
            log: None,
            sinks: None,
            awaited: Weak::new(),
            tail: Arc::default(),
            transit: None,
        };
        let (read, write) = io::pipe().unwrap();
        let text: Vec<String> = (0..100_000).map(|number| format!("line {number}\n")).collect();
        let expected = text.concat();
        let writer = std::thread::spawn(move || {
            for line in text {
                (&write).write_all(line.as_bytes()).unwrap();
            }
            write
        });
        let reading = async {
            reader.run(Some(read.into()), None).await;
        };
        let writing = async {
            let all = async {
                while sink.0.lock().unwrap().len() < expected.len() {
                    sleep(Duration::from_millis(1)).await;
                }
            };
            timeout(Duration::from_secs(60), all).await.expect("all of it is read");
            // By then the rush may be over, or not: it is read in both cases.
            let mut write = writer.join().unwrap();
            write.write_all(b"the last").unwrap();
        };
        tokio::join!(reading, writing);
        assert!(*sink.0.lock().unwrap() == (expected + "the last\n").into_bytes());
    }
}
