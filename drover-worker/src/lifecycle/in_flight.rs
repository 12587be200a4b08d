//! How much is under way and how much is done: two counters, and the task that reports it to the master.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use drover_proto::latest::worker_frame;
use tokio::sync::{Notify, watch};

/// The time between two reports. Shorter: a busy worker writes and its master reads for nothing. Longer: people and the master, which
/// ends the least busy worker first, see what is over.
const INTERVAL: Duration = Duration::from_millis(250);

/// The requests or jobs of a worker that are under way.
#[derive(Debug, Default)]
pub(crate) struct Work {
    count: AtomicU64,
    done: AtomicU64,
    changed: Notify,
    /// Told to all who wait when nothing is under way any more.
    idle: Notify,
    is_reported: AtomicBool,
}

impl Work {
    /// One more is under way.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
        InFlight { work: Arc::clone(self) }
    }

    /// How many were under way and are not any more.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Whether nothing is under way.
    #[cfg(feature = "axum")]
    pub(crate) fn is_idle(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Waits until nothing is under way.
    pub(crate) async fn idle(&self) {
        loop {
            // Before the look, so that what changes after it is heard.
            let idle = self.idle.notified();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Reports from here on, by one task however often this is called. It sleeps while nothing changes, and keeps the text of
    /// the app's own status.
    pub(crate) fn report(self: &Arc<Self>, status: &watch::Sender<worker_frame::Body>) {
        if self.is_reported.swap(true, Ordering::Relaxed) {
            return;
        }
        let (work, status) = (Arc::clone(self), status.clone());
        tokio::spawn(async move {
            loop {
                work.changed.notified().await;
                status.send_if_modified(|body| {
                    let count = work.count.load(Ordering::Relaxed);
                    let worker_frame::Body::Status(status) = body else { return false };
                    let done = work.done();
                    let is_new = (status.in_flight, status.requests) != (count, done);
                    (status.in_flight, status.requests) = (count, done);
                    is_new
                });
                tokio::time::sleep(INTERVAL).await;
            }
        });
    }
}

/// One request or job that is under way, until it is dropped. From [`MessageBus::in_flight`](crate::MessageBus::in_flight).
#[derive(Debug)]
#[must_use = "the work counts as done when this is dropped"]
pub struct InFlight {
    work: Arc<Work>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.work.done.fetch_add(1, Ordering::Relaxed);
        let was_last = self.work.count.fetch_sub(1, Ordering::AcqRel) == 1;
        self.work.changed.notify_one();
        if was_last {
            self.work.idle.notify_waiters();
        }
    }
}
