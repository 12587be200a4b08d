//! What is written in one place and read in many: readers pull, each from its own place, and a number that rises wakes them. So no
//! reader costs memory or makes the writer wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// What is kept, and the number of the newest of it. The lock is held for a look or a copy in memory, never over an await.
#[derive(Debug)]
pub(crate) struct Feed<T> {
    kept: Mutex<T>,
    newest: watch::Sender<u64>,
}

impl<T: Default> Default for Feed<T> {
    fn default() -> Self {
        Self { kept: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

impl<T> Feed<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes who waits: there is something with this number.
    pub(crate) fn announce(&self, newest: u64) {
        self.newest.send_replace(newest);
    }

    pub(crate) fn reader(self: &Arc<Self>) -> FeedReader<T> {
        FeedReader { feed: Arc::clone(self), newest: self.newest.subscribe() }
    }
}

/// One who reads. Where it is in what is kept, its owner knows.
#[derive(Debug)]
pub(crate) struct FeedReader<T> {
    feed: Arc<Feed<T>>,
    newest: watch::Receiver<u64>,
}

impl<T> FeedReader<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.feed.lock()
    }

    /// What `look` finds; looks again whenever there is something newer, until it finds something.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub(crate) async fn next<N>(&mut self, mut look: impl FnMut(&T) -> Option<N>) -> N {
        loop {
            self.newest.borrow_and_update();
            if let Some(next) = look(&self.feed.lock()) {
                return next;
            }
            // The sender lives in the feed, which this reader holds.
            if self.newest.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
