//! Messages that come.

use std::sync::Arc;

use super::MessageBus;
use crate::messages::post::Post;
use crate::messages::{Message, NoBusError};

impl MessageBus {
    /// Waits for the next message to this worker, of a bus set up with [`messages`](crate::MessageBusBuilder::messages); any number
    /// of tasks may. `None`: the worker is to leave ([`quit_requested`](Self::quit_requested)) or the connection has ended, and no
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
        let Some(post) = &self.shared.post else {
            self.quit_requested().await;
            return None;
        };
        // A flood must not keep this task from letting others run.
        tokio::task::coop::consume_budget().await;
        post.inbox.next().await.map(|received| Message::new(received, post))
    }

    pub(super) fn post(&self) -> Result<&Arc<Post>, NoBusError> {
        let post = self.shared.post.as_ref().ok_or(NoBusError::Standalone)?;
        post.check_carried()?;
        Ok(post)
    }
}
