//! An app on the bus, and workers that speak raw frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use drover_proto::codec::FrameCodec;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{
    Accepted, ErrorCode, MasterFrame, Message as WireMessage, Scope, Subscribe, Unsubscribe, WorkerFrame,
    master_frame, worker_frame,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::UnixStream;
use tokio_util::codec::Framed;

use super::super::{Bus, Exchange, Handler, Message, Peer};
use crate::ids::{Generation, SlotIndex, WorkerId};
use crate::keeper::AppTallies;
use crate::link::testing::{Carried, carried};
use crate::machine::worker::Identity;

pub(super) const SOON: Duration = Duration::from_secs(20);

/// One worker: its end of the connection.
pub(super) struct BusWorker {
    pub(super) id: WorkerId,
    pub(super) frames: Framed<UnixStream, FrameCodec<WorkerFrame, MasterFrame>>,
    pub(super) link: Carried,
}

/// An app on the bus.
pub(super) struct BusApp {
    pub(super) exchange: Arc<Exchange>,
    last: AtomicU64,
}

impl BusApp {
    pub(super) fn new() -> Self {
        Self::with(None)
    }

    pub(super) fn handled(handler: impl Fn(Message<'_>) + Send + Sync + 'static) -> Self {
        Self::with(Some(Handler::new(handler)))
    }

    pub(super) fn with(handler: Option<Handler>) -> Self {
        Self {
            exchange: Arc::new(Exchange::new("web".into(), handler, AppTallies::default())),
            last: AtomicU64::new(0),
        }
    }

    pub(super) fn bus(&self) -> Bus {
        Bus::new(Arc::clone(&self.exchange))
    }

    /// A worker that is ready.
    pub(super) fn worker(&self) -> BusWorker {
        self.worker_that(true, true)
    }

    pub(super) fn worker_that(&self, takes: bool, is_ready: bool) -> BusWorker {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let (slot, generation) = (SlotIndex(number as u32), Generation(1));
        let id = WorkerId(number + 1);
        let peer = Arc::new(Peer::new(Identity { slot, generation, id }, takes, is_ready));
        let (link, stream) = carried(&self.exchange, peer);
        BusWorker { id, frames: Framed::new(stream, FrameCodec::new(FrameLimit::WORKER)), link }
    }
}

impl BusWorker {
    pub(super) async fn say(&mut self, seq: u64, expects_reply: bool, body: worker_frame::Body) {
        let frame = WorkerFrame { seq, expects_reply, body: Some(body), ..Default::default() };
        self.frames.send(frame).await.unwrap();
    }

    pub(super) async fn ask(&mut self, seq: u64, message: WireMessage) {
        self.say(seq, true, worker_frame::Body::Message(message)).await;
    }

    pub(super) async fn answer(&mut self, reply_to: u64, body: worker_frame::Body) {
        self.frames.send(WorkerFrame { reply_to, body: Some(body), ..Default::default() }).await.unwrap();
    }

    pub(super) async fn hear(&mut self) -> MasterFrame {
        tokio::time::timeout(SOON, self.frames.next())
            .await
            .expect("a frame in time")
            .expect("a frame")
            .unwrap()
    }

    pub(super) async fn message(&mut self) -> (u64, WireMessage) {
        match self.hear().await {
            MasterFrame { seq, body: Some(master_frame::Body::Message(message)), .. } => (seq, message),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn reply(&mut self) -> (u64, Bytes) {
        match self.hear().await {
            MasterFrame { reply_to, body: Some(master_frame::Body::Reply(reply)), .. } => {
                (reply_to, reply.payload)
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn accepted(&mut self) -> (u64, Accepted) {
        match self.hear().await {
            MasterFrame { reply_to, body: Some(master_frame::Body::Accepted(accepted)), .. } => {
                (reply_to, accepted)
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn error(&mut self) -> (u64, ErrorCode, String) {
        match self.hear().await {
            MasterFrame { reply_to, body: Some(master_frame::Body::Error(error)), .. } => {
                (reply_to, error.code(), error.message)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Waits until all it has said so far is heard.
    pub(super) async fn sync(&mut self) {
        let body = worker_frame::Body::Unsubscribe(Unsubscribe { topic: "nothing".into() });
        self.say(u64::MAX, true, body).await;
        let answer = self.hear().await;
        assert_eq!(answer.reply_to, u64::MAX, "{answer:?}");
    }

    pub(super) async fn subscribe(&mut self, topic: &str) {
        self.say(1, true, worker_frame::Body::Subscribe(Subscribe { topic: topic.into() })).await;
        assert_eq!(self.accepted().await, (1, Accepted::default()));
    }
}

pub(super) fn message(scope: Scope, topic: &str, payload: &str) -> WireMessage {
    let (topic, payload) = (topic.to_owned(), payload.to_owned().into());
    WireMessage { topic, payload, scope: scope.into(), ..Default::default() }
}

pub(super) fn to(worker: &BusWorker, topic: &str, payload: &str) -> WireMessage {
    WireMessage { worker: worker.id.0, ..message(Scope::Worker, topic, payload) }
}

pub(super) fn identity() -> Identity {
    Identity { slot: SlotIndex(0), generation: Generation(1), id: WorkerId(1) }
}
