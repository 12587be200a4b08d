//! How a word about the worker's life gets onto the socket.

use std::time::Duration;

use drover_proto::latest::{Extend, WorkerFrame, worker_frame};
use tokio::sync::{mpsc, oneshot};

use super::MessageBus;
use crate::error::SendError;
use crate::lifecycle::{Announcement, Utterance};
use crate::link::outbox::Outgoing;

/// How long a call waits for the socket to take its message.
const FLUSH: Duration = Duration::from_secs(5);

impl MessageBus {
    pub(super) async fn say(&self, message: Announcement) -> Result<(), SendError> {
        let Some(outbox) = &self.shared.outbox else {
            return self.shared.say(message, None, |_| {}).unwrap_or(Ok(()));
        };
        loop {
            if !self.shared.state().is_connected() {
                // What is to be said then is said first on the next connection.
                match self.shared.say(message, None, |_| {}) {
                    Some(said) => return said,
                    None => continue,
                }
            }
            // CANCEL: the place in the queue comes first; from there on nothing is awaited until the message is in it.
            let line = outbox.line();
            let place = line.messages.reserve().await;
            let (written, is_written) = oneshot::channel();
            let said =
                self.shared.say(message, Some(&line), |reply_to| send(place, message, reply_to, written));
            // Else the connection was lost meanwhile, and there is another.
            if let Some(said) = said {
                said?;
                return flushed(message.name(), is_written).await;
            }
        }
    }

    pub(super) async fn ask_for(&self, more: Duration) -> Result<(), SendError> {
        let timeout_ms = u64::try_from(more.as_millis()).unwrap_or(u64::MAX);
        let Some(outbox) = &self.shared.outbox else {
            return self.shared.state().extend().map(|_| ());
        };
        let body = worker_frame::Body::Extend(Extend { timeout_ms });
        let line = outbox.line();
        if !self.shared.state().is_connected() {
            if self.shared.state().extend()? == Utterance::Keep {
                // Without room, others that wait there ask for as much.
                let frame = WorkerFrame { body: Some(body), ..Default::default() };
                let _kept = line.messages.try_send(Outgoing { frame, written: None });
            }
            return Ok(());
        }
        let place = line.messages.reserve().await;
        let Utterance::Send { reply_to } = self.shared.state().extend()? else { return Ok(()) };
        let (written, is_written) = oneshot::channel();
        // Without a place the connection is lost, or the master gone, which the next call tells.
        if let Ok(place) = place {
            place.send(outgoing(reply_to, body, written));
        }
        flushed("Extend", is_written).await
    }
}

/// Waits until the socket has taken a message. The end of the connection, or that nothing was to be sent, ends the wait too.
async fn flushed(message: &'static str, is_written: oneshot::Receiver<()>) -> Result<(), SendError> {
    match tokio::time::timeout(FLUSH, is_written).await {
        Ok(_) => Ok(()),
        Err(_) => Err(SendError::TimedOut { message, after: FLUSH }),
    }
}

type QueueSpace<'a> = Result<mpsc::Permit<'a, Outgoing>, mpsc::error::SendError<()>>;

fn send(place: QueueSpace<'_>, message: Announcement, reply_to: u64, written: oneshot::Sender<()>) {
    let Some(body) = message.body() else { return };
    // Without a place the connection has ended, which the lifecycle hears of in the same moment.
    if let Ok(place) = place {
        place.send(outgoing(reply_to, body, written));
    }
}

fn outgoing(reply_to: u64, body: worker_frame::Body, written: oneshot::Sender<()>) -> Outgoing {
    Outgoing {
        frame: WorkerFrame { reply_to, body: Some(body), ..Default::default() },
        written: Some(written),
    }
}
