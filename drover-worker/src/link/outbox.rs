//! What is on its way from the bus to the socket.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use drover_proto::latest::{WorkerFrame, worker_frame};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::messages::Post;

/// A message on its way to the socket.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) frame: WorkerFrame,
    /// Told when the socket has taken the frame.
    pub(crate) written: Option<oneshot::Sender<()>>,
}

/// The way to one connection: what is put on it is gone with that connection. While there is none, it is the way to the next.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) messages: mpsc::Sender<Outgoing>,
    pub(crate) post: Arc<Post>,
}

/// What the bus gives to the writer.
#[derive(Debug)]
pub(crate) struct Outbox {
    line: Mutex<Arc<Line>>,
    /// The newest status replaces one that is not written yet.
    pub(crate) status: watch::Sender<worker_frame::Body>,
    /// When the application last said that it makes progress.
    pub(crate) progress: watch::Sender<Option<Instant>>,
}

/// Words of progress that follow each other faster are one. It costs a watchdog's interval so much at the most, and keeps a
/// loop that says it in each round from filling the connection.
const PROGRESS_APART: Duration = Duration::from_millis(20);

impl Outbox {
    pub(crate) fn new(
        line: Line,
        status: watch::Sender<worker_frame::Body>,
        progress: watch::Sender<Option<Instant>>,
    ) -> Self {
        Self { line: Mutex::new(Arc::new(line)), status, progress }
    }

    /// The line of today. It may be another the next time.
    pub(crate) fn line(&self) -> Arc<Line> {
        Arc::clone(&self.current())
    }

    pub(crate) fn is_current(&self, line: &Arc<Line>) -> bool {
        Arc::ptr_eq(&self.current(), line)
    }

    pub(crate) fn replace(&self, line: Line) {
        *self.current() = Arc::new(line);
    }

    fn current(&self) -> MutexGuard<'_, Arc<Line>> {
        self.line.lock().expect("never poisoned: nothing inside panics")
    }

    pub(crate) fn progress(&self) {
        let now = Instant::now();
        self.progress.send_if_modified(|last| {
            let is_new = last.is_none_or(|last| now.saturating_duration_since(last) >= PROGRESS_APART);
            if is_new {
                *last = Some(now);
            }
            is_new
        });
    }
}
