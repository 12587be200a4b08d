//! The program's handle.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use drover_proto::bus::{Direction, Outbound, OutboundBody, Refused};
use drover_proto::latest::Scope;
use tokio::sync::oneshot;

use super::answer::NoReply;
use super::error::{RequestError, SendError, check};
use super::exchange::Exchange;
use super::ledger::Asker;
use super::peer::Peer;
use super::traffic::TrafficCounts;
use crate::ids::{SlotIndex, WorkerId};
use crate::patience;

/// Sends messages to the workers of an app. A clone is the same bus.
///
/// Only workers that are ready and take messages (capability `bus`) can be sent to; to others it is an error. Messages of one task
/// to one worker come in their order, each at most once. What workers send comes to [`MasterBuilder::on_message`].
///
/// [`MasterBuilder::on_message`]: crate::MasterBuilder::on_message
///
/// # Example
///
/// ```no_run
/// use std::time::Duration;
///
/// use drover_master::SlotIndex;
///
/// # async fn example(master: drover_master::Master) -> Result<(), Box<dyn std::error::Error>> {
/// let bus = master.bus();
/// bus.broadcast("cache/flush", "")?;
/// let answer = bus.request(SlotIndex(0), "cache/size", "", Duration::from_secs(1)).await?;
/// println!("slot 0 caches {} bytes", String::from_utf8_lossy(&answer));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Bus {
    exchange: Arc<Exchange>,
}

/// Who gets a message of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recipient {
    /// The one worker with this id.
    Worker(WorkerId),
    /// The worker that is ready in this slot, whoever it is.
    Slot(SlotIndex),
}

impl From<WorkerId> for Recipient {
    fn from(id: WorkerId) -> Self {
        Self::Worker(id)
    }
}

impl From<SlotIndex> for Recipient {
    fn from(slot: SlotIndex) -> Self {
        Self::Slot(slot)
    }
}

/// What became of a message to several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Delivery {
    /// To how many workers it goes.
    pub delivered: u32,
    /// To whom it does not go, and why: their queues are full.
    pub refused: Vec<(WorkerId, SendError)>,
}

impl Bus {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange }
    }

    /// Sends a message, if there is room for it.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub fn try_send(
        &self,
        to: impl Into<Recipient>,
        topic: &str,
        payload: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        let payload = payload.into();
        check(topic, payload.len())?;
        let peer = self.peer(to.into())?;
        let size = payload.len();
        let result = peer.mailbox.try_push(&one_way(topic, Scope::Worker), payload);
        result.map_err(|refused| self.refused(&peer, refused))?;
        self.exchange.traffic.delivered(1, size);
        Ok(())
    }

    /// Sends a message as soon as there is room for it, and waits for that no longer than `within`.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the message is sent as a whole, or not at all.
    pub async fn send(
        &self,
        to: impl Into<Recipient>,
        topic: &str,
        payload: impl Into<Bytes>,
        within: Duration,
    ) -> Result<(), SendError> {
        self.send_as(false, to.into(), topic, payload.into(), within).await
    }

    /// Sends a message to one worker, perhaps as one of several that it is published to.
    pub(crate) async fn send_as(
        &self,
        is_publication: bool,
        to: Recipient,
        topic: &str,
        payload: Bytes,
        within: Duration,
    ) -> Result<(), SendError> {
        check(topic, payload.len())?;
        let peer = self.peer(to)?;
        let scope = if is_publication { Scope::Subscribers } else { Scope::Worker };
        self.push(&peer, &one_way(topic, scope), payload, within).await
    }

    /// Every worker that is ready and takes messages, in the order of slots.
    pub(crate) fn receivers(&self) -> Vec<(WorkerId, SlotIndex)> {
        in_order(&self.exchange.all())
    }

    /// Every worker that is ready and has subscribed to the topic, in the order of slots.
    pub(crate) fn subscribers(&self, topic: &str) -> Vec<(WorkerId, SlotIndex)> {
        in_order(&self.exchange.subscribers(topic))
    }

    /// Who a recipient is now.
    pub(crate) fn worker_at(&self, to: Recipient) -> Option<WorkerId> {
        match to {
            Recipient::Worker(id) => Some(id),
            Recipient::Slot(slot) => self.exchange.slot(slot).ok().map(|peer| peer.identity.id),
        }
    }

    /// Asks a worker, and waits for its reply no longer than `within`.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the worker may have been asked; its reply is dropped then.
    pub async fn request(
        &self,
        to: impl Into<Recipient>,
        topic: &str,
        payload: impl Into<Bytes>,
        within: Duration,
    ) -> Result<Bytes, RequestError> {
        let payload = payload.into();
        check(topic, payload.len())?;
        let peer = self.peer(to.into())?;
        let (asker, answer) = oneshot::channel();
        let seq = self.exchange.next_seq();
        peer.ledger().owe(seq, Asker::Program(asker));
        let _waiting = OpenRequest { peer: Arc::downgrade(&peer), seq };
        let timeout_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX).max(1);
        let body = OutboundBody::Message {
            topic,
            scope: Scope::Worker,
            worker: 0,
            slot: 0,
            timeout_ms,
            confirm: false,
        };
        let outbound = Outbound { seq, expects_reply: true, body, ..Default::default() };
        let asked = async {
            self.push(&peer, &outbound, payload, within).await?;
            // Nobody answers any more for a worker that has left the bus.
            Ok(answer.await.unwrap_or(Err(NoReply::Gone(peer.identity.slot))))
        };
        let answered = patience::within(within, asked).await;
        let who = || (self.exchange.app.to_string(), peer.identity.slot.0);
        match answered.unwrap_or_else(|| {
            let (app, worker) = who();
            Err(RequestError::TimedOut { app, worker, after: within })
        })? {
            Ok(reply) => Ok(reply),
            Err(NoReply::Gone(_)) => {
                let (app, worker) = who();
                Err(RequestError::Gone { app, worker })
            }
            Err(NoReply::Error(code, message)) => {
                let (app, worker) = who();
                Err(RequestError::Refused { app, worker, code, message })
            }
        }
    }

    /// Sends a message to every worker that is ready and takes messages. Encoded once. Whoever has no room does not get it, and is
    /// named; the others do.
    ///
    /// # Errors
    ///
    /// Misuse: topic or payload are over the limit. Nobody got it.
    pub fn broadcast(&self, topic: &str, payload: impl Into<Bytes>) -> Result<Delivery, SendError> {
        let payload = payload.into();
        check(topic, payload.len())?;
        Ok(self.to_several(&self.exchange.all(), topic, Scope::All, payload))
    }

    /// Sends a message to every worker that is ready and has subscribed to the topic. As [`broadcast`](Self::broadcast) otherwise.
    ///
    /// # Errors
    ///
    /// Misuse: no topic, or topic or payload are over the limit. Nobody got it.
    pub fn publish(&self, topic: &str, payload: impl Into<Bytes>) -> Result<Delivery, SendError> {
        let payload = payload.into();
        check(topic, payload.len())?;
        if topic.is_empty() {
            return Err(SendError::NoTopic);
        }
        Ok(self.to_several(&self.exchange.subscribers(topic), topic, Scope::Subscribers, payload))
    }

    /// How many messages were refused so far, of workers and of the program: because of their form, or because who they were for
    /// was not there, not ready, or had no room.
    pub fn refusals(&self) -> u64 {
        self.counts().refused
    }

    /// What it has carried so far.
    pub(crate) fn counts(&self) -> TrafficCounts {
        self.exchange.traffic.counts()
    }

    fn peer(&self, to: Recipient) -> Result<Arc<Peer>, SendError> {
        let peer = match to {
            Recipient::Worker(id) => self.exchange.worker(id),
            Recipient::Slot(slot) => self.exchange.slot(slot),
        };
        peer.inspect_err(|_| self.count(1))
    }

    async fn push(
        &self,
        peer: &Peer,
        outbound: &Outbound<'_>,
        payload: Bytes,
        within: Duration,
    ) -> Result<(), SendError> {
        let (size, mut payload) = (payload.len(), payload);
        // Mostly there is room, and then no timer is needed.
        match peer.mailbox.try_push_from(outbound, &mut payload) {
            Ok(()) => return self.delivered(size),
            Err(Refused::Full) => {}
            Err(closed) => return Err(self.refused(peer, closed)),
        }
        match patience::within(within, peer.mailbox.push(outbound, payload)).await {
            Some(Ok(())) => self.delivered(size),
            Some(Err(_)) => Err(self.refused(peer, Refused::Closed)),
            None => {
                self.count(1);
                let (app, worker) = (self.exchange.app.to_string(), peer.identity.slot.0);
                Err(SendError::TimedOut { app, worker, after: within })
            }
        }
    }

    fn to_several(&self, peers: &[Arc<Peer>], topic: &str, scope: Scope, payload: Bytes) -> Delivery {
        let size = payload.len();
        let frame = one_way(topic, scope).encode(Direction::ToWorker, payload);
        let mut delivery = Delivery::default();
        for peer in peers {
            match peer.mailbox.try_push_encoded(&frame) {
                Ok(()) => delivery.delivered += 1,
                Err(refused) => delivery.refused.push((peer.identity.id, self.refused(peer, refused))),
            }
        }
        self.exchange.traffic.delivered(delivery.delivered.into(), size);
        delivery
    }

    fn delivered(&self, size: usize) -> Result<(), SendError> {
        self.exchange.traffic.delivered(1, size);
        Ok(())
    }

    fn refused(&self, peer: &Peer, refused: Refused) -> SendError {
        self.count(1);
        self.exchange.not_taken(peer, refused)
    }

    fn count(&self, refused: u64) {
        self.exchange.traffic.refused(refused);
    }
}

fn in_order(peers: &[Arc<Peer>]) -> Vec<(WorkerId, SlotIndex)> {
    let mut peers: Vec<_> = peers.iter().map(|peer| (peer.identity.id, peer.identity.slot)).collect();
    peers.sort_by_key(|(id, slot)| (*slot, *id));
    peers
}

fn one_way(topic: &str, scope: Scope) -> Outbound<'_> {
    let body = OutboundBody::Message { topic, scope, worker: 0, slot: 0, timeout_ms: 0, confirm: false };
    Outbound { body, ..Default::default() }
}

/// A request of the program. Dropped, nobody waits for its answer any more.
struct OpenRequest {
    peer: Weak<Peer>,
    seq: u64,
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        if let Some(peer) = self.peer.upgrade() {
            peer.ledger().give_up(self.seq);
        }
    }
}
