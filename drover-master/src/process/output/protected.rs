//! Reads a pipe into memory that outlives this process, and goes on with what a process before has left there.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::SystemTime;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tokio::time::{Instant, sleep, timeout};

use super::forward::write_whole;
use super::lines::{LineBlock, Lines};
use super::reader::{OutputReader, SILENCE};
use super::rush::{self, Pace};
use super::transit::{StreamPlace, Taker, TransitStream};
use super::{LogSinks, Stream, WorkerLog};
use crate::config::Output;
use crate::sys::watch_readable;

impl OutputReader {
    /// Who is to have what is read.
    pub(super) fn takers(&self, stream: Stream) -> Vec<Taker> {
        let own = match &self.output {
            Output::Forward | Output::Sink(_) => true,
            Output::Prefixed { .. } => self.prefixes(stream),
            Output::Inherit | Output::Discard => false,
        };
        let log = self.log.as_ref().is_some_and(WorkerLog::is_protected);
        let sinks = self.sinks.iter().flat_map(LogSinks::takers);
        own.then_some(Taker::Own).into_iter().chain(sinks).chain(log.then_some(Taker::Log)).collect()
    }

    /// Hands what a process before has read to those who have not got it. What had only begun is in the answer.
    pub(super) async fn resume(&self, stream: Stream, way: &Arc<TransitStream>) -> Lines {
        let read = way.place_read();
        if read == StreamPlace::default() {
            return Lines::default();
        }
        // What is kept says itself how far it goes: the note of that comes later.
        let kept = self.log.as_ref().map(|log| log.reached(stream)).filter(|kept| *kept <= read);
        let kept = kept.unwrap_or_default();
        way.reach(Taker::Log, kept);
        if stream == Stream::Stderr {
            // The tail has begun with what is kept.
            way.left(kept, read).iter().for_each(|bytes| self.tail.feed(bytes));
        }
        let mut takers = self.takers(stream);
        if matches!(self.output, Output::Forward) {
            takers.retain(|taker| *taker != Taker::Own);
            let mut end = way.done(Taker::Own).bytes();
            for bytes in way.left(way.done(Taker::Own), read) {
                end += bytes.len() as u64;
                let receipt = way.receipt(Taker::Own, StreamPlace::at(end, false));
                write_whole(stream, bytes.into(), Some(receipt)).await;
            }
        }
        // Without those who take lines, none were made.
        let handed = if takers.is_empty() { read } else { way.handed(&takers) };
        for taker in takers {
            // One that was not there before has the lines from here on: of those before it, some are gone.
            if way.done(taker) < way.place_left() {
                way.reach(taker, handed);
            }
            self.hand_again(taker, stream, way, handed).await;
        }
        let (mut lines, mut complete) = (Lines::from(handed), Vec::new());
        for bytes in way.left(handed, read) {
            lines.feed(&bytes, |block| complete.push(block));
        }
        way.hand_on(lines.place());
        self.hand_on(stream, complete, Some(way)).await;
        way.let_go();
        lines
    }

    /// Hands one of them what it has not got of the lines that were handed on.
    async fn hand_again(&self, taker: Taker, stream: Stream, way: &Arc<TransitStream>, handed: StreamPlace) {
        let blocks = lines_again(way, way.done(taker), handed);
        if taker == Taker::Own {
            return self.hand_to_own(stream, blocks, Some(way)).await;
        }
        let time = SystemTime::now();
        if taker == Taker::Log {
            return blocks.iter().for_each(|block| self.keep(stream, time, block, Some(way)));
        }
        for block in &blocks {
            if let Some(sinks) = &self.sinks {
                sinks.put_to(taker, stream, time, block, Some(way)).await;
            }
        }
    }

    /// Waits for each piece. The pipe, if it is too many to wait for each; none at its end.
    pub(super) async fn read_when_woken_into(
        &self,
        stream: Stream,
        pipe: OwnedFd,
        lines: &mut Lines,
        way: &Arc<TransitStream>,
    ) -> io::Result<Option<OwnedFd>> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let pipe = Arc::new(pipe);
        let watched = watch_readable(Arc::clone(&pipe))?;
        let mut pace = Pace::new(Instant::now());
        loop {
            // A worker that is silent between two lines wakes nobody.
            let ready = match lines.has_begun() {
                true => timeout(SILENCE, watched.readable()).await,
                false => Ok(watched.readable().await),
            };
            let Ok(ready) = ready else {
                let mut begun = Vec::new();
                lines.pause(|block| begun.push(block));
                way.hand_on(lines.place());
                self.hand_on(stream, begun, Some(way)).await;
                continue;
            };
            let mut ready = ready?;
            match ready.try_io(|_| way.read(pipe.as_fd())) {
                Ok(Ok(Some(read))) if read.bytes.is_empty() => return Ok(None),
                Ok(Ok(Some(read))) => {
                    let length = read.bytes.len();
                    self.take(stream, lines, read.bytes, Some(way)).await;
                    if pace.rushes(Instant::now(), length) {
                        drop(ready);
                        drop(watched);
                        // Nobody else has it any more.
                        return Ok(Arc::into_inner(pipe));
                    }
                }
                // Thousands of workers wait for those who write: a look now and then costs nothing beside that.
                Ok(Ok(None)) => sleep(rush::EACH).await,
                Ok(Err(error)) => return Err(error),
                // A silent worker costs no memory.
                Err(_) => way.let_go(),
            }
        }
    }
}

/// The lines between two places between which lines were handed on.
pub(super) fn lines_again(way: &TransitStream, from: StreamPlace, to: StreamPlace) -> Vec<LineBlock> {
    let (mut lines, mut again) = (Lines::from(from), Vec::new());
    for bytes in way.left(from, to) {
        lines.feed(&bytes, |block| again.push(block));
    }
    // A part was handed on there, or the end of the stream.
    match to.is_continued() {
        true => lines.pause(|block| again.push(block)),
        false => lines.finish(|block| again.push(block)),
    }
    again
}
