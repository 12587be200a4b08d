//! The queues of all apps that are written to one kind of place, each with a thread of its own.

use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use super::queue::Queue;

/// Those whose threads run, for whoever wants all of them to do something, or to finish.
pub(super) struct Queues<W>(Mutex<Vec<Weak<Queue<W>>>>);

impl<W: Clone + PartialEq + Send + Sync + 'static> Queues<W> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(super) fn all(&self) -> Vec<Arc<Queue<W>>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|queue| queue.strong_count() > 0);
        all.iter().filter_map(Weak::upgrade).collect()
    }

    /// That of this app and place, which is written as is wished now; or a new one, and a thread that runs for it.
    pub(super) fn join_or_start(
        &self,
        app: &str,
        wish: &W,
        is_same_place: impl Fn(&W) -> bool,
        new: impl FnOnce() -> Queue<W>,
        run: fn(&Queue<W>),
    ) -> io::Result<HeldQueue<W>> {
        if let Some(queue) = self.all().into_iter().find(|queue| queue.join(app, wish, &is_same_place)) {
            return Ok(HeldQueue(queue));
        }
        let queue = Arc::new(new());
        let writer = Arc::clone(&queue);
        let thread = thread::Builder::new().name("drover-logs".into()).stack_size(256 * 1024);
        thread.spawn(move || run(&writer))?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&queue));
        Ok(HeldQueue(queue))
    }

    /// Waits until everything so far is written, at most for so long.
    pub(super) async fn written(&self, within: Duration) {
        let written = async {
            for queue in self.all() {
                queue.written().await;
            }
        };
        // A disk that hangs does not keep the process.
        let _ = tokio::time::timeout(within, written).await;
    }
}

/// A queue that somebody may still bring something to. A clone is the same; with the last of them the thread ends, after it has
/// written everything.
#[derive(Debug)]
pub(super) struct HeldQueue<W: Clone + PartialEq>(Arc<Queue<W>>);

impl<W: Clone + PartialEq> Deref for HeldQueue<W> {
    type Target = Queue<W>;

    fn deref(&self) -> &Queue<W> {
        &self.0
    }
}

impl<W: Clone + PartialEq> Clone for HeldQueue<W> {
    fn clone(&self) -> Self {
        self.hold();
        Self(Arc::clone(&self.0))
    }
}

impl<W: Clone + PartialEq> Drop for HeldQueue<W> {
    fn drop(&mut self) {
        self.let_go();
    }
}
