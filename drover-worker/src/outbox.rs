//! What is on its way from the bus to the socket.

use drover_proto::latest::{WorkerFrame, worker_frame};
use tokio::sync::{mpsc, oneshot, watch};

/// A message on its way to the socket.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) frame: WorkerFrame,
    /// Told when the socket has taken the frame.
    pub(crate) written: Option<oneshot::Sender<()>>,
}

/// What the bus gives to the writer.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) messages: mpsc::Sender<Outgoing>,
    /// The newest status replaces one that is not written yet.
    pub(crate) status: watch::Sender<worker_frame::Body>,
}
