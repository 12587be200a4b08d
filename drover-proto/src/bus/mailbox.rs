//! The queues between those who send to a peer and the one task that writes to it.
//!
//! There are two lanes. Answers are few, at most what the peer has asked for, and go first; messages wait for the peer's window
//! too. If answers waited behind messages, a peer that takes no message until it has its answer would wait for ever.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::queue::Queue;
use super::{Batch, Direction, EncodedFrame, Outbound, OutboundBody};
use crate::frame::HEADER_LEN;

/// Frames for one peer, bounded in bytes. Many may send; one writes.
///
/// The bound holds for each lane, and is what a peer that does not read can cost. One frame always fits into an empty lane.
#[derive(Debug)]
pub struct Mailbox {
    direction: Direction,
    limit: usize,
    inside: Mutex<Inside>,
    /// Tells the writer.
    filled: Notify,
    /// Tells whoever waits for room.
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    answers: Queue,
    messages: Queue,
    is_closed: bool,
    window: Option<Window>,
}

/// Where a frame waits.
#[derive(Debug, Clone, Copy)]
enum Lane {
    Answers,
    Messages,
}

impl Lane {
    fn of(outbound: &Outbound<'_>) -> Self {
        match outbound.body {
            OutboundBody::Message { .. } => Self::Messages,
            OutboundBody::Reply => Self::Answers,
        }
    }
}

/// How many bytes of messages the peer takes before it says that it has consumed some, in frames without their headers.
#[derive(Debug, Clone, Copy)]
struct Window {
    bytes: usize,
    on_the_way: usize,
}

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The peer does not take what is there already.
    #[error("the queue is full")]
    Full,
    /// The peer is gone.
    #[error("the connection has ended")]
    Closed,
}

/// The peer is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection has ended")]
pub struct Closed;

impl Mailbox {
    /// A mailbox for frames of that direction. `limit`: how many bytes may wait in it. Too low: bursts are refused. Too high:
    /// memory, and old news, for a peer that does not read.
    pub fn new(direction: Direction, limit: usize) -> Self {
        let (filled, emptied) = (Notify::new(), Notify::new());
        Self { direction, limit, inside: Mutex::default(), filled, emptied }
    }

    /// Puts a frame in, if there is room: a reply among the answers.
    ///
    /// # Errors
    ///
    /// [`Refused`]; nothing was put in.
    pub fn try_push(&self, outbound: &Outbound<'_>, mut payload: Bytes) -> Result<(), Refused> {
        self.try_push_from(outbound, &mut payload)
    }

    /// Puts a frame in and takes its payload, if there is room: a reply among the answers. Else leaves the payload.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push).
    pub fn try_push_from(&self, outbound: &Outbound<'_>, payload: &mut Bytes) -> Result<(), Refused> {
        let (lane, length) = (Lane::of(outbound), outbound.length(self.direction, payload.len()));
        // Taken only where there is room: a clone for a try that fails would cost an allocation.
        self.put(lane, Some(self.limit), length, |queue| {
            queue.push(outbound, self.direction, std::mem::take(payload), length);
        })
    }

    /// Puts a message in that is encoded already, and shared if it is large.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push).
    pub fn try_push_encoded(&self, frame: &EncodedFrame) -> Result<(), Refused> {
        self.put(Lane::Messages, Some(self.limit), frame.length(), |queue| queue.push_encoded(frame))
    }

    /// Puts a whole frame with its header among the answers, when there is room.
    ///
    /// # Errors
    ///
    /// [`Closed`]; nothing was put in.
    ///
    /// # Cancel safety
    ///
    /// As [`push`](Self::push).
    pub async fn push_answer(&self, frame: &EncodedFrame) -> Result<(), Closed> {
        self.when_room(|| {
            self.put(Lane::Answers, Some(self.limit), frame.length(), |queue| queue.push_encoded(frame))
        })
        .await
    }

    /// Puts a whole frame with its header among the answers, even if they are full: for small frames that are owed, whose number
    /// is bounded elsewhere.
    ///
    /// # Errors
    ///
    /// [`Closed`]; nothing was put in.
    pub fn push_owed(&self, frame: &EncodedFrame) -> Result<(), Closed> {
        self.put(Lane::Answers, None, frame.length(), |queue| queue.push_encoded(frame)).map_err(|_| Closed)
    }

    /// Waits until the answers are fewer than the limit, or the mailbox is closed: before something is read that may be answered
    /// by [`push_owed`](Self::push_owed).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn room_for_answers(&self) {
        let is_full = || {
            let inside = self.inside();
            !inside.is_closed && inside.answers.bytes() >= self.limit
        };
        let look = || if is_full() { Err(Refused::Full) } else { Ok(()) };
        let _ = self.when_room(look).await;
    }

    /// Puts a frame in, when there is room.
    ///
    /// # Errors
    ///
    /// [`Closed`]; nothing was put in.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the frame is put in as a whole, or not at all.
    pub async fn push(&self, outbound: &Outbound<'_>, mut payload: Bytes) -> Result<(), Closed> {
        self.when_room(|| self.try_push_from(outbound, &mut payload)).await
    }

    async fn when_room(&self, mut put: impl FnMut() -> Result<(), Refused>) -> Result<(), Closed> {
        loop {
            // It hears of what comes after its creation, polled or not.
            let emptied = self.emptied.notified();
            match put() {
                Ok(()) => return Ok(()),
                Err(Refused::Closed) => return Err(Closed),
                Err(Refused::Full) => emptied.await,
            }
        }
    }

    fn put(
        &self,
        lane: Lane,
        limit: Option<usize>,
        length: usize,
        push: impl FnOnce(&mut Queue),
    ) -> Result<(), Refused> {
        let mut inside = self.inside();
        if inside.is_closed {
            return Err(Refused::Closed);
        }
        let queue = match lane {
            Lane::Answers => &mut inside.answers,
            Lane::Messages => &mut inside.messages,
        };
        let before = queue.bytes();
        if before > 0 && limit.is_some_and(|limit| before + HEADER_LEN + length > limit) {
            return Err(Refused::Full);
        }
        push(queue);
        drop(inside);
        if before == 0 {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Moves what may be written into the batch; waits while there is nothing. `false`: the mailbox is closed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what is in the batch is out of the mailbox.
    pub async fn take(&self, batch: &mut Batch) -> bool {
        loop {
            {
                let mut inside = self.inside();
                if inside.is_closed {
                    return false;
                }
                if inside.take(batch) {
                    drop(inside);
                    self.emptied.notify_waiters();
                    return true;
                }
                inside.answers.rest();
                inside.messages.rest();
            }
            self.filled.notified().await;
        }
    }

    /// From now on, at most this many bytes are on the way before the peer has [`consumed`](Self::consumed) some; 0 changes
    /// nothing.
    pub fn set_window(&self, bytes: u64) {
        if bytes > 0 {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            let mut inside = self.inside();
            let on_the_way = inside.window.map_or(0, |window| window.on_the_way);
            inside.window = Some(Window { bytes, on_the_way });
            drop(inside);
            self.filled.notify_one();
        }
    }

    /// The peer has room for this many bytes more.
    pub fn consumed(&self, bytes: u64) {
        if let Some(window) = &mut self.inside().window {
            window.on_the_way -= usize::try_from(bytes).unwrap_or(usize::MAX).min(window.on_the_way);
        }
        self.filled.notify_one();
    }

    /// Takes nothing any more, and forgets what is there.
    pub fn close(&self) {
        *self.inside() = Inside { is_closed: true, ..Inside::default() };
        self.filled.notify_one();
        self.emptied.notify_waiters();
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        let inside = self.inside();
        inside.answers.bytes() + inside.messages.bytes()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // What panics inside leaves the queue as it was, or with a frame more.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn take(&mut self, batch: &mut Batch) -> bool {
        let answers = self.answers.take(usize::MAX, false, batch);
        let messages = match &mut self.window {
            None => self.messages.take(usize::MAX, false, batch),
            Some(window) => {
                let room = window.bytes.saturating_sub(window.on_the_way);
                // A peer that says what it has consumed by half windows may have half of one left to say, for ever if
                // nothing came before that.
                let may_exceed = window.on_the_way < window.bytes.div_ceil(2);
                let taken = self.messages.take(room, may_exceed, batch);
                window.on_the_way += taken;
                taken
            }
        };
        answers + messages > 0
    }
}

#[cfg(test)]
mod tests;
