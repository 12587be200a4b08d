//! What was received and not yet taken by the app: bounded in bytes, by a window that the master keeps.
//!
//! ```text
//!  reader ── deliver, a batch at once ──► Inbox ── next ──► app
//!                                           │
//!  writer ◄── credit, half a window ────────┘
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{Reach, Sender};

/// A message as it lies in the inbox.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Bytes,
    pub(crate) from: Sender,
    pub(crate) reach: Reach,
    /// The frame to answer, if it is a request.
    pub(crate) request: Option<u64>,
    /// What it takes of the window.
    pub(crate) length: u32,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// How many bytes of frames may be here and on their way.
    window: u64,
    inside: Mutex<InboxState>,
    /// Tells whoever waits for a message.
    arrived: Notify,
    /// Tells the writer.
    due: Notify,
}

#[derive(Debug, Default)]
struct InboxState {
    queue: VecDeque<Parcel>,
    /// Of the queue.
    bytes: u64,
    /// Taken, and not told to the master yet.
    consumed: u64,
    /// Whether memory that is not used is given back.
    is_resting: bool,
    has_ended: bool,
}

impl Inbox {
    pub(crate) fn new(window: u64) -> Self {
        let (arrived, due) = (Notify::new(), Notify::new());
        Self { window, inside: Mutex::default(), arrived, due }
    }

    /// The inbox of the next connection, with what is here and is not a request: nobody waits for an answer any more. It takes nothing of
    /// the next window, which the master counts anew; so that it does not add up, as much is kept as one window holds.
    pub(crate) fn of_next_connection(&self) -> Self {
        let mut left = std::mem::take(&mut self.inside().queue);
        let mut room = usize::try_from(self.window).unwrap_or(usize::MAX);
        left.retain_mut(|parcel| {
            let taken = parcel.topic.len() + parcel.payload.len();
            let is_kept = parcel.request.is_none() && taken <= room;
            room -= if is_kept { taken } else { 0 };
            parcel.length = 0;
            is_kept
        });
        let next = Self::new(self.window);
        next.inside().queue = left;
        next
    }

    pub(crate) fn window(&self) -> u64 {
        self.window
    }

    /// Takes over all of `batch` that the window has room for. What is left broke the master's word: it keeps the window.
    pub(crate) fn deliver(&self, batch: &mut VecDeque<Parcel>) {
        let mut inside = self.inside();
        inside.is_resting = false;
        let mut fit = 0;
        for received in &*batch {
            let (before, length) = (inside.bytes, u64::from(received.length));
            if before + length > self.window && before >= self.half() {
                break;
            }
            inside.bytes += length;
            fit += 1;
        }
        if fit == batch.len() && inside.queue.is_empty() {
            std::mem::swap(&mut inside.queue, batch);
        } else {
            inside.queue.extend(batch.drain(..fit));
        }
        drop(inside);
        if fit > 0 {
            self.arrived.notify_one();
        }
    }

    /// Nothing has come for a while: gives back the memory of the burst that is over, once it is taken.
    pub(crate) fn rest(&self) {
        let mut inside = self.inside();
        inside.is_resting = true;
        if inside.queue.is_empty() {
            inside.queue = VecDeque::new();
        }
    }

    /// What was received but not kept counts as taken.
    pub(crate) fn forget(&self, length: u32) {
        let mut inside = self.inside();
        self.consume(&mut inside, length);
    }

    /// The next message; `None` once there is none and the inbox has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a message is taken when this is ready, and not before.
    pub(crate) async fn next(&self) -> Option<Parcel> {
        if let Some(received) = self.take() {
            return Some(received);
        }
        loop {
            let arrived = self.arrived.notified();
            {
                let mut inside = self.inside();
                if let Some(received) = self.take_from(&mut inside) {
                    let are_more = !inside.queue.is_empty();
                    drop(inside);
                    // One wakeup comes with a batch; who got it wakes the next who waits.
                    if are_more {
                        self.arrived.notify_one();
                    }
                    return Some(received);
                }
                if inside.has_ended {
                    return None;
                }
                if inside.is_resting {
                    inside.queue = VecDeque::new();
                }
            }
            arrived.await;
        }
    }

    /// The next message, if there is one.
    pub(crate) fn take(&self) -> Option<Parcel> {
        self.take_from(&mut self.inside())
    }

    fn take_from(&self, inside: &mut InboxState) -> Option<Parcel> {
        let received = inside.queue.pop_front()?;
        inside.bytes -= u64::from(received.length);
        self.consume(inside, received.length);
        Some(received)
    }

    fn consume(&self, inside: &mut InboxState, length: u32) {
        let before = inside.consumed;
        inside.consumed += u64::from(length);
        if before < self.half() && inside.consumed >= self.half() {
            self.due.notify_one();
        }
    }

    /// Waits until half a window has been taken, and tells how much it is, once.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is told before this is ready.
    pub(crate) async fn credit(&self) -> u64 {
        loop {
            {
                let mut inside = self.inside();
                if inside.consumed >= self.half() {
                    return std::mem::take(&mut inside.consumed);
                }
            }
            // Stored if nobody waits, so none that comes in between is missed.
            self.due.notified().await;
        }
    }

    /// Half of the window, rounded up, and at least 1: when less has been taken than that, the master still sends the largest message.
    fn half(&self) -> u64 {
        self.window.div_ceil(2).max(1)
    }

    /// Ends the waiting: whoever waits gets what is there, and then nothing.
    pub(crate) fn end(&self) {
        self.inside().has_ended = true;
        self.arrived.notify_waiters();
    }

    fn inside(&self) -> MutexGuard<'_, InboxState> {
        self.inside.lock().expect("never poisoned: nothing inside panics")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn received(number: u8, length: u32) -> Parcel {
        Parcel {
            topic: "t".into(),
            payload: Bytes::copy_from_slice(&[number]),
            from: Sender::App,
            reach: Reach::Direct,
            request: None,
            length,
        }
    }

    fn deliver(inbox: &Inbox, lengths: &[u32]) -> usize {
        let mut batch = lengths.iter().zip(0..).map(|(length, number)| received(number, *length)).collect();
        inbox.deliver(&mut batch);
        batch.len()
    }

    async fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(Duration::ZERO, future).await.ok()
    }

    #[tokio::test]
    async fn what_comes_is_taken_in_its_order() {
        let inbox = Inbox::new(100);
        assert_eq!(deliver(&inbox, &[1, 1, 1]), 0);
        for number in 0..3 {
            assert_eq!(inbox.next().await.unwrap().payload[..], [number]);
        }
        assert!(ready(inbox.next()).await.is_none());
    }

    #[tokio::test]
    async fn half_a_window_that_was_taken_is_told_once() {
        let inbox = Inbox::new(100);
        deliver(&inbox, &[30, 19, 1, 10]);
        inbox.take();
        inbox.take();
        assert_eq!(ready(inbox.credit()).await, None);
        inbox.take();
        assert_eq!(ready(inbox.credit()).await, Some(50));
        inbox.take();
        assert_eq!(ready(inbox.credit()).await, None);
    }

    #[tokio::test]
    async fn more_than_the_window_is_not_kept() {
        let inbox = Inbox::new(100);
        assert_eq!(deliver(&inbox, &[40, 60, 1, 1]), 2);
        inbox.take();
        // 60 are there still.
        assert_eq!(deliver(&inbox, &[41]), 1);
        assert_eq!(deliver(&inbox, &[40]), 0);
    }

    #[tokio::test]
    async fn a_message_larger_than_the_window_is_kept_while_less_than_half_of_it_is_there() {
        let inbox = Inbox::new(100);
        assert_eq!(deliver(&inbox, &[49, 1000, 1]), 1);
        inbox.take();
        inbox.take();
        assert_eq!(ready(inbox.credit()).await, Some(1049));
    }

    #[tokio::test]
    async fn every_task_that_waits_gets_a_message_of_a_batch() {
        let inbox = Arc::new(Inbox::new(1000));
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let inbox = Arc::clone(&inbox);
                tokio::spawn(async move { inbox.next().await.unwrap().payload[0] })
            })
            .collect();
        tokio::task::yield_now().await;
        deliver(&inbox, &[1; 10]);
        let mut numbers = Vec::new();
        for task in tasks {
            numbers.push(tokio::time::timeout(Duration::from_secs(20), task).await.unwrap().unwrap());
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_takes_nothing_and_its_wakeup_goes_on() {
        let inbox = Arc::new(Inbox::new(1000));
        let mut given_up = Box::pin(inbox.next());
        assert!(ready(&mut given_up).await.is_none());
        let waiting = tokio::spawn({
            let inbox = Arc::clone(&inbox);
            async move { inbox.next().await.unwrap().payload[0] }
        });
        tokio::task::yield_now().await;
        deliver(&inbox, &[1]);
        drop(given_up);
        assert_eq!(tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap(), 0);
    }

    #[tokio::test]
    async fn an_inbox_at_rest_holds_no_memory_once_it_is_empty() {
        let inbox = Inbox::new(1000);
        let capacity = || inbox.inside().queue.capacity();
        deliver(&inbox, &[1; 2]);
        inbox.take();
        inbox.rest();
        assert!(capacity() > 0);
        inbox.take();
        assert!(ready(inbox.next()).await.is_none());
        assert_eq!(capacity(), 0);
    }

    #[tokio::test]
    async fn an_inbox_that_has_ended_gives_what_it_has_and_then_nothing() {
        let inbox = Arc::new(Inbox::new(1000));
        let waiting = tokio::spawn({
            let inbox = Arc::clone(&inbox);
            async move { inbox.next().await.is_none() }
        });
        tokio::task::yield_now().await;
        inbox.end();
        assert!(tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap());
        deliver(&inbox, &[1]);
        assert!(inbox.next().await.is_some());
        assert!(inbox.next().await.is_none());
    }
}
