//! Messages that come.

use std::sync::Arc;

use super::MessageBus;
use crate::link::outbox::Line;
use crate::messages::post::Post;
use crate::messages::{Message, NoBusError};

impl MessageBus {
    /// Waits for the next message to this worker, of a bus set up with [`messages`](crate::MessageBusBuilder::messages); any number
    /// of tasks may. `None`: the worker is to leave ([`quit_requested`](Self::quit_requested)) or the master is gone, and no
    /// message is left.
    ///
    /// A request to stop does not end it: what was on the way still comes, and other workers may wait for replies.
    ///
    /// Messages of one sender come in the order in which it sent them.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no message is lost.
    pub async fn message(&self) -> Option<Message> {
        let Some(outbox) = &self.shared.outbox else {
            self.quit_requested().await;
            return None;
        };
        // A flood must not keep this task from letting others run.
        tokio::task::coop::consume_budget().await;
        loop {
            let line = outbox.line();
            match line.post.inbox.next().await {
                Some(received) => return Some(Message::new(received, &line.post)),
                // What was left there has moved to the next.
                None if !outbox.is_current(&line) => {}
                None => return None,
            }
        }
    }

    pub(super) fn post(&self) -> Result<Arc<Post>, NoBusError> {
        Ok(Arc::clone(&self.line()?.post))
    }

    pub(super) fn line(&self) -> Result<Arc<Line>, NoBusError> {
        let line = self.shared.outbox.as_ref().ok_or(NoBusError::Standalone)?.line();
        line.post.check_carried()?;
        Ok(line)
    }

    pub(super) fn is_line(&self, line: &Arc<Line>) -> bool {
        self.shared.outbox.as_ref().is_some_and(|outbox| outbox.is_current(line))
    }
}
