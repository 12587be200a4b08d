//! A message to several: all other workers, or those that have subscribed.

use bytes::Bytes;
use drover_proto::latest::{Accepted, Error, Scope, Subscribe, Unsubscribe, WorkerFrame, worker_frame};

use super::MessageBus;
use crate::link::outbox::{Line, Outgoing};
use crate::messages::post::{Asks, check_topic, message};
use crate::messages::{
    Answer, CONFIRMATION, Delivery, InvalidMessageError, NoBusError, PublishError, SubscribeError, confirmed,
    error_of, name,
};

impl MessageBus {
    /// Sends a message to all other workers of the app that are ready and take messages. Returns when it is in the queue of each.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: it reached nobody, or it is not known whom.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn broadcast(
        &self,
        topic: impl AsRef<str>,
        payload: impl Into<Bytes>,
    ) -> Result<Delivery, PublishError> {
        self.spread(Scope::All, topic.as_ref(), payload.into()).await
    }

    /// Sends a message to all other workers of the app that are ready and have [subscribed](Self::subscribe) to its topic. Returns when it
    /// is in the queue of each.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: it reached nobody, or it is not known whom.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn publish(
        &self,
        topic: impl AsRef<str>,
        payload: impl Into<Bytes>,
    ) -> Result<Delivery, PublishError> {
        check_named(topic.as_ref())?;
        self.spread(Scope::Subscribers, topic.as_ref(), payload.into()).await
    }

    async fn spread(&self, scope: Scope, topic: &str, payload: Bytes) -> Result<Delivery, PublishError> {
        let post = self.post()?;
        post.check(topic, payload.len())?;
        let mut question = post.questions.ask::<PublishError>()?;
        let asks = Asks::Confirmation { seq: question.seq };
        post.push(&message(scope, None, topic, asks), payload).await?;
        match confirmed(&mut question).await? {
            Some(Answer::Accepted(Accepted { delivered, refused })) => Ok(Delivery { delivered, refused }),
            Some(answer) => {
                let Error { code, message } = error_of(answer);
                Err(PublishError::Refused { topic: topic.to_owned(), code: name(code), message })
            }
            None => Err(PublishError::TimedOut { topic: topic.to_owned(), after: CONFIRMATION }),
        }
    }

    /// Has this worker get what is [published](Self::publish) under the topic, from when this returns until
    /// [`unsubscribe`](Self::unsubscribe); on a connection that follows a lost one too. Topics are compared byte by byte; the protocol allows 256 at a
    /// time. Doing it twice is not an error.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`]: nothing has changed, or after [`TimedOut`](SubscribeError::TimedOut) it is not known.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has asked for it, or has not.
    pub async fn subscribe(&self, topic: impl AsRef<str>) -> Result<(), SubscribeError> {
        let topic = topic.as_ref();
        self.change_subscription(topic, worker_frame::Body::Subscribe(Subscribe { topic: topic.to_owned() }))
            .await
    }

    /// Ends a subscription. One that there is not is not an error.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn unsubscribe(&self, topic: impl AsRef<str>) -> Result<(), SubscribeError> {
        let topic = topic.as_ref();
        let body = worker_frame::Body::Unsubscribe(Unsubscribe { topic: topic.to_owned() });
        self.change_subscription(topic, body).await
    }

    async fn change_subscription(&self, topic: &str, body: worker_frame::Body) -> Result<(), SubscribeError> {
        check_named(topic)?;
        loop {
            let line = self.line()?;
            match self.change_subscription_on(&line, topic, body.clone()).await {
                // Nothing has come of it, and there is another connection.
                Err(SubscribeError::NoBus(NoBusError::MasterGone)) if !self.is_line(&line) => {}
                result => return result,
            }
        }
    }

    async fn change_subscription_on(
        &self,
        line: &Line,
        topic: &str,
        body: worker_frame::Body,
    ) -> Result<(), SubscribeError> {
        let post = &line.post;
        if !post.takes {
            return Err(SubscribeError::TakesNone { topic: topic.to_owned() });
        }
        let place = line.messages.reserve().await.map_err(|_| NoBusError::MasterGone)?;
        let mut question = post.questions.ask::<SubscribeError>()?;
        let subscribes = matches!(body, worker_frame::Body::Subscribe(_));
        if !subscribes {
            // At once: it is not said again, whatever becomes of this connection.
            post.subscriptions.remove(topic);
        }
        let (seq, body) = (question.seq, Some(body));
        let frame = WorkerFrame { seq, expects_reply: true, body, ..Default::default() };
        place.send(Outgoing { frame, written: None });
        match confirmed(&mut question).await? {
            Some(Answer::Accepted(_)) => {
                if subscribes {
                    post.subscriptions.add(topic);
                }
                Ok(())
            }
            Some(answer) => {
                let Error { code, message } = error_of(answer);
                Err(SubscribeError::Refused { topic: topic.to_owned(), code: name(code), message })
            }
            None => Err(SubscribeError::TimedOut { topic: topic.to_owned(), after: CONFIRMATION }),
        }
    }
}

fn check_named(topic: &str) -> Result<(), InvalidMessageError> {
    if topic.is_empty() {
        return Err(InvalidMessageError::NoTopic);
    }
    check_topic(topic)
}
